"""Which backups have expired: a pure rule, and ``apply_retention``, which deletes them."""

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
    """Return the names of the backups that are no longer kept.

    Pinned ones stay. Only verified ones fill places; one that is not verified goes when
    ``retention.last``
    newer verified ones are there (at least one). The newest verified one never goes.
    """
    newest_first = sorted(manifests, key=lambda one: (one.created_at, one.name), reverse=True)
    verified = [one for one in newest_first if one.verification is Verification.VERIFIED]
    if not verified:
        # Nothing may go while nothing is known to be good.
        return []
    kept = {verified[0].name} | {one.name for one in newest_first if one.pinned}
    safety = [one for one in newest_first if one.kind is BackupKind.PRE_RESTORE]
    kept |= {one.name for one in safety[: retention.pre_restore]}
    regular = [one for one in verified if one.kind is not BackupKind.PRE_RESTORE]
    kept |= {one.name for one in regular[: retention.last]}
    for period, name_of in _PERIODS.items():
        kept |= _newest_of_each(regular, name_of, getattr(retention, period), retention.zone)
    # By those that stay: else what goes now would let more go the next time.
    staying = [one for one in regular if one.name in kept] or verified[:1]
    horizon = staying[: max(1, retention.last)][-1].created_at
    kept |= {
        one.name
        for one in newest_first
        if one.verification is not Verification.VERIFIED
        and one.kind is not BackupKind.PRE_RESTORE
        and one.created_at >= horizon
    }
    return [one.name for one in newest_first if one.name not in kept]


def _newest_of_each(
    newest_first: list[BackupManifest],
    name_of: Callable[[datetime], tuple[int, ...]],
    count: int,
    zone: tzinfo,
) -> set[str]:
    newest: dict[tuple[int, ...], str] = {}
    for one in newest_first:
        newest.setdefault(name_of(one.created_at.astimezone(zone)), one.name)
    return set(list(newest.values())[:count])


async def apply_retention(
    store: BackupDirectory, retention: RetentionPolicy, offsite: OffsiteStorage | None = None
) -> list[str]:
    """Delete expired backups in both locations; return their names.

    Run only after a new backup was verified, by the job that created it: no restore is reading
    then. A copy that can't be deleted off-site (Object Lock, or the storage does not answer) stays
    in both locations until after the next backup.
    """
    manifests = await asyncio.to_thread(store.manifests)
    gone = []
    for name in expired(manifests, retention):
        try:
            # It may have been pinned since we looked.
            if await asyncio.to_thread(_remove_unless_pinned, store, offsite, name):
                gone.append(name)
        except (BackupLocked, OffsiteStorageUnavailable) as error:
            log.info("expired_backup_kept", name=name, reason=error.detail)
        except BackupNotFound:
            continue
    if gone:
        log.info("backups_expired", names=gone)
    return gone


def _remove_unless_pinned(
    store: BackupDirectory, offsite: OffsiteStorage | None, name: str
) -> bool:
    manifest = store.manifest(name)
    if manifest.pinned:
        return False
    if manifest.offsite is not None:
        if offsite is None:
            raise OffsiteStorageUnavailable(
                f"The bucket {manifest.offsite.bucket} is not known here."
            )
        offsite.copies.remove(name)
    return store.remove_unless_pinned(name)
