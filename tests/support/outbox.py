"""The mailer's parts on a site, in the test's own loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from sysndd_core.db.database import Database
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.jobs.worker import Worker
from sysndd_core.mail.outbox import NewMail
from sysndd_core.mail.transport import TransportRows
from sysndd_core.settings.smtp import SmtpSettings
from sysndd_mailer.circuit_breaker import CircuitBreaker, prober
from sysndd_mailer.compose import Composer
from sysndd_mailer.delivery import Delivery
from sysndd_mailer.links import Links
from sysndd_mailer.outbox_rows import OutboxRows
from sysndd_mailer.settings import MailerSettings
from sysndd_mailer.smtp import ConnectionPool
from tests.support.site import Site


@dataclass
class Outbox:
    """The outbox and a mailer that sends what is due when it is told to."""

    rows: OutboxRows
    worker: Worker
    circuit_breaker: CircuitBreaker
    pool: ConnectionPool
    composer: Composer
    concurrent_worker: Callable[[int], Worker]
    """Makes a mailer that has so many mails in hand at once."""

    async def put(self, mail: NewMail) -> str:
        """Write a mail's row; return its id."""
        async with self.rows.database.transaction() as tx:
            return await self.rows.enqueue(tx, mail, requested_by=None)

    async def row(self, mail_id: str) -> dict[str, Any]:
        """Read a mail's row."""
        row = await self.rows.get(mail_id)
        assert row is not None
        return row

    async def send_due(self) -> None:
        """Send everything that is queued, also what is to be tried later."""
        await self.rows.database.execute(
            f"UPDATE {self.rows.table} SET run_after = '2000-01-01' WHERE state = 'queued'"
        )
        await self.worker.run_until_idle()


@contextlib.asynccontextmanager
async def open_outbox(site: Site, database: Database, smtp: SmtpSettings) -> AsyncIterator[Outbox]:
    """Open a mailer's parts with a transport."""
    settings = site.load(MailerSettings)
    wake_up, pool = WakeUp(site.redis), ConnectionPool(smtp)
    circuit_breaker = CircuitBreaker(
        prober(smtp), TransportRows(database), name="mail@test:1", first_pause=0.1
    )
    rows = OutboxRows(database, wake_up, circuit_breaker, domain="sysndd.example")
    composer = Composer(mail_from=settings.smtp.mail_from, public_url=settings.site.public_url)
    delivery = Delivery(rows, composer, Links(database, settings.token.key), pool, circuit_breaker)

    def make_worker(concurrency: int) -> Worker:
        return Worker(
            database=database,
            redis=site.redis,
            rows=rows,
            perform=delivery.perform,
            concurrency=concurrency,
        )

    watch = asyncio.create_task(circuit_breaker.run(lambda: rows.announce("circuit_breaker")))
    try:
        yield Outbox(rows, make_worker(1), circuit_breaker, pool, composer, make_worker)
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await pool.close()
        await wake_up.close()
