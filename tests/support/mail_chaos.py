"""A real mailer process, a mail server that misbehaves, and the account of what may arrive how often."""

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
"""Moments of a delivery, in order; SENT: the server has said 250, the row is not closed yet."""


@dataclass
class MailChaos:
    """What was committed, and what was seen.

    Attributes:
        committed: Message-IDs of mails whose transaction was committed.
        rolled_back: Message-IDs of those whose was not.
        unconfirmed: those that may arrive twice: nobody can know whether the server took them, or
            their
            mailer was killed between the 250 and the closing of the row.
    """

    mailer: RealProcess
    server: FaultySmtp
    redis: TestRedis
    rows: MailRows
    committed: list[str] = field(default_factory=list)
    rolled_back: list[str] = field(default_factory=list)
    unconfirmed: set[str] = field(default_factory=set)

    async def commit(self, mails: int) -> None:
        """Commit some mails, and roll one back."""
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

    async def killed_at(self, step: str, *, seconds: float = 60) -> None:
        """Wait until the mailer reaches a step, kill it there, and note what is in doubt by then."""
        await self.killed(self.kill_at(step), seconds=seconds)

    def kill_at(self, step: str) -> asyncio.Event:
        """Kill the mailer as soon as it reaches a step; return what is set then."""
        killed = asyncio.Event()

        def kill() -> None:
            self.mailer.kill()
            killed.set()

        self.server.before[step] = kill
        return killed

    async def killed(self, killed: asyncio.Event, *, seconds: float) -> None:
        """Wait for that, and note what is in doubt by then."""
        async with asyncio.timeout(seconds):
            await killed.wait()
        await self.note_unknown_outcomes()

    async def note_unknown_outcomes(self) -> None:
        """After a kill: what the server has and the outbox does not know of may come again."""
        arrived = {message["Message-ID"] for message in self.server.accepted}
        rows = await self.rows.database.fetch_all(
            f"SELECT message_id FROM {self.rows.table} WHERE state <> 'sent'"
        )
        self.unconfirmed |= arrived & {row["message_id"] for row in rows}
        self.unconfirmed |= self.server.unanswered

    async def all_sent(self, *, seconds: float = 90) -> None:
        """Wait until no row is open."""
        deadline = time.monotonic() + seconds
        while await self.rows.database.fetch_one(
            f"SELECT 1 FROM {self.rows.table} WHERE state <> 'sent' LIMIT 1"
        ):
            assert time.monotonic() < deadline, f"not all sent within {seconds:g} s"
            await asyncio.sleep(0.1)

    async def all_due_now_until_sent(self, *, seconds: float = 180) -> None:
        """As ``all_sent``, without the pauses before a next try."""
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
        """Assert the promise: each at least once, none of a rolled-back one, twice only in doubt."""
        counts = collections.Counter(message["Message-ID"] for message in self.server.accepted)
        assert set(counts) == set(self.committed)
        assert not set(counts) & set(self.rolled_back)
        twice = {message_id for message_id, count in counts.items() if count > 1}
        assert twice <= self.unconfirmed | self.server.unanswered


@contextlib.asynccontextmanager
async def mail_chaos(
    site: Site, folder: Path, *, connections: int = 1, timeout: float = 2
) -> AsyncIterator[MailChaos]:
    """Run a mailer against a mail server of ours, with a Redis of its own."""
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
