"""The whole of a backup job: wait for the schema's lock, dump, prove, delete what has expired."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sysndd_backup.archive.retention import apply
from sysndd_backup.dump.create_backup import BackupOrder, BackupTools, take_backup
from sysndd_backup.progress import Progress
from sysndd_backup.verify.verify import prove
from sysndd_core.backups.manifest import BackupManifest, Proof
from sysndd_core.db.schema_lock import schema_lock
from sysndd_core.settings.backup import ProofPolicy
from sysndd_core.settings.schedule import Keep

# Dumping reads, loading writes: of a job that does both, dumping is about this share.
_DUMPED_PERCENT = 40
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class BackupPolicy:
    """What follows a dump."""

    proof: ProofPolicy = ProofPolicy.ALWAYS
    keep: Keep = field(default_factory=Keep)
    upload_max_bytes: int = 200 * 10**9


async def back_up(
    tools: BackupTools, policy: BackupPolicy, order: BackupOrder, progress: Progress
) -> BackupManifest:
    """Take a backup, alone with the schema, and prove it if the policy says so.

    Raises:
        As ``take_backup`` and ``prove``.
        EncryptionKeyMissing, EncryptionKeyWrong: a proof is wanted, and no identity can read what
            is encrypted to the recipients.
        SchemaLocked: a migration holds the schema and makes no progress; says who.
    """
    wanted = _proof_is_due(policy.proof, tools.store.manifests(), datetime.now(UTC))
    if wanted:
        # Before the dump: its proof would fail at the end of it.
        tools.keys.check_own()
    await progress("waiting", 0, "Waiting for the schema's lock")
    purpose = f"sysndd-backup: dump, job {order.job_id[:8]}"
    async with schema_lock(tools.database.settings, purpose=purpose, timeout=None):
        high = _DUMPED_PERCENT if wanted else 100
        manifest = await take_backup(tools, order, progress, high=high)
    if tools.second is not None:
        manifest = await tools.second.copy(manifest.name, progress, percent=min(high, 99))
    if wanted:
        manifest = await prove(tools, manifest.name, progress, low=high)
        # Only now: a failed backup must never cost an older one its place.
        await apply(tools.store, policy.keep, tools.second)
    return manifest


def _proof_is_due(policy: ProofPolicy, manifests: list[BackupManifest], now: datetime) -> bool:
    if policy is not ProofPolicy.DAILY:
        return policy is ProofPolicy.ALWAYS
    return not any(
        one.proof is Proof.PROVEN and one.proof_at is not None and one.proof_at > now - _DAY
        for one in manifests
    )
