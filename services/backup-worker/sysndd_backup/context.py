"""The dependencies of all jobs, created once at start."""

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sysndd_backup.archive.encryption import Keys
from sysndd_backup.archive.off_site import OffsiteStorage
from sysndd_backup.archive.reader import BackupReader
from sysndd_backup.load.confined_account import LoadAccount
from sysndd_backup.server.clients import Clients
from sysndd_backup.server.server import Server
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.db.database import Database
from sysndd_core.jobs.models import BackupKind
from sysndd_core.settings.backup import BackupCompression
from sysndd_core.settings.site_hold import SiteHoldSettings
from sysndd_core.sql.table_patterns import TablePatterns

# The accounts of deploy/accounts.
_PLATFORM_USERS = frozenset(
    {
        "sysndd",
        "sysndd_api",
        "sysndd_backup",
        "sysndd_load",
        "sysndd_lock",
        "sysndd_mailer",
        "sysndd_migrator",
    }
)
# Everything else in the worker's environment stays out of hooks: it contains passwords and keys.
_HOOK_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")


@dataclass(frozen=True)
class SiteHoldConfig:
    """How a restore holds the site's own program; by default, not at all.

    Attributes:
        settings: Hooks, and accounts to lock.
        variables: Environment variables of hooks that are commands.
        own_users: Names of the platform's database accounts, which are never locked.
    """

    settings: SiteHoldSettings = field(default_factory=SiteHoldSettings)
    variables: Mapping[str, str] = field(default_factory=lambda: {"PATH": os.defpath})
    own_users: frozenset[str] = _PLATFORM_USERS

    @classmethod
    def configured(
        cls, settings: SiteHoldSettings, environ: Mapping[str, str], users: Iterable[str | None]
    ) -> "SiteHoldConfig":
        """Return the configuration of a worker.

        Args:
            settings: Hooks, and accounts to lock.
            environ: Environment variables of the worker; hooks get a few of them.
            users: Names of the worker's own database accounts; None is ignored.
        """
        passed_on = {name: environ[name] for name in _HOOK_VARIABLES if name in environ}
        own_users = _PLATFORM_USERS.union(user for user in users if user is not None)
        return cls(settings, passed_on, own_users)


@dataclass(frozen=True)
class BackupTools:
    """The database server, its client programs, and the locations of backups.

    Attributes:
        exclude_rows: Patterns of the tables whose rows are left out of backups.
        undo_hours: Number of hours for which the tables that a restore replaced are retained.
        load_account: An existing account that loads dumps; None to create one for each load.
        offsite: Off-site storage, or None if none is configured.
        migrate: Applies pending migrations to the schema with the given name; None if the
            migrator is not installed or restores do not migrate.
        site_hold: How a restore holds the site's own program.
    """

    database: Database
    server: Server
    clients: Clients
    store: BackupDirectory
    compression: BackupCompression
    exclude_rows: TablePatterns = field(default_factory=TablePatterns)
    undo_hours: float = 24.0
    load_account: LoadAccount | None = None
    keys: Keys = field(default_factory=Keys)
    offsite: OffsiteStorage | None = None
    migrate: Callable[[str], Awaitable[None]] | None = None
    site_hold: SiteHoldConfig = field(default_factory=SiteHoldConfig)

    @property
    def reader(self) -> BackupReader:
        """A reader of backup files."""
        return BackupReader(self.store, self.keys, self.offsite)


@dataclass(frozen=True)
class BackupRequest:
    """A request to create a backup.

    Attributes:
        kind: Kind of the backup, such as manual or pre_restore.
        job_id: ID of the job that creates it.
        requested_by: ID of the user who requested it, or None for the system.
    """

    kind: BackupKind
    job_id: str
    requested_by: int | None
