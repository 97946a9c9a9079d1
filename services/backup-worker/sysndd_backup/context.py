"""What every job of this worker needs, put together once at start."""

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


@dataclass(frozen=True)
class BackupTools:
    """The server, its client programs, and the places of backups.

    Attributes:
        undo_hours: how long the tables that a restore replaced are kept.
        load_account: an existing account that loads; None to create one for each load.
        offsite: None without off-site storage.
        migrate: applies the pending migrations to the schema of that name; None where the migrator
            is not installed or not wanted.
    """

    database: Database
    server: Server
    clients: Clients
    store: BackupDirectory
    compression: BackupCompression
    undo_hours: float = 24.0
    load_account: LoadAccount | None = None
    keys: Keys = field(default_factory=Keys)
    offsite: OffsiteStorage | None = None
    migrate: Callable[[str], Awaitable[None]] | None = None

    @property
    def reader(self) -> BackupReader:
        """Reads backup files."""
        return BackupReader(self.store, self.keys, self.offsite)


@dataclass(frozen=True)
class BackupRequest:
    """Which backup to create, and for whom.

    Attributes:
        kind: such as manual or pre_restore.
        job_id: the job that creates it.
        requested_by: user id, or None for the system itself.
    """

    kind: BackupKind
    job_id: str
    requested_by: int | None
