"""An email's HTML part, reduced to what a page may show: a few plain elements and text."""

import re

import nh3
from markupsafe import Markup

_SHOWN = {
    "h1": "h3",
    "h2": "h4",
    "h3": "h5",
    "a": "u",
}
"""How some elements are shown: headings below those of the page, and a link as underlined text."""

_CLEANER = nh3.Cleaner(
    tags={
        *_SHOWN,
        *("p", "strong", "b", "em", "i", "ul", "ol", "li", "br", "blockquote", "code"),
        *("table", "tbody", "tr", "td", "th"),
    },
    clean_content_tags={"style", "script", "title"},
    # The library's own default allows `lang` and `title` everywhere.
    attributes={"*": set()},
    link_rel=None,
)
# Without attributes, and with every `<` of a text escaped, this can match nothing but a tag.
_RENAMED = re.compile(rf"(</?)({'|'.join(_SHOWN)})>")


def sanitize(html: str) -> Markup:
    """Return an email's HTML as the page may show it.

    No attribute remains, so there is no style, no address and no event handler. The result is
    balanced, so that the page around it stays whole.
    """
    clean = _CLEANER.clean(html)
    shown = _RENAMED.sub(lambda tag: f"{tag[1]}{_SHOWN[tag[2]]}>", clean)
    return Markup(shown)  # noqa: S704 # cleaned above
