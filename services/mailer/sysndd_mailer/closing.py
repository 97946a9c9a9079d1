"""Closes the rows of sent mails: those that come within a moment share one statement.

A mail whose 250 has come must not be sent again because of us, so a database that is away is asked
until it answers, whatever becomes of the task that sent the mail.
"""

import asyncio
import contextlib
import contextvars

from sysndd_core.errors import LeaseLost, SysnddError
from sysndd_core.jobs.leases import Fence
from sysndd_core.logging import get_logger
from sysndd_core.turns import few_at_once
from sysndd_mailer.outbox_rows import OutboxRows, SentMail

log = get_logger(__name__)

_TOGETHER = 0.03
"""Seconds in which others may join a statement; to the database, each costs nearly as much as ten."""
_AT_ONCE = 200
_PAUSE = 0.25
_TRIES = 240
"""A minute; by then the lease has run out, and it is another mailer's turn anyhow."""


class Closing:
    """Closes sent mails.

    Args:
        rows: the outbox.
    """

    def __init__(self, rows: OutboxRows) -> None:
        self._rows = rows
        self._waiting: list[tuple[SentMail, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def close(self, mail: SentMail) -> None:
        """Return once the mail's row is closed; goes on by itself should the caller end before.

        Raises:
            LeaseLost: another mailer has claimed the row since.
            SysnddError: the database did not answer for a minute.
        """
        closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((mail, closed))
        if self._writer is None:
            # In a context of its own: its log lines are about all of them, not about this one.
            self._writer = asyncio.create_task(self._write(), context=contextvars.Context())
        await closed

    async def finish(self) -> None:
        """Wait until nothing is left to close."""
        while self._writer is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(self._writer)

    async def _write(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(_TOGETHER)
                batch, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                # One line for all: in bulk, a line for each would cost as much as rendering it.
                log.info("mails_sent", mails=[_facts(mail) for mail, _ in batch])
                try:
                    ours = await self._patiently([mail for mail, _ in batch])
                except Exception as error:  # noqa: BLE001 - goes to each who waits
                    for _, closed in batch:
                        _fail(closed, error)
                    continue
                async for mail, closed in few_at_once(batch):
                    if mail.claim.fence not in ours:
                        _fail(closed, LeaseLost(f"{mail.claim.id} was claimed by another."))
                    elif not closed.done():
                        closed.set_result(None)
        finally:
            self._writer = None

    async def _patiently(self, mails: list[SentMail]) -> set[Fence]:
        for _ in range(_TRIES):
            try:
                return await self._rows.close_sent(mails)
            except SysnddError as error:
                log.warning("sent_mails_not_closed_yet", mails=len(mails), code=error.code)
                await asyncio.sleep(_PAUSE)
        return await self._rows.close_sent(mails)


def _facts(mail: SentMail) -> dict[str, str | int]:
    """What leads from a mail or from the request that asked for it to this line, and back."""
    row = mail.claim.row
    facts = {"mail_id": mail.claim.id, "purpose": row["purpose"], "attempt": mail.claim.attempt}
    return facts | ({"request_id": row["request_id"]} if row.get("request_id") else {})


def _fail(closed: asyncio.Future[None], error: Exception) -> None:
    # Whoever waited may have been cancelled, and its future with it.
    if not closed.done():
        closed.set_exception(error)
