"""The outbox as a mailer works through it: claimed by the batch, closed by the batch, fenced."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import InitVar, dataclass, field

from sysndd_core.db.database import Database, Row
from sysndd_core.jobs.leases import Claim, Fence
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.mail.outbox import MailRows, MailState
from sysndd_mailer.breaker import Breaker

Preview = dict[str, str]
"""Subject, text and html as rendered, with links masked."""


@dataclass(frozen=True)
class SentMail:
    """A mail that the server accepted, with its answer.

    Attributes:
        literal: the preview as it goes into a statement; made with the mail, so that the statement
            of many does not keep the connections waiting.
    """

    claim: Claim
    reply: str
    preview: InitVar[Preview]
    literal: str = field(init=False)

    def __post_init__(self, preview: Preview) -> None:
        object.__setattr__(self, "literal", _literal(preview))


class OutboxRows(MailRows):
    """Claims, closes and reclaims rows of the ``mail`` table.

    Args:
        database: the process's pool.
        wake_up: how mailers are told.
        breaker: nothing is due while it is open.
        domain: right side of a Message-ID.
    """

    claimed_columns = (
        "id, attempt, max_attempts, purpose, recipient, template, context, message_id, on_doubt,"
        " request_id, created_at"
    )

    def __init__(
        self, database: Database, wake_up: WakeUp, breaker: Breaker, *, domain: str
    ) -> None:
        super().__init__(database, wake_up, domain=domain)
        self.undeliverable = f"{database.ops}.undeliverable_address"
        self._breaker = breaker

    async def claim_some(self, worker: str, limit: int) -> list[Claim]:
        """Take up to ``limit`` rows, those that have been due the longest first."""
        return [] if self._breaker.is_open else await super().claim_some(worker, limit)

    async def cancel_requested(self, claim: Claim) -> bool:
        """A mail in flight is not broken off."""
        return False

    async def sending(self, claim: Claim) -> None:
        """Note, before the first byte of the content leaves, that from now on it may be there.

        Raises:
            LeaseLost: as ``write``; nothing may be sent.
        """
        await self.write(claim, "phase = 'data'", ())

    async def close_sent(self, mails: Sequence[SentMail]) -> set[Fence]:
        """Close mails that the server accepted, all in one statement; return which were.

        Fenced by each one's attempt. One whose lease has run out meanwhile is closed as well as long
        as nobody has claimed it since: it was sent, and the attempt number says that only we did.
        """
        replies, of_replies = _by_id((mail.claim.id, "%s", [mail.reply[:500]]) for mail in mails)
        previews, of_previews = _by_id((mail.claim.id, mail.literal, []) for mail in mails)
        return await self.write_all(
            [mail.claim for mail in mails],
            "finished_at = UTC_TIMESTAMP(6), lease_until = NULL, phase = NULL, last_code = 250,"
            f" last_reply = {replies}, preview = {previews}, state = 'sent'",
            (*of_replies, *of_previews),
            before=(MailState.RUNNING, MailState.QUEUED, MailState.HELD),
            after=MailState.SENT,
        )

    async def dead(
        self, claim: Claim, code: int | None, reply: str, preview: Preview | None = None
    ) -> None:
        """Close a mail that will never be accepted."""
        await self._ended_badly(claim, MailState.DEAD, code, reply, preview)

    async def hold(self, claim: Claim, reply: str, preview: Preview) -> None:
        """Leave to a person whether a mail that may have arrived is sent again."""
        await self._ended_badly(claim, MailState.HELD, None, reply, preview)

    async def cancelled(self, claim: Claim, reason: str) -> None:
        """Close a mail whose purpose is gone, such as one with a link that is used already."""
        await self._ended_badly(claim, MailState.CANCELLED, None, reason, None)

    async def _ended_badly(
        self, claim: Claim, state: MailState, code: int | None, reply: str, preview: Preview | None
    ) -> None:
        await self.end(
            claim,
            state,
            "phase = NULL, last_code = %s, last_reply = %s, preview = COALESCE(%s, preview)",
            code,
            reply[:500],
            json.dumps(preview) if preview else None,
        )

    async def retry(
        self,
        claim: Claim,
        *,
        after_seconds: float,
        code: int | None,
        reply: str,
        preview: Preview | None = None,
        spent: bool = True,
    ) -> None:
        """Queue a mail again for later.

        Args:
            spent: whether it used up an attempt. The attempt number itself only ever grows (it is
                the fence), so one that was not used up raises the limit.
        """
        claim.closing = True
        more = "" if spent else " max_attempts = max_attempts + 1,"
        await self.write(
            claim,
            f"state = 'queued', phase = NULL, lease_until = NULL, worker = NULL,{more}"
            " last_code = %s, last_reply = %s, preview = COALESCE(%s, preview),"
            " run_after = UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND",
            (
                code,
                reply[:500],
                json.dumps(preview) if preview else None,
                int(after_seconds * 1_000_000),
            ),
        )

    async def reclaim(self) -> int:
        """Cancel what has expired, hold what may have arrived, take the rest from the dead."""
        await self._change_unlocked(
            "state = 'queued' AND expires_at <= UTC_TIMESTAMP(6)",
            "state = 'cancelled', finished_at = UTC_TIMESTAMP(6),"
            " last_reply = 'It expired before it could be sent.'",
        )
        await self._change_unlocked(
            "state = 'running' AND lease_until < UTC_TIMESTAMP(6)"
            " AND phase = 'data' AND on_doubt = 'hold'",
            "state = 'held', finished_at = UTC_TIMESTAMP(6), lease_until = NULL, worker = NULL,"
            " last_reply = 'The mailer stopped while the content was under way.'",
        )
        return await super().reclaim()

    def _lost_columns(self, last: str) -> str:
        return " phase = NULL,"

    async def mark_undeliverable(self, recipient: str, code: int | None, reply: str) -> None:
        """Remember that a mail server called an address impossible."""
        await self.database.execute(
            f"INSERT INTO {self.undeliverable} (recipient, since, code, reply)"
            " VALUES (%s, UTC_TIMESTAMP(6), %s, %s)"
            " ON DUPLICATE KEY UPDATE code = %s, reply = %s",
            (recipient, code, reply[:500], code, reply[:500]),
        )

    async def without_preview(self, *, limit: int) -> list[Row]:
        """Read mails that wait and that nobody has rendered yet: id, template and context."""
        return await self.database.fetch_all(
            f"SELECT id, template, context FROM {self.table} WHERE state IN ('queued', 'held')"
            " AND preview IS NULL AND created_at < UTC_TIMESTAMP(6) - INTERVAL 2 SECOND"
            " ORDER BY created_at DESC LIMIT %s",
            (limit,),
        )

    async def show(self, mail_id: str, preview: Preview) -> None:
        """Write how a mail that waits will look."""
        await self.database.execute(
            f"UPDATE {self.table} SET preview = %s WHERE id = %s AND preview IS NULL",
            (json.dumps(preview), mail_id),
        )


def _by_id(values: Iterable[tuple[str, str, list[str]]]) -> tuple[str, list[str]]:
    """Return an expression that is another value in each row, with its arguments.

    In two steps, since a server tries one WHEN after the other.

    Args:
        values: row's id, expression, and the expression's arguments.
    """
    groups: dict[str, list[tuple[str, str, list[str]]]] = {}
    for value in values:
        groups.setdefault(value[0][:1], []).append(value)
    choices, arguments = [], []
    for first, some in groups.items():
        rows = " ".join(f"WHEN %s THEN {expression}" for _, expression, _ in some)
        choices.append(f"WHEN %s THEN CASE id {rows} END")
        arguments += [first, *(one for row_id, _, own in some for one in (row_id, *own))]
    return f"CASE LEFT(id, 1) {' '.join(choices)} END", arguments


def _literal(preview: Preview) -> str:
    """Write a preview as a literal of SQL. In hexadecimal it has nothing to be escaped.

    The driver's escaping, letter by letter, costs as much as rendering the mail.
    """
    return f"_utf8mb4 x'{json.dumps(preview).encode().hex()}'"
