"""What one process holds: opened and closed in one place, for the API and the command line alike."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from sysndd_api.accounts.service import Accounts
from sysndd_api.accounts.store import UserStore
from sysndd_api.activity.service import Activity
from sysndd_api.activity.store import ActivityStore
from sysndd_api.audit.service import Audit
from sysndd_api.audit.store import AuditStore
from sysndd_api.auth import PasswordHashing
from sysndd_api.backups.service import Backups
from sysndd_api.curation.service import Curation
from sysndd_api.curation.store import CurationStore
from sysndd_api.health.service import Health
from sysndd_api.jobs.service import Jobs
from sysndd_api.jobs.store import JobStore
from sysndd_api.mail.service import Mails
from sysndd_api.mail.store import MailStore
from sysndd_api.maintenance import MaintenanceMode
from sysndd_api.migrations.service import Migrations
from sysndd_api.migrations.store import MigrationStore
from sysndd_api.restores.service import Restores
from sysndd_api.sessions.service import Sessions
from sysndd_api.sessions.store import SessionStore
from sysndd_api.settings import ApiSettings
from sysndd_api.smtp.service import SmtpTests
from sysndd_api.smtp.store import SmtpTestStore
from sysndd_core.database import Database
from sysndd_core.outbox import JobRows, MailRows
from sysndd_core.queue import WakeUp
from sysndd_core.stores.backups import BackupDirectory


@dataclass(frozen=True)
class Context:
    """Every service of this process."""

    settings: ApiSettings
    database: Database
    accounts: Accounts
    activity: Activity
    audit: Audit
    backups: Backups
    curation: Curation
    health: Health
    jobs: Jobs
    mails: Mails
    maintenance: MaintenanceMode
    migrations: Migrations
    restores: Restores
    sessions: Sessions
    smtp_tests: SmtpTests


@contextlib.asynccontextmanager
async def open_context(settings: ApiSettings) -> AsyncIterator[Context]:
    """Open the pool and the wake-up, put the services together, and close both at the end."""
    wake_up = WakeUp(settings.redis)
    hashing = PasswordHashing()
    domain = urlsplit(settings.site.public_url).hostname or "localhost"
    try:
        async with Database(settings.database) as database:
            audit = Audit(database, AuditStore(database))
            users = UserStore(database)
            session_rows = SessionStore(
                database, idle_minutes=settings.account.session_idle_minutes
            )
            job_rows = JobRows(database, wake_up)
            mail_rows = MailRows(database, wake_up, domain=domain)
            store = BackupDirectory(settings.backup.directory)
            yield Context(
                settings=settings,
                database=database,
                accounts=Accounts(database, users, session_rows, hashing, audit),
                activity=Activity(database, ActivityStore(database)),
                audit=audit,
                backups=Backups(
                    database,
                    store,
                    job_rows,
                    audit,
                    copies=settings.s3.open(),
                    upload_limit=settings.backup.upload_max_bytes,
                ),
                curation=Curation(CurationStore(database)),
                health=Health(
                    settings, database, wake_up, jobs=job_rows, mails=mail_rows, backups=store
                ),
                mails=Mails(database, mail_rows, MailStore(database), users, audit),
                jobs=Jobs(database, job_rows, JobStore(database), audit),
                maintenance=MaintenanceMode(database),
                migrations=Migrations(
                    database, MigrationStore(database), settings.migrations.directory
                ),
                restores=Restores(database, store, job_rows, audit),
                sessions=Sessions(
                    database,
                    users,
                    session_rows,
                    hashing,
                    audit,
                    hours=settings.account.session_hours,
                ),
                smtp_tests=SmtpTests(database, SmtpTestStore(database), audit, settings.smtp),
            )
    finally:
        hashing.close()
        await wake_up.close()
