"""The parts of the mailer on a site, in the event loop of the test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from sysndd_core.background import end_tasks
from sysndd_core.db.database import Database
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.mail.outbox import ClaimedMail, NewMail
from sysndd_core.mail.transport import TransportRows
from sysndd_core.settings.smtp import SmtpSettings
from sysndd_mailer.circuit_breaker import CircuitBreaker, prober
from sysndd_mailer.compose import Composer
from sysndd_mailer.delivery import Delivery
from sysndd_mailer.links import Links
from sysndd_mailer.outbox_rows import OutboxRows
from sysndd_mailer.settings import MailerSettings
from sysndd_mailer.smtp import ConnectionPool
from tests.support.burst import BurstWorker, stored_row
from tests.support.site import Site


@dataclass
class Outbox:
    """The outbox, and a mailer that sends due emails when a test calls it."""

    rows: OutboxRows
    worker: BurstWorker[ClaimedMail]
    circuit_breaker: CircuitBreaker
    pool: ConnectionPool
    composer: Composer
    concurrent_worker: Callable[[int], BurstWorker[ClaimedMail]]
    """Creates a mailer that claims up to this number of emails."""

    async def put(self, mail: NewMail) -> str:
        """Write the row of an email; return its ID."""
        async with self.rows.database.transaction() as tx:
            return await self.rows.enqueue(tx, mail, requested_by=None)

    async def row(self, mail_id: str) -> dict[str, Any]:
        """Return the row of an email."""
        return await stored_row(self.rows, mail_id)

    async def send_queued(self) -> None:
        """Send every queued email, including those whose next attempt is due later."""
        await self.rows.database.execute(
            f"UPDATE {self.rows.table} SET run_after = '2000-01-01' WHERE state = 'queued'"
        )
        await self.worker.run_until_idle()


@contextlib.asynccontextmanager
async def open_outbox(site: Site, database: Database, smtp: SmtpSettings) -> AsyncIterator[Outbox]:
    """Open the parts of a mailer that uses this mail server."""
    settings = site.load(MailerSettings)
    wake_up, pool = WakeUp(site.redis), ConnectionPool(smtp)
    circuit_breaker = CircuitBreaker(
        prober(smtp), TransportRows(database), name="mail@test:1", first_delay=0.1
    )
    rows = OutboxRows(database, wake_up, circuit_breaker, domain="sysndd.example")
    composer = Composer(mail_from=settings.smtp.sender(settings.site.name), site=settings.site)
    delivery = Delivery(rows, composer, Links(database, settings.token.key), pool, circuit_breaker)

    def make_worker(concurrency: int) -> BurstWorker[ClaimedMail]:
        return BurstWorker(
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
        await end_tasks(watch)
        await pool.close()
        await wake_up.close()
