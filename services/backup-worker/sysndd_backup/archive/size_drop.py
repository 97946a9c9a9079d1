"""Finds a size drop: a new backup that is much smaller than the previous comparable one.

The usual causes are an empty database on a new machine and lost data. The result is stored in the
manifest, because the previous backup may be deleted later.
"""

from collections.abc import Iterable

from sysndd_core.backups.manifest import BackupManifest, SizeDrop
from sysndd_core.jobs.models import BackupKind

# Below both, the sizes of two backups are not compared.
_COMPARED_ROWS = 1_000
_COMPARED_BYTES = 1_000_000


def find_size_drop(new: BackupManifest, earlier: Iterable[BackupManifest]) -> SizeDrop | None:
    """Compare a new backup with the previous comparable one.

    That is the latest scheduled or manual backup of its site that is no size drop itself, so a
    second backup of an empty database does not look normal. The first backup of a site is compared
    with the latest backup or upload of a database with the same name.

    Args:
        new: Manifest of the new backup. Safety backups are not compared.
        earlier: All other backups, in any order.

    Returns:
        Both sizes if the new backup has less than half of the rows or bytes, otherwise None.
    """
    if new.kind is BackupKind.PRE_RESTORE:
        return None
    comparable = [
        one
        for one in earlier
        if one.kind is not BackupKind.PRE_RESTORE and not one.damaged and not one.is_size_drop
    ]
    own = [
        one
        for one in comparable
        if one.kind is not BackupKind.UPLOADED and not one.is_foreign_to(new.site_id)
    ]
    same_name = [one for one in comparable if one.database == new.database]
    previous = max(own or same_name, key=lambda one: (one.created_at, one.name), default=None)
    if previous is None:
        return None
    excluded = {*new.excluded_rows, *previous.excluded_rows}
    drop = SizeDrop(
        previous=previous.name,
        rows=_rows(new, excluded),
        previous_rows=_rows(previous, excluded),
        uncompressed_bytes=new.uncompressed_bytes,
        previous_uncompressed_bytes=previous.uncompressed_bytes,
    )
    # Excluded rows make a dump smaller, although no data was lost.
    same_exclusions = set(new.excluded_rows) == set(previous.excluded_rows)
    if _is_less_than_half(drop.rows, drop.previous_rows, _COMPARED_ROWS) or (
        same_exclusions
        and _is_less_than_half(
            drop.uncompressed_bytes, drop.previous_uncompressed_bytes, _COMPARED_BYTES
        )
    ):
        return drop
    return None


def _is_less_than_half(value: int, previous: int, compared_from: int) -> bool:
    return previous >= compared_from and value * 2 < previous


def _rows(one: BackupManifest, excluded: set[str]) -> int:
    return sum(rows for table, rows in one.rows_per_table.items() if table not in excluded)
