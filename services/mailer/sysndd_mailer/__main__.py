"""``sysndd-mailer``: serves the outbox until SIGTERM."""

import asyncio
import os
import sys
from urllib.parse import urlsplit

from sysndd_core.database import Database
from sysndd_core.errors import SysnddError
from sysndd_core.logging import configure
from sysndd_core.outbox import MailRows
from sysndd_core.queue import WakeUp
from sysndd_core.settings import (
    DatabaseSettings,
    LogSettings,
    RedisSettings,
    Settings,
    SiteSettings,
    SmtpSettings,
    load,
)
from sysndd_core.worker import Worker
from sysndd_mailer.compose import Composer
from sysndd_mailer.delivery import Delivery

_CONCURRENCY = 4


class MailerSettings(Settings):
    """What the mailer reads."""

    database: DatabaseSettings
    redis: RedisSettings
    smtp: SmtpSettings
    site: SiteSettings
    log: LogSettings


def main() -> int:
    """Read the environment and serve; return 0 after a clean stop, 1 when it can't start."""
    try:
        settings = load(MailerSettings, os.environ)
        configure(settings.log, service="mailer")
        asyncio.run(_serve(settings))
    except SysnddError as error:
        print(f"sysndd-mailer: {error.detail}", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: MailerSettings) -> None:
    wake_up = WakeUp(settings.redis)
    domain = urlsplit(settings.site.public_url).hostname or "localhost"
    try:
        async with Database(settings.database) as database:
            rows = MailRows(database, wake_up, domain=domain)
            composer = Composer(
                mail_from=settings.smtp.mail_from, public_url=settings.site.public_url
            )
            worker = Worker(
                database=database,
                redis=settings.redis,
                rows=rows,
                perform=Delivery(rows, composer, settings.smtp).perform,
                concurrency=_CONCURRENCY,
                # A mail in flight is finished: breaking it off after DATA would send it twice.
                interruptible=lambda claim: False,
            )
            await worker.run()
    finally:
        await wake_up.close()


if __name__ == "__main__":
    sys.exit(main())
