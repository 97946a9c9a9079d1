"""The style sheet of the site's colour: readable for every colour, in light and in dark."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysndd_api.pages import colors
from sysndd_api.pages.colors import (
    DARK_BACKGROUNDS,
    LIGHT_BACKGROUNDS,
    MIN_CONTRAST,
    accent_style_sheet,
    contrast,
    readable,
    text_on,
)

SITE_CSS = Path(colors.__file__).with_name("static") / "site.css"
ANY_COLOR = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def declarations(accent: str) -> list[dict[str, str]]:
    """Return the custom properties of the light and of the dark scheme."""
    light, _, dark = accent_style_sheet(accent).partition("@media (prefers-color-scheme: dark)")
    return [dict(re.findall(r"(--[a-z-]+): ([^;]+);", part)) for part in (light, dark)]


@pytest.mark.parametrize(
    ("first", "second", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        # The examples of WebAIM's contrast checker, https://webaim.org/resources/contrastchecker/
        ("#0000ff", "#ffffff", 8.59),
        ("#767676", "#ffffff", 4.54),
        ("#777777", "#ffffff", 4.48),
        ("#ff0000", "#ffffff", 4.0),
    ],
)
def test_the_contrast_is_that_of_wcag(first: str, second: str, ratio: float) -> None:
    assert contrast(first, second) == pytest.approx(ratio, abs=0.005)
    assert contrast(second, first) == contrast(first, second)


@given(accent=ANY_COLOR)
def test_every_colour_gives_readable_text_and_buttons(accent: str) -> None:
    for found, backgrounds in zip(
        declarations(accent), (LIGHT_BACKGROUNDS, DARK_BACKGROUNDS), strict=True
    ):
        assert found["--pico-primary-background"] == accent
        for text, ground in (
            *((found["--pico-primary"], ground) for ground in backgrounds),
            *((found["--pico-primary-hover"], ground) for ground in backgrounds),
            (found["--accent"], found["--accent-soft"]),
            (found["--pico-primary-inverse"], accent),
            (found["--pico-primary-inverse"], found["--pico-primary-hover-background"]),
        ):
            assert contrast(text, ground) >= MIN_CONTRAST, (text, ground)


@given(accent=ANY_COLOR)
def test_a_readable_colour_stays_as_it_is(accent: str) -> None:
    if all(contrast(accent, ground) >= MIN_CONTRAST for ground in LIGHT_BACKGROUNDS):
        assert readable(accent, LIGHT_BACKGROUNDS) == accent


def test_links_are_darkened_in_light_and_lightened_in_dark() -> None:
    (yellow, _), (_, navy) = declarations("#ffdd00"), declarations("#001a4d")
    assert contrast(yellow["--pico-primary"], "#ffffff") > contrast("#ffdd00", "#ffffff")
    assert contrast(navy["--pico-primary"], "#171c27") > contrast("#001a4d", "#171c27")
    assert (text_on("#ffdd00"), text_on("#001a4d")) == ("#000000", "#ffffff")


def test_the_backgrounds_are_those_of_the_pages() -> None:
    light, _, dark = SITE_CSS.read_text(encoding="utf-8").partition(
        "@media (prefers-color-scheme: dark)"
    )
    for part, expected in ((light, LIGHT_BACKGROUNDS), (dark, DARK_BACKGROUNDS)):
        values = dict(re.findall(r"(--(?:page|panel|idle-soft)): (#[0-9a-f]+);", part))
        full = {one if len(one) == 7 else "#" + one[1:] * 2 for one in values.values()}
        assert full == set(expected)
