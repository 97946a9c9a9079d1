"""The services of one process, opened and closed in one place for the API and the CLI."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from sysndd_api.accounts.mail import AccountMails
from sysndd_api.accounts.service import Accounts
from sysndd_api.accounts.store import UserStore
from sysndd_api.accounts.token_store import TokenStore
from sysndd_api.audit.service import Audit
from sysndd_api.audit.store import AuditStore
from sysndd_api.backups.inspections import Inspections
from sysndd_api.backups.maintenance import MaintenanceMode
from sysndd_api.backups.restore import Restores
from sysndd_api.backups.service import Backups
from sysndd_api.backups.store import BackupStore
from sysndd_api.curation.service import Curation
from sysndd_api.curation.store import CurationStore
from sysndd_api.email_change.service import EmailChanges
from sysndd_api.email_change.store import EmailChangeStore
from sysndd_api.health.service import Health
from sysndd_api.jobs.service import JobRequests, Jobs
from sysndd_api.jobs.store import JobStore
from sysndd_api.mail.service import Mails
from sysndd_api.mail.store import MailStore
from sysndd_api.metrics.service import Metrics
from sysndd_api.migrations.service import Migrations
from sysndd_api.migrations.store import MigrationStore
from sysndd_api.password_reset.service import PasswordReset
from sysndd_api.request_stats.service import RequestStats
from sysndd_api.request_stats.store import RequestStatsStore
from sysndd_api.security.passwords import PasswordHashing
from sysndd_api.security.rate_limits import Limiter
from sysndd_api.security.sign_in_limits import RateLimits
from sysndd_api.sessions.service import Sessions
from sysndd_api.sessions.store import KnownClientStore, SessionStore
from sysndd_api.settings import ApiSettings
from sysndd_api.smtp_diagnostics.service import SmtpDiagnostics
from sysndd_api.smtp_diagnostics.store import SmtpTestStore
from sysndd_api.users.administrators import Administrators
from sysndd_api.users.service import Users
from sysndd_api.users.store import AdministrationStore
from sysndd_api.web.guard import Guard
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.s3 import S3Copies
from sysndd_core.db.database import Database
from sysndd_core.jobs.rows import JobRows
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.mail.outbox import MailRows

ServiceT = TypeVar("ServiceT")


@dataclass(frozen=True)
class Context:
    """Every service of this process by its type: ``context[Backups]``."""

    services: Mapping[type[Any], Any]

    def __getitem__(self, kind: type[ServiceT]) -> ServiceT:
        """Return the service of a type."""
        found: ServiceT = self.services[kind]
        return found


@contextlib.asynccontextmanager
async def open_context(
    settings: ApiSettings, *, metrics_directory: Path | None = None
) -> AsyncIterator[Context]:
    """Open the pool, the wake-up, the limiter and the hashing threads; close them at the end."""
    account, key = settings.account, settings.token.key
    async with contextlib.AsyncExitStack() as stack:
        wake_up = WakeUp(settings.redis)
        stack.push_async_callback(wake_up.close)
        limiter = Limiter(
            settings.redis,
            site=settings.database.ops_name,
            secret=key.get_secret_value() if key else "",
            workers=settings.server.workers,
        )
        stack.push_async_callback(limiter.close)
        hashing = PasswordHashing(
            memory_kib=account.password_memory_kib,
            time_cost=account.password_time_cost,
            concurrency=account.password_concurrency,
        )
        stack.callback(hashing.close)
        database = await stack.enter_async_context(Database(settings.database))
        services = (
            settings,
            database,
            Metrics(database, metrics_directory),
            *_services(settings, database, wake_up, limiter, hashing),
        )
        yield Context({type(one): one for one in services})


def _services(
    settings: ApiSettings,
    database: Database,
    wake_up: WakeUp,
    limiter: Limiter,
    hashing: PasswordHashing,
) -> Iterator[object]:
    audit = Audit(database, AuditStore(database))
    jobs = JobRows(database, wake_up)
    domain = urlsplit(settings.site.public_url).hostname or "localhost"
    mails = MailRows(database, wake_up, domain=domain)
    users, directory = UserStore(database), BackupDirectory(settings.backup.directory)
    yield audit
    yield RequestStats(database, RequestStatsStore(database))
    yield Curation(CurationStore(database))
    yield Migrations(database, MigrationStore(database), settings.migrations.directory)
    requests = JobRequests(rows=jobs, audit=audit)
    yield Jobs(
        database=database, rows=jobs, requests=requests, store=JobStore(database), audit=audit
    )
    yield Mails(database=database, rows=mails, store=MailStore(database), users=users, audit=audit)
    yield SmtpDiagnostics(
        database=database, store=SmtpTestStore(database), audit=audit, settings=settings.smtp
    )
    yield Health(settings, database, wake_up, jobs=jobs, mails=mails, backups=directory)
    yield from _backup_services(
        settings, database, directory, rows=jobs, requests=requests, audit=audit
    )
    yield from _account_services(
        settings,
        database,
        users=users,
        mails=AccountMails(mails),
        limiter=limiter,
        hashing=hashing,
        audit=audit,
    )


def _backup_services(
    settings: ApiSettings,
    database: Database,
    directory: BackupDirectory,
    *,
    rows: JobRows,
    requests: JobRequests,
    audit: Audit,
) -> Iterator[object]:
    store = BackupStore(database)
    backups = Backups(
        database=database,
        store=store,
        directory=directory,
        rows=rows,
        requests=requests,
        audit=audit,
        copies=S3Copies.configured(settings.s3),
        upload_limit=settings.backup.upload_max_bytes,
    )
    yield backups
    yield Restores(database=database, store=store, backups=backups, requests=requests)
    yield Inspections(database=database, store=store, backups=backups, requests=requests)


def _account_services(
    settings: ApiSettings,
    database: Database,
    *,
    users: UserStore,
    mails: AccountMails,
    limiter: Limiter,
    hashing: PasswordHashing,
    audit: Audit,
) -> Iterator[object]:
    account = settings.account
    tokens, clients = TokenStore(database, settings.token.key), KnownClientStore(database)
    open_sessions = SessionStore(database, idle_minutes=account.session_idle_minutes)
    rate_limits = RateLimits(limiter, settings.limit, clients, audit)
    maintenance = MaintenanceMode(BackupStore(database))
    sessions = Sessions(
        database=database,
        store=open_sessions,
        clients=clients,
        users=users,
        tokens=tokens,
        hashing=hashing,
        rate_limits=rate_limits,
        audit=audit,
        hours=account.session_hours,
    )
    accounts = Accounts(
        database=database,
        users=users,
        tokens=tokens,
        hashing=hashing,
        mails=mails,
        rate_limits=rate_limits,
        audit=audit,
        settings=account,
    )
    passwords = PasswordReset(
        database=database,
        accounts=accounts,
        users=users,
        sessions=open_sessions,
        tokens=tokens,
        clients=clients,
        hashing=hashing,
        mails=mails,
        rate_limits=rate_limits,
        audit=audit,
        minutes=account.password_reset_minutes,
    )
    yield from (sessions, accounts, passwords)
    yield EmailChanges(
        database=database,
        store=EmailChangeStore(database),
        users=users,
        tokens=tokens,
        mails=mails,
        rate_limits=rate_limits,
        audit=audit,
        passwords=passwords,
        minutes=account.confirm_hours * 60,
    )
    yield Guard(sessions.authenticate, maintenance, public_url=settings.site.public_url)
    yield from _administration_services(
        database,
        accounts=accounts,
        users=users,
        sessions=open_sessions,
        tokens=tokens,
        hashing=hashing,
        mails=mails,
        audit=audit,
    )


def _administration_services(
    database: Database,
    *,
    accounts: Accounts,
    users: UserStore,
    sessions: SessionStore,
    tokens: TokenStore,
    hashing: PasswordHashing,
    mails: AccountMails,
    audit: Audit,
) -> Iterator[object]:
    store = AdministrationStore(database)
    yield Administrators(
        database=database,
        store=store,
        users=users,
        sessions=sessions,
        tokens=tokens,
        hashing=hashing,
        mails=mails,
        audit=audit,
    )
    yield Users(
        database=database,
        store=store,
        accounts=accounts,
        users=users,
        sessions=sessions,
        tokens=tokens,
        mails=mails,
        audit=audit,
    )
