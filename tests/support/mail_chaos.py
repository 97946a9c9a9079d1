"""A real mailer process, a faulty mail server, and a record of how often each email may arrive."""

import asyncio
import collections
import contextlib
import dataclasses
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from sysndd_core.db.database import Database, Transaction
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.mail.outbox import MailRows, NewMail
from tests.support.processes import RealProcess
from tests.support.servers import TestRedis, start_redis
from tests.support.site import Site
from tests.support.smtp_faults import FaultySmtp, faulty_smtp
from tests.support.workers import service_process

STEPS = ("BANNER", "EHLO", "MAIL", "RCPT", "DATA", "CONTENT", "SENT")
"""Steps of a delivery, in order. SENT: the server has replied 250, the row is not closed yet."""


@dataclass
class MailChaos:
    """The committed emails, and what the server received.

    Attributes:
        mailer: The mailer process.
        server: The faulty mail server.
        redis: The Redis server of the mailer.
        rows: The outbox.
        committed: Message-IDs of emails whose transaction was committed.
        rolled_back: Message-IDs of emails whose transaction was rolled back.
        unconfirmed: Message-IDs of emails that may arrive twice: their delivery is unknown, or the
            mailer was killed between the 250 reply and the closing of the row.
    """

    mailer: RealProcess
    server: FaultySmtp
    redis: TestRedis
    rows: MailRows
    committed: list[str] = field(default_factory=list)
    rolled_back: list[str] = field(default_factory=list)
    unconfirmed: set[str] = field(default_factory=set)

    async def commit(self, mails: int) -> None:
        """Commit this number of emails, and roll back one more."""
        for _ in range(mails):
            async with self.rows.database.transaction() as tx:
                self.committed.append(await self._enqueue(tx))
        with contextlib.suppress(ZeroDivisionError):
            async with self.rows.database.transaction() as tx:
                self.rolled_back.append(await self._enqueue(tx))
                raise ZeroDivisionError

    async def _enqueue(self, tx: Transaction) -> str:
        recipient = f"{secrets.token_hex(6)}@sysndd.example"
        mail = NewMail("test", recipient, "test", {"requested_at": "2026-01-01 00:00"})
        mail_id = await self.rows.enqueue(tx, mail, requested_by=None)
        row = await tx.fetch_one(
            f"SELECT message_id FROM {self.rows.table} WHERE id = %s", (mail_id,)
        )
        assert row is not None
        message_id: str = row["message_id"]
        return message_id

    @contextlib.asynccontextmanager
    async def killed_at(self, step: str, *, seconds: float = 60) -> AsyncIterator[None]:
        """Kill the mailer at a step of what the block commits, and record unknown deliveries."""
        async with self.rows.database.transaction() as tx:
            if step == "SENT":
                self.server.before["CONTENT"] = lambda: self._hold_last(tx)
            killed = self.kill_at(step)
            yield
            await self.killed(killed, seconds=seconds)

    async def _hold_last(self, tx: Transaction) -> None:
        """Lock the row of the email that arrived last: nobody closes it while ``tx`` is open."""
        message_id = self.server.accepted[-1]["Message-ID"]
        await tx.fetch_one(
            f"SELECT id FROM {self.rows.table} WHERE message_id = %s FOR UPDATE", (message_id,)
        )

    def kill_at(self, step: str) -> asyncio.Event:
        """Kill the mailer when it reaches a step; return the event that is set then."""
        killed = asyncio.Event()

        def kill() -> None:
            self.mailer.kill()
            killed.set()

        self.server.before[step] = kill
        return killed

    async def killed(self, killed: asyncio.Event, *, seconds: float) -> None:
        """Wait for the event of ``kill_at``, and record unknown deliveries."""
        async with asyncio.timeout(seconds):
            await killed.wait()
        await self.note_unknown_outcomes()

    async def note_unknown_outcomes(self) -> None:
        """Record the emails that may arrive again: received, but not closed in the outbox."""
        arrived = {message["Message-ID"] for message in self.server.accepted}
        rows = await self.rows.database.fetch_all(
            f"SELECT message_id FROM {self.rows.table} WHERE state <> 'sent'"
        )
        self.unconfirmed |= arrived & {row["message_id"] for row in rows}
        self.unconfirmed |= self.server.unanswered

    async def all_sent(self, *, seconds: float = 90) -> None:
        """Wait until each email is sent."""
        deadline = time.monotonic() + seconds
        while await self.rows.database.fetch_one(
            f"SELECT 1 FROM {self.rows.table} WHERE state <> 'sent' LIMIT 1"
        ):
            assert time.monotonic() < deadline, f"not all sent within {seconds:g} s"
            await asyncio.sleep(0.1)

    async def retry_now_until_sent(self, *, seconds: float = 180) -> None:
        """Wait until each email is sent, without the delays before the next attempts."""
        deadline = time.monotonic() + seconds
        while await self.rows.database.fetch_one(
            f"SELECT 1 FROM {self.rows.table} WHERE state <> 'sent' LIMIT 1"
        ):
            assert time.monotonic() < deadline, f"not all sent within {seconds:g} s"
            await self.rows.database.execute(
                f"UPDATE {self.rows.table} SET run_after = UTC_TIMESTAMP(6)"
                " WHERE state = 'queued' AND run_after > UTC_TIMESTAMP(6)"
            )
            await self.rows.announce("now")
            await asyncio.sleep(1)

    def check(self) -> None:
        """Assert that each committed email arrived, twice only if its delivery was unknown."""
        counts = collections.Counter(message["Message-ID"] for message in self.server.accepted)
        assert set(counts) == set(self.committed)
        assert not set(counts) & set(self.rolled_back)
        twice = {message_id for message_id, count in counts.items() if count > 1}
        assert twice <= self.unconfirmed | self.server.unanswered


@contextlib.asynccontextmanager
async def mail_chaos(
    site: Site, folder: Path, *, connections: int = 1, timeout: float = 2
) -> AsyncIterator[MailChaos]:
    """Run a mailer with a faulty mail server and a separate Redis server."""
    async with contextlib.AsyncExitStack() as stack:
        redis = stack.enter_context(start_redis(folder))
        own = dataclasses.replace(site, environ=site.environ | {"REDIS_URL": redis.url})
        server = await stack.enter_async_context(faulty_smtp())
        mailer = stack.enter_context(
            service_process(
                "sysndd_mailer",
                own,
                folder,
                SMTP_HOST="127.0.0.1",
                SMTP_PORT=str(server.port),
                SMTP_SECURITY="none",
                SMTP_CONNECTIONS=str(connections),
                SMTP_TIMEOUT=str(timeout),
            )
        )
        database = await stack.enter_async_context(Database(site.database))
        wake_up = WakeUp(own.redis)
        stack.push_async_callback(wake_up.close)
        rows = MailRows(database, wake_up, domain="sysndd.example")
        yield MailChaos(mailer, server, redis, rows)
