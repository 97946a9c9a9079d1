"""The services of one process, opened and closed in one place for the API and the CLI."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from sysndd_api.accounts.mail import AccountMails
from sysndd_api.accounts.operator_store import OperatorStore
from sysndd_api.accounts.people import People
from sysndd_api.accounts.service import Accounts
from sysndd_api.accounts.store import UserStore
from sysndd_api.accounts.token_store import TokenStore
from sysndd_api.audit.service import Audit
from sysndd_api.audit.store import AuditStore
from sysndd_api.backups.inspections import Inspections
from sysndd_api.backups.maintenance import MaintenanceMode
from sysndd_api.backups.restore import Restores
from sysndd_api.backups.retention import Retention
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
from sysndd_api.operators.service import Operators
from sysndd_api.operators.store import OperatorAdministrationStore
from sysndd_api.password_reset.service import PasswordReset
from sysndd_api.request_stats.service import RequestStats
from sysndd_api.request_stats.store import RequestStatsStore
from sysndd_api.security.passwords import PasswordHashing
from sysndd_api.security.rate_limits import Limiter
from sysndd_api.security.sign_in_limits import RateLimits
from sysndd_api.sessions.service import Sessions
from sysndd_api.sessions.store import KnownClientStore, SessionStore
from sysndd_api.settings import ApiSettings
from sysndd_api.site.service import Sites
from sysndd_api.site.store import SiteStore
from sysndd_api.smtp_diagnostics.service import SmtpDiagnostics
from sysndd_api.smtp_diagnostics.store import SmtpTestStore
from sysndd_api.users.administrators import Administrators
from sysndd_api.users.service import Users
from sysndd_api.users.store import AdministrationStore
from sysndd_api.web.guard import Guard
from sysndd_api.web.site_features import SiteFeatures
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
        wiring = _Wiring(settings, database, wake_up, limiter, hashing)
        services = (
            settings,
            settings.site,
            database,
            Metrics(database, metrics_directory),
            *wiring.services(),
        )
        yield Context({type(one): one for one in services})


class _Wiring:
    """Builds every service from what they share: stores, tables, audit log and limits."""

    def __init__(
        self,
        settings: ApiSettings,
        database: Database,
        wake_up: WakeUp,
        limiter: Limiter,
        hashing: PasswordHashing,
    ) -> None:
        self._settings = settings
        self._database = database
        self._wake_up = wake_up
        self._hashing = hashing
        self._audit = Audit(database, AuditStore(database))
        self._jobs = JobRows(database, wake_up)
        domain = urlsplit(settings.site.public_url).hostname or "localhost"
        self._outbox = MailRows(database, wake_up, domain=domain)
        self._mails = AccountMails(self._outbox)
        self._directory = BackupDirectory(settings.backup.directory)
        self._backup_store = BackupStore(database)
        self._requests = JobRequests(rows=self._jobs, audit=self._audit)
        self._features = SiteFeatures(database)
        self._users = UserStore(database)
        self._operators = OperatorStore(database)
        self._people = People(self._operators, self._users, self._features)
        self._tokens = TokenStore(database, settings.token.key)
        self._clients = KnownClientStore(database)
        self._session_store = SessionStore(
            database, idle_minutes=settings.account.session_idle_minutes
        )
        self._rate_limits = RateLimits(limiter, settings.limit, self._clients, self._audit)

    def services(self) -> Iterator[object]:
        """Yield every service."""
        database = self._database
        yield self._audit
        yield self._features
        yield Sites(database=database, store=SiteStore(database), audit=self._audit)
        yield RequestStats(database, RequestStatsStore(database))
        yield Curation(CurationStore(database))
        yield Migrations(database, MigrationStore(database), self._settings.migrations.directory)
        yield self._health()
        yield from self._work()
        yield from self._backups()
        yield from self._accounts()

    def _health(self) -> Health:
        return Health(
            self._settings,
            self._database,
            self._wake_up,
            jobs=self._jobs,
            mails=self._outbox,
            backups=self._directory,
        )

    def _work(self) -> Iterator[object]:
        database = self._database
        yield Jobs(
            database=database,
            rows=self._jobs,
            requests=self._requests,
            store=JobStore(database),
            audit=self._audit,
        )
        yield Mails(
            database=database,
            rows=self._outbox,
            store=MailStore(database),
            people=self._people,
            audit=self._audit,
        )
        yield SmtpDiagnostics(
            database=database,
            store=SmtpTestStore(database),
            audit=self._audit,
            settings=self._settings.smtp,
        )

    def _backups(self) -> Iterator[object]:
        store, requests = self._backup_store, self._requests
        backups = Backups(
            database=self._database,
            store=store,
            directory=self._directory,
            exclude_rows=self._settings.backup.excluded_rows,
            rows=self._jobs,
            requests=requests,
            audit=self._audit,
            copies=S3Copies.configured(self._settings.s3),
            upload_limit=self._settings.backup.upload_max_bytes,
        )
        yield backups
        yield Retention(
            database=self._database,
            directory=self._directory,
            features=self._features,
            audit=self._audit,
            policy=self._settings.retention.policy,
            verify=self._settings.backup.verify,
        )
        yield Restores(
            database=self._database,
            store=store,
            backups=backups,
            requests=requests,
            features=self._features,
        )
        yield Inspections(database=self._database, store=store, backups=backups, requests=requests)

    def _accounts(self) -> Iterator[object]:
        sessions, accounts = self._sessions(), self._account_service()
        passwords = self._password_reset(accounts)
        maintenance = MaintenanceMode(self._backup_store)
        public_url = self._settings.site.public_url
        yield from (sessions, accounts, passwords, self._email_changes(passwords))
        yield Guard(sessions.authenticate, maintenance, public_url=public_url)
        yield from self._administration(accounts)

    def _sessions(self) -> Sessions:
        return Sessions(
            database=self._database,
            store=self._session_store,
            clients=self._clients,
            people=self._people,
            tokens=self._tokens,
            hashing=self._hashing,
            rate_limits=self._rate_limits,
            audit=self._audit,
            hours=self._settings.account.session_hours,
            site_administrators=self._settings.account.site_administrator_sign_in,
        )

    def _account_service(self) -> Accounts:
        return Accounts(
            database=self._database,
            users=self._users,
            tokens=self._tokens,
            hashing=self._hashing,
            mails=self._mails,
            rate_limits=self._rate_limits,
            audit=self._audit,
            settings=self._settings.account,
            site_name=self._settings.site.name,
        )

    def _password_reset(self, accounts: Accounts) -> PasswordReset:
        return PasswordReset(
            database=self._database,
            accounts=accounts,
            people=self._people,
            operators=self._operators,
            users=self._users,
            sessions=self._session_store,
            tokens=self._tokens,
            clients=self._clients,
            hashing=self._hashing,
            mails=self._mails,
            rate_limits=self._rate_limits,
            audit=self._audit,
            minutes=self._settings.account.password_reset_minutes,
            site_name=self._settings.site.name,
        )

    def _email_changes(self, passwords: PasswordReset) -> EmailChanges:
        return EmailChanges(
            database=self._database,
            store=EmailChangeStore(self._database),
            users=self._users,
            tokens=self._tokens,
            mails=self._mails,
            rate_limits=self._rate_limits,
            audit=self._audit,
            passwords=passwords,
            minutes=self._settings.account.confirm_hours * 60,
        )

    def _administration(self, accounts: Accounts) -> Iterator[object]:
        store = AdministrationStore(self._database)
        yield Operators(
            database=self._database,
            store=OperatorAdministrationStore(self._database),
            operators=self._operators,
            people=self._people,
            guard=store,
            sessions=self._session_store,
            tokens=self._tokens,
            hashing=self._hashing,
            mails=self._mails,
            audit=self._audit,
            invitation_hours=self._settings.account.invitation_hours,
        )
        yield Administrators(
            database=self._database,
            store=store,
            users=self._users,
            sessions=self._session_store,
            tokens=self._tokens,
            hashing=self._hashing,
            mails=self._mails,
            audit=self._audit,
        )
        yield Users(
            database=self._database,
            store=store,
            accounts=accounts,
            users=self._users,
            sessions=self._session_store,
            tokens=self._tokens,
            mails=self._mails,
            audit=self._audit,
        )
