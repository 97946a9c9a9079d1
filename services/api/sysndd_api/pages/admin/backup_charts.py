"""The size of backups over time."""

from collections.abc import Sequence

from markupsafe import Markup

from sysndd_api.pages.charts import Bar, bar_chart
from sysndd_api.pages.rendering import human_size
from sysndd_core.backups.manifest import BackupManifest, Verification


def size_chart(manifests: Sequence[BackupManifest], *, width: int = 280) -> Markup | None:
    """Draw the sizes of backups, given newest first, or return None when there are none."""
    if not manifests:
        return None
    shown = list(reversed(manifests))
    bars = [
        Bar(
            one.size_bytes,
            f"{one.name}: {human_size(one.size_bytes)} ({one.size_bytes:,} bytes),"
            f" {one.created_at:%d %b %Y, %H:%M} UTC",
            failed=one.verification is Verification.FAILED,
        )
        for one in shown
    ]
    largest = max(one.size_bytes for one in shown)
    return bar_chart(
        bars,
        summary=f"Sizes of the last {len(bars)} backups, at most {human_size(largest)}",
        peak=human_size(largest),
        first=f"{shown[0].created_at:%d %b}",
        last=f"{shown[-1].created_at:%d %b}",
        width=width,
    )
