"""One claimed outbox row: compose, send, record what became of it."""

import asyncio
import contextlib
import random
from datetime import UTC
from typing import Any

from sysndd_core.errors import LeaseLost
from sysndd_core.jobs.leases import Claim, Ending
from sysndd_core.logging import get_logger
from sysndd_core.mail.outbox import OnDoubt
from sysndd_mailer.breaker import Breaker
from sysndd_mailer.closing import Closing
from sysndd_mailer.compose import Composer, Context, LinkMail, MailNotComposable
from sysndd_mailer.links import KeyNotSet, LinkNotWanted, Links
from sysndd_mailer.outbox_rows import OutboxRows, Preview, SentMail
from sysndd_mailer.smtp import Connections, Fate, Outcome

log = get_logger(__name__)

_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 1800.0
_KEY_PAUSE = 60.0


class Delivery:
    """Performs the mail queue's rows.

    Args:
        rows: the outbox.
        composer: renders them.
        links: makes the links in them.
        connections: transport.
        breaker: opened when the transport is broken.
    """

    def __init__(
        self,
        rows: OutboxRows,
        composer: Composer,
        links: Links,
        connections: Connections,
        breaker: Breaker,
    ) -> None:
        self._rows = rows
        self._composer = composer
        self._links = links
        self._connections = connections
        self._breaker = breaker
        self._closing = Closing(rows)

    async def perform(self, claim: Claim) -> None:
        """Send one mail. The row is closed only after the server's final answer."""
        try:
            await self._perform(claim)
        except LeaseLost:
            log.warning("mail_lease_lost", mail_id=claim.id)
        except MailNotComposable as error:
            log.error("mail_dead", mail_id=claim.id, reason=error.detail)
            await self._rows.dead(claim, None, error.detail)
        except LinkNotWanted as error:
            log.info("mail_cancelled", mail_id=claim.id, reason=error.detail)
            await self._rows.cancelled(claim, error.detail)
        except KeyNotSet as error:
            log.error("mail_waits", mail_id=claim.id, reason=error.detail)
            await self._rows.retry(
                claim, after_seconds=_KEY_PAUSE, code=None, reply=error.detail, spent=False
            )
        except asyncio.CancelledError:
            await self._broken_off(claim)

    async def finish(self) -> None:
        """Wait until the row of every mail that was sent is closed."""
        await self._closing.finish()

    async def _broken_off(self, claim: Claim) -> None:
        """Hand back what was not begun.

        Anything else may have arrived: whoever claims the row next, once its lease has run out,
        sends it again under the same Message-ID.
        """
        log.warning("mail_broken_off", mail_id=claim.id, reason=claim.ending)
        if claim.ending is Ending.WORKER_STOPPING and not claim.under_way:
            with contextlib.suppress(LeaseLost):
                await self._rows.hand_back(claim)

    async def _perform(self, claim: Claim) -> None:
        row = claim.row
        async with self._connections.turn():
            if self._breaker.is_open:
                # It opened while this one waited for its turn.
                await self._rows.hand_back(claim)
                return
            context = self._composer.context(row["template"], row["context"])
            claim.under_way = True
            token = await self._token(context)
            rendered = self._composer.render(row["template"], context, token)
            message = self._composer.message(
                rendered,
                recipient=row["recipient"],
                message_id=row["message_id"],
                date=row["created_at"].replace(tzinfo=UTC),
            )
            outcome = await self._connections.send(message, lambda: self._before_content(claim))
            if outcome.fate is Fate.TRANSPORT:
                self._breaker.open(outcome.code, outcome.reply)
        # The connection takes the next mail while this one's row is closed.
        await self._record(claim, outcome, rendered.masked(token).document())

    async def _before_content(self, claim: Claim) -> None:
        """Make sure, right before the content leaves, that nobody else may send this mail.

        What is sent again on doubt needs nothing written: a successor would not act differently. The
        clock is enough to know that there is none. From here on only the server's answer tells what
        became of the mail, so the heartbeat breaks it off no more.

        Raises:
            LeaseLost: there may be one; nothing was sent.
        """
        if claim.row["on_doubt"] == OnDoubt.HOLD:
            await self._rows.sending(claim)
        if not claim.is_ours:
            raise LeaseLost(f"The lease of {claim.id} ran out before its content was sent.")
        claim.closing = True

    async def _token(self, context: Context) -> str | None:
        if isinstance(context, LinkMail):
            return await self._links.token(context.token_purpose, context.token_id)
        return None

    async def _record(self, claim: Claim, outcome: Outcome, preview: Preview) -> None:
        row, rows = claim.row, self._rows
        if outcome.fate is Fate.SENT:
            # A database that is slow to write holds up no connection.
            claim.make_room()
            await self._closing.close(SentMail(claim, outcome.reply, preview))
            return
        log.warning(
            "mail_not_sent",
            fate=outcome.fate.value,
            reply=outcome.reply,
            purpose=row["purpose"],
            smtp_code=outcome.code,
        )
        said: dict[str, Any] = {
            "code": outcome.code, "reply": outcome.reply, "preview": preview,
        }  # fmt: skip
        if outcome.fate is Fate.TRANSPORT:
            await rows.retry(claim, after_seconds=0, spent=False, **said)
        elif outcome.fate is Fate.DOUBT and row["on_doubt"] == OnDoubt.HOLD:
            await rows.hold(claim, f"It may have arrived. {outcome.reply}", preview)
        elif outcome.fate in (Fate.RETRY, Fate.DOUBT) and claim.attempt < row["max_attempts"]:
            await rows.retry(claim, after_seconds=pause(claim.attempt), **said)
        else:
            if outcome.fate is Fate.NO_SUCH_RECIPIENT:
                await rows.mark_undeliverable(row["recipient"], outcome.code, outcome.reply)
            await rows.dead(claim, **said)


def pause(attempt: int) -> float:
    """Return the seconds before the next try: doubling, capped, with full jitter above a half.

    Without jitter all mails that one outage held up come back in the same second.
    """
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempt - 1, 20))
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, keeps no secret
