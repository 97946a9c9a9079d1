"""Bar charts: heights in proportion, and text that cannot become markup."""

import itertools
import re

import pytest

from sysndd_api.pages.charts import Bar, bar_chart


def heights(*values: float) -> list[float]:
    """Return the heights of the bars of a chart."""
    chart = bar_chart([Bar(value, "") for value in values], summary="", peak="", first="", last="")
    return [float(height) for height in re.findall(r'<rect [^>]*height="([\d.]+)"', chart)]


def test_heights_are_in_proportion_to_the_highest_bar() -> None:
    assert heights(10, 5, 2.5) == [64, 32, 16]


def test_a_bar_of_zero_has_no_height_and_a_tiny_one_is_visible() -> None:
    assert heights(1_000_000, 1, 0) == [64, 1.5, 0]


def test_a_chart_of_nothing_but_zeros_is_flat() -> None:
    assert heights(0, 0) == [0, 0]


@pytest.mark.parametrize("count", [1, 24, 25, 200])
def test_all_bars_are_within_the_drawing(count: int) -> None:
    bars = [Bar(1, "")] * count
    chart = bar_chart(bars, summary="", peak="", first="", last="", width=280)
    spans = [
        (float(x), float(width))
        for x, width in re.findall(r'<rect [^>]*x="([\d.]+)"[^>]*width="([\d.]+)"', chart)
    ]
    assert len(spans) == count
    assert all(x + width <= 280.1 for x, width in spans)
    assert all(x > before for (before, _), (x, _) in itertools.pairwise(spans))


def test_few_bars_stay_narrow() -> None:
    chart = bar_chart([Bar(1, "")], summary="", peak="", first="", last="", width=240)
    assert re.findall(r'<rect [^>]*width="([\d.]+)"', chart) == ["7.8"]


def test_only_a_failure_is_drawn_as_one() -> None:
    bars = [Bar(1, "a", failed=True), Bar(1, "b")]
    chart = bar_chart(bars, summary="", peak="", first="", last="")
    assert re.findall(r'class="(bar[^"]*)"', chart) == ["bar failed", "bar"]


@pytest.mark.parametrize("place", ["summary", "peak", "first", "last", "text"])
def test_markup_in_a_label_stays_text(place: str) -> None:
    hostile = '"><script>alert(1)</script>'
    given = dict.fromkeys(("summary", "peak", "first", "last", "text"), "") | {place: hostile}
    chart = bar_chart(
        [Bar(1, given["text"])],
        summary=given["summary"],
        peak=given["peak"],
        first=given["first"],
        last=given["last"],
    )
    assert "<script>" not in chart
    assert "&#34;&gt;&lt;script&gt;" in chart


def test_a_chart_needs_no_inline_style() -> None:
    """The Content-Security-Policy of the pages would drop it."""
    chart = bar_chart([Bar(1, "a")], summary="s", peak="p", first="f", last="l")
    assert "style=" not in chart
    assert 'role="img" aria-label="s"' in chart
