"""``sysndd-mailer`` serves the outbox until SIGTERM; ``sysndd-mailer health`` checks the worker."""

import asyncio
import os
import socket
import sys
from urllib.parse import urlsplit

from sysndd_core.background import end_tasks
from sysndd_core.db.database import Database
from sysndd_core.db.site import check_site
from sysndd_core.errors import SysnddError
from sysndd_core.jobs.liveness import check_liveness
from sysndd_core.jobs.models import Queue
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.jobs.worker import Worker
from sysndd_core.logging import configure
from sysndd_core.mail.transport import TransportRows
from sysndd_core.settings.base import load
from sysndd_mailer.circuit_breaker import CircuitBreaker, prober
from sysndd_mailer.compose import Composer
from sysndd_mailer.delivery import Delivery
from sysndd_mailer.links import Links
from sysndd_mailer.outbox_rows import OutboxRows
from sysndd_mailer.previews import Previews
from sysndd_mailer.settings import MailerSettings
from sysndd_mailer.smtp import ConnectionPool

_CLAIMED_PER_CONNECTION = 64
"""Emails are claimed in batches; most of a batch waits in the process for a connection."""


def main() -> int:
    """Read the environment and run the command.

    Returns:
        0 after a clean stop or if the worker is healthy, else 1.
    """
    try:
        settings = load(MailerSettings, os.environ)
        if sys.argv[1:] == ["health"]:
            return check_liveness(settings.database, Queue.MAIL)
        configure(settings.log, service="mailer")
        asyncio.run(_serve(settings))
    except SysnddError as error:
        print(f"sysndd-mailer: {error.detail}", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: MailerSettings) -> None:
    wake_up = WakeUp(settings.redis)
    pool = ConnectionPool(settings.smtp)
    domain = urlsplit(settings.site.public_url).hostname or "localhost"
    name = f"mail@{socket.gethostname()}:{os.getpid()}"
    try:
        async with Database(settings.database) as database:
            await check_site(database, settings.database)
            circuit_breaker = CircuitBreaker(
                prober(settings.smtp), TransportRows(database), name=name
            )
            rows = OutboxRows(database, wake_up, circuit_breaker, domain=domain)
            composer = Composer(
                mail_from=settings.smtp.sender(settings.site.name), site=settings.site
            )
            links = Links(database, settings.token.key)
            delivery = Delivery(rows, composer, links, pool, circuit_breaker)
            worker = Worker(
                database=database,
                redis=settings.redis,
                rows=rows,
                perform=delivery.perform,
                concurrency=settings.smtp.connections * _CLAIMED_PER_CONNECTION,
            )
            background = [
                asyncio.create_task(circuit_breaker.run(lambda: rows.announce("circuit_breaker"))),
                asyncio.create_task(Previews(rows, composer).run()),
            ]
            try:
                await worker.run()
            finally:
                await end_tasks(*background)
    finally:
        await pool.close()
        await wake_up.close()


if __name__ == "__main__":
    sys.exit(main())
