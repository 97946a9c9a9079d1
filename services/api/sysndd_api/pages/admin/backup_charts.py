"""The chart of backup sizes."""

from collections.abc import Sequence

from markupsafe import Markup

from sysndd_api.pages.charts import Bar, bar_chart
from sysndd_api.pages.rendering import human_size, plural
from sysndd_core.backups.manifest import BackupManifest, Verification


def size_chart(manifests: Sequence[BackupManifest], *, width: int = 280) -> Markup | None:
    """Draw the sizes of backups, given latest first; return None if there are none."""
    if not manifests:
        return None
    oldest_first = list(reversed(manifests))
    bars = [
        Bar(
            manifest.size_bytes,
            f"{manifest.name}: {human_size(manifest.size_bytes)} ({manifest.size_bytes:,} bytes),"
            f" {manifest.created_at:%d %b %Y, %H:%M} UTC",
            failed=manifest.verification is Verification.FAILED,
        )
        for manifest in oldest_first
    ]
    largest = max(manifest.size_bytes for manifest in oldest_first)
    return bar_chart(
        bars,
        summary=f"Size of {plural(len(bars), 'backup')}, maximum {human_size(largest)}",
        peak=human_size(largest),
        first=f"{oldest_first[0].created_at:%d %b}",
        last=f"{oldest_first[-1].created_at:%d %b}",
        width=width,
    )
