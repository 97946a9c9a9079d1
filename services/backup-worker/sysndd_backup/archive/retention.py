"""The retention policy: selects expired backups, and deletes them."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, tzinfo

from sysndd_backup.archive.off_site import OffsiteStorage
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.manifest import BackupManifest, Verification
from sysndd_core.errors import BackupLocked, BackupNotFound, OffsiteStorageUnavailable
from sysndd_core.jobs.models import BackupKind
from sysndd_core.logging import get_logger
from sysndd_core.settings.schedule import RetentionPolicy

log = get_logger(__name__)

_PERIODS: dict[str, Callable[[datetime], tuple[int, ...]]] = {
    "daily": lambda at: (at.year, at.month, at.day),
    "weekly": lambda at: tuple(at.isocalendar())[:2],
    "monthly": lambda at: (at.year, at.month),
    "yearly": lambda at: (at.year,),
}


def expired(manifests: Iterable[BackupManifest], retention: RetentionPolicy) -> list[str]:
    """Return the names of the backups that have expired, latest first.

    Only verified backups count towards the policy. A backup that is not verified expires when
    ``retention.last`` later backups are verified (at least one). Pinned backups and the latest
    verified backup never expire.
    """
    newest_first = sorted(manifests, key=lambda one: (one.created_at, one.name), reverse=True)
    verified = [one for one in newest_first if one.verification is Verification.VERIFIED]
    if not verified:
        # Until a backup is verified, any of the others may be the only good one.
        return []
    retained = {verified[0].name} | {one.name for one in newest_first if one.pinned}
    safety = [one for one in newest_first if one.kind is BackupKind.PRE_RESTORE]
    retained |= {one.name for one in safety[: retention.pre_restore]}
    regular = [one for one in verified if one.kind is not BackupKind.PRE_RESTORE]
    retained |= {one.name for one in regular[: retention.last]}
    for name, period_of in _PERIODS.items():
        retained |= _newest_of_each(regular, period_of, getattr(retention, name), retention.zone)
    # Only retained backups count here. Otherwise the result would change if it were applied twice.
    counted = [one for one in regular if one.name in retained] or verified[:1]
    horizon = counted[: max(1, retention.last)][-1].created_at
    retained |= {
        one.name
        for one in newest_first
        if one.verification is not Verification.VERIFIED
        and one.kind is not BackupKind.PRE_RESTORE
        and one.created_at >= horizon
    }
    return [one.name for one in newest_first if one.name not in retained]


def _newest_of_each(
    newest_first: list[BackupManifest],
    period_of: Callable[[datetime], tuple[int, ...]],
    count: int,
    zone: tzinfo,
) -> set[str]:
    newest: dict[tuple[int, ...], str] = {}
    for one in newest_first:
        newest.setdefault(period_of(one.created_at.astimezone(zone)), one.name)
    return set(list(newest.values())[:count])


async def apply_retention(
    store: BackupDirectory, retention: RetentionPolicy, offsite: OffsiteStorage | None = None
) -> list[str]:
    """Delete expired backups in both locations.

    Called by the job that created and verified a backup, so that no restore reads an expired one.
    A backup whose off-site copy cannot be deleted (S3 Object Lock, or storage that does not
    respond) stays in both locations until the next backup.

    Returns:
        The names of the deleted backups.
    """
    manifests = await asyncio.to_thread(store.manifests)
    deleted = []
    for name in expired(manifests, retention):
        try:
            # It may have been pinned since its manifest was read.
            if await asyncio.to_thread(_remove_unless_pinned, store, offsite, name):
                deleted.append(name)
        except (BackupLocked, OffsiteStorageUnavailable) as error:
            log.info("expired_backup_retained", name=name, reason=error.detail)
        except BackupNotFound:
            continue
    if deleted:
        log.info("backups_expired", names=deleted)
    return deleted


def _remove_unless_pinned(
    store: BackupDirectory, offsite: OffsiteStorage | None, name: str
) -> bool:
    manifest = store.manifest(name)
    if manifest.pinned:
        return False
    if manifest.offsite is not None:
        if offsite is None:
            raise OffsiteStorageUnavailable(
                f"The off-site copy of {name} cannot be deleted, because BACKUP_S3_BUCKET is not"
                f" set. Configure the bucket {manifest.offsite.bucket} again."
            )
        offsite.copies.remove(name)
    return store.remove_unless_pinned(name)
