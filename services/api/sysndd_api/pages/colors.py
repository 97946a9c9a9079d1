"""The style sheet of the site's colour, readable in light and in dark.

Contrast is that of WCAG 2.2. Text needs 4.5:1 (success criterion 1.4.3).
"""

from collections.abc import Iterable

MIN_CONTRAST = 4.5
"""Contrast of text and its background (WCAG 2.2, success criterion 1.4.3, level AA)."""

LIGHT_BACKGROUNDS = ("#ffffff", "#f4f6fa", "#e8ebf2")
DARK_BACKGROUNDS = ("#0f131b", "#171c27", "#262d3c")
"""Backgrounds of links in ``site.css``: ``--panel``, ``--page`` and ``--idle-soft``."""

_BLACK, _WHITE = "#000000", "#ffffff"
_STEPS = 100
_HOVER = 0.15
"""Share of black or white in a button under the pointer."""

_SOFT = 0.12
"""Share of the colour in the background of the current page's link."""

Rgb = tuple[int, int, int]


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2, definition of contrast ratio).

    Args:
        first: A colour as ``#rrggbb``.
        second: The other one; the order does not matter.

    Returns:
        A number from 1 (the same luminance) to 21 (black and white).
    """
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def text_on(background: str) -> str:
    """Return black or white, whichever has the higher contrast; it is at least 4.58:1.

    Args:
        background: A colour as ``#rrggbb``.
    """
    return max(_WHITE, _BLACK, key=lambda text: contrast(text, background))


def readable(color: str, backgrounds: Iterable[str]) -> str:
    """Return a colour that is readable as text, as close to the given one as possible.

    Args:
        color: A colour as ``#rrggbb``.
        backgrounds: All the backgrounds of the text; all light or all dark.

    Returns:
        The colour itself, or its mixture with as little black (on light backgrounds) or white (on
        dark ones) as gives ``MIN_CONTRAST`` on every background.
    """
    grounds = tuple(backgrounds)
    towards = text_on(grounds[0])
    mixed = (_mixed(color, towards, step / _STEPS) for step in range(_STEPS + 1))
    return next(
        one for one in mixed if all(contrast(one, ground) >= MIN_CONTRAST for ground in grounds)
    )


def accent_style_sheet(accent: str) -> str:
    """Return the style sheet that replaces the blue of links, buttons and the current page.

    The colours of states and charts stay: in a red site, a failure would not be noticed.

    Args:
        accent: ``SITE_ACCENT``, as ``#rrggbb``.
    """
    light = _declarations(accent, LIGHT_BACKGROUNDS, panel="#ffffff")
    dark = _declarations(accent, DARK_BACKGROUNDS, panel="#171c27")
    # The selector is as specific as that of site.css, which is more specific than Pico's.
    return (
        f":root:root:root {{\n{light}}}\n"
        f"@media (prefers-color-scheme: dark) {{\n:root:root:root {{\n{dark}}}\n}}\n"
    )


def _declarations(accent: str, backgrounds: tuple[str, ...], *, panel: str) -> str:
    soft = _mixed(panel, accent, _SOFT)
    text = readable(accent, (*backgrounds, soft))
    on_button = text_on(accent)
    # Away from the text on it, so that the contrast grows.
    pressed = _mixed(accent, _BLACK if on_button == _WHITE else _WHITE, _HOVER)
    stronger = _mixed(text, text_on(panel), _HOVER)
    values = {
        "--pico-primary": text,
        "--pico-primary-hover": stronger,
        "--pico-primary-underline": f"{text}80",
        "--pico-primary-hover-underline": stronger,
        "--pico-primary-background": accent,
        "--pico-primary-hover-background": pressed,
        # A button may have the colour of the page, so its border shows where it ends.
        "--pico-primary-border": text,
        "--pico-primary-hover-border": stronger,
        "--pico-primary-inverse": on_button,
        "--pico-primary-focus": f"{text}60",
        "--pico-progress-color": text,
        "--pico-accordion-active-summary-color": stronger,
        "--accent": text,
        "--accent-soft": soft,
    }
    return "".join(f"  {name}: {value};\n" for name, value in values.items())


def _mixed(color: str, other: str, share: float) -> str:
    """Mix two colours in sRGB; ``share`` from 0 to 1 is that of ``other``."""
    return "#" + "".join(
        f"{round(one + (two - one) * share):02x}"
        for one, two in zip(_rgb(color), _rgb(other), strict=True)
    )


def _luminance(color: str) -> float:
    """Return the relative luminance, from 0 to 1 (WCAG 2.2, definition)."""
    red, green, blue = (_linear(channel / 255) for channel in _rgb(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _rgb(color: str) -> Rgb:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
