"""What one process holds: opened and closed in one place, for the API and the command line alike."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sysndd_api.account_parts import account_parts
from sysndd_api.accounts.service import Accounts
from sysndd_api.activity.service import Activity
from sysndd_api.activity.store import ActivityStore
from sysndd_api.addresses.service import Addresses
from sysndd_api.audit.service import Audit
from sysndd_api.audit.store import AuditStore
from sysndd_api.backups.service import Backups
from sysndd_api.curation.service import Curation
from sysndd_api.curation.store import CurationStore
from sysndd_api.health.service import Health
from sysndd_api.inspections.service import Inspections
from sysndd_api.jobs.service import Jobs
from sysndd_api.jobs.store import JobStore
from sysndd_api.limits import Limiter
from sysndd_api.mail.service import Mails
from sysndd_api.mail.store import MailStore
from sysndd_api.maintenance import MaintenanceMode
from sysndd_api.metrics.service import Metrics
from sysndd_api.migrations.service import Migrations
from sysndd_api.migrations.store import MigrationStore
from sysndd_api.passwords import PasswordHashing
from sysndd_api.recovery.service import Recovery
from sysndd_api.restores.service import Restores
from sysndd_api.sessions.service import Sessions
from sysndd_api.settings import ApiSettings
from sysndd_api.smtp.service import SmtpTests
from sysndd_api.smtp.store import SmtpTestStore
from sysndd_api.users.service import Users
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.s3 import S3Copies
from sysndd_core.db.database import Database
from sysndd_core.jobs.rows import JobRows
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.mail.outbox import MailRows


@dataclass(frozen=True)
class Context:
    """Every service of this process."""

    settings: ApiSettings
    database: Database
    accounts: Accounts
    activity: Activity
    addresses: Addresses
    audit: Audit
    backups: Backups
    curation: Curation
    health: Health
    jobs: Jobs
    mails: Mails
    metrics: Metrics
    maintenance: MaintenanceMode
    migrations: Migrations
    recovery: Recovery
    restores: Restores
    inspections: Inspections
    sessions: Sessions
    smtp_tests: SmtpTests
    users: Users


@contextlib.asynccontextmanager
async def open_context(
    settings: ApiSettings, *, metrics_directory: Path | None = None
) -> AsyncIterator[Context]:
    """Open the pool and the wake-up, put the services together, and close both at the end."""
    wake_up = WakeUp(settings.redis)
    hashing = PasswordHashing(
        memory_kib=settings.account.password_memory_kib,
        passes=settings.account.password_passes,
        threads=settings.account.password_threads,
    )
    limiter = Limiter(
        settings.redis,
        site=settings.database.ops_name,
        secret=settings.token.key.get_secret_value() if settings.token.key else "",
        workers=settings.server.workers,
    )
    domain = urlsplit(settings.site.public_url).hostname or "localhost"
    try:
        async with Database(settings.database) as database:
            audit = Audit(database, AuditStore(database))
            job_rows = JobRows(database, wake_up)
            mail_rows = MailRows(database, wake_up, domain=domain)
            store = BackupDirectory(settings.backup.directory)
            parts = account_parts(
                settings,
                database,
                audit=audit,
                mail_rows=mail_rows,
                hashing=hashing,
                limiter=limiter,
            )
            accounts = Accounts(parts)
            recovery = Recovery(parts, accounts)
            yield Context(
                settings=settings,
                database=database,
                activity=Activity(database, ActivityStore(database)),
                accounts=accounts,
                addresses=Addresses(parts, recovery),
                audit=audit,
                backups=Backups(
                    database,
                    store,
                    job_rows,
                    audit,
                    copies=S3Copies.configured(settings.s3),
                    upload_limit=settings.backup.upload_max_bytes,
                ),
                curation=Curation(CurationStore(database)),
                health=Health(
                    settings, database, wake_up, jobs=job_rows, mails=mail_rows, backups=store
                ),
                jobs=Jobs(database, job_rows, JobStore(database), audit),
                maintenance=MaintenanceMode(database),
                migrations=Migrations(
                    database, MigrationStore(database), settings.migrations.directory
                ),
                mails=Mails(database, mail_rows, MailStore(database), parts.users, audit),
                metrics=Metrics(metrics_directory),
                recovery=recovery,
                restores=Restores(database, store, job_rows, audit),
                inspections=Inspections(database, store, job_rows, audit),
                smtp_tests=SmtpTests(database, SmtpTestStore(database), audit, settings.smtp),
                sessions=Sessions(parts),
                users=Users(parts, accounts),
            )
    finally:
        hashing.close()
        await limiter.close()
        await wake_up.close()
