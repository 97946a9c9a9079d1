"""Small bar charts as SVG, drawn here: no script, no style attribute, nothing from elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_HEIGHT, _TOP, _BOTTOM = 96, 16, 80
_GAP = 0.22
_TWO_LABELS = 90
"""Room for the labels of both ends."""


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        value: its height, in any unit.
        text: what a pointer over it shows.
        failed: whether it is drawn as a failure.
    """

    value: float
    text: str
    failed: bool = False


def bar_chart(
    bars: Sequence[Bar], *, summary: str, peak: str, first: str, last: str, width: int = 280
) -> Markup:
    """Draw bars from left to right.

    Args:
        bars: at least one.
        summary: the chart in one sentence, for those who can't see it.
        peak: label of the highest value.
        first, last: labels below both ends.
        width: of the drawing, in its own units; text keeps its size when panel and width agree.
    """
    highest = max(bar.value for bar in bars) or 1.0
    # A few bars must not become walls.
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
