"""Small bar charts as SVG, without scripts, style attributes or external resources."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_HEIGHT, _TOP, _BOTTOM = 96, 16, 80
_GAP = 0.22
_TWO_LABELS = 90
"""Minimum distance between the labels of both ends."""


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        value: Its height, in any unit.
        text: Its tooltip.
        failed: Whether to draw it as a failure.
    """

    value: float
    text: str
    failed: bool = False


def bar_chart(
    bars: Sequence[Bar], *, summary: str, peak: str, first: str, last: str, width: int = 280
) -> Markup:
    """Draw bars from left to right.

    Args:
        bars: At least one bar.
        summary: The chart in one sentence, for screen readers.
        peak: Label of the highest value.
        first: Label below the left end.
        last: Label below the right end.
        width: Width in SVG units; text keeps its size if this is the width of the panel.
    """
    highest = max(bar.value for bar in bars) or 1.0
    # Limits the width of a bar if there are only a few.
    step = width / max(len(bars), 24)
    drawn = Markup("").join(_bar(bar, i * step, step, highest) for i, bar in enumerate(bars))
    return Markup(
        '<svg class="chart" viewBox="0 0 {w} {h}" role="img" aria-label="{summary}">'
        '<line class="axis" x1="0" x2="{w}" y1="{bottom}" y2="{bottom}"/>'
        '<line class="axis" x1="0" x2="{w}" y1="{top}" y2="{top}"/>'
        '{drawn}<text x="0" y="{label}">{peak}</text><text x="0" y="{h1}">{first}</text>'
        '<text x="{end:.0f}" y="{h1}" text-anchor="end">{last}</text></svg>'
    ).format(
        w=width,
        end=max(len(bars) * step, _TWO_LABELS),
        h=_HEIGHT,
        h1=_HEIGHT - 3,
        bottom=_BOTTOM,
        top=_TOP,
        label=_TOP - 4,
        summary=summary,
        drawn=drawn,
        peak=peak,
        first=first,
        last=last,
    )


def _bar(bar: Bar, x: float, step: float, highest: float) -> Markup:
    height = (_BOTTOM - _TOP) * bar.value / highest
    if bar.value > 0:
        height = max(height, 1.5)
    return Markup(
        '<rect class="bar{failed}" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="1">'
        "<title>{text}</title></rect>"
    ).format(
        failed=" failed" if bar.failed else "",
        x=x + step * _GAP / 2,
        y=_BOTTOM - height,
        w=step * (1 - _GAP),
        h=height,
        text=bar.text,
    )
