"""The dependencies of all jobs, created once at start."""

from collections.abc import Awaitable, Callable
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
from sysndd_core.sql.table_patterns import TablePatterns


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
