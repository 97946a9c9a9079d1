"""A mail's HTML part as something a page may hold: a few plain elements, everything else as text."""

from html.parser import HTMLParser

from markupsafe import Markup, escape

_KEPT = {
    "p",
    "h1",
    "h2",
    "h3",
    "strong",
    "b",
    "em",
    "i",
    "ul",
    "ol",
    "li",
    "br",
    "blockquote",
    "code",
    "table",
    "tbody",
    "tr",
    "td",
    "th",
}
_UNSEEN = {"head", "style", "script", "title"}
_VOID = {"br"}
# A mail's own headings stand below those of the page.
_LOWERED = {"h1": "h3", "h2": "h4", "h3": "h5"}


def sanitize(html: str) -> Markup:
    """Return the mail as the page may show it.

    No attribute survives, so there is no style, no address and no handler; a link becomes its text,
    underlined. What stays open is closed at the end, so that the page around it stays whole.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return Markup("").join(
        [*reader.parts, *(Markup("</{}>").format(tag) for tag in reversed(reader.open))]
    )


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[Markup] = []
        self.open: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag in _UNSEEN:
            self._unseen += 1
        shown = self._shown(tag)
        if shown is None or self._unseen:
            return
        self.parts.append(Markup("<{}>").format(shown))
        if shown not in _VOID:
            self.open.append(shown)

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        shown = self._shown(tag)
        if shown in self.open and not self._unseen:
            while self.open:
                last = self.open.pop()
                self.parts.append(Markup("</{}>").format(last))
                if last == shown:
                    return

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(escape(data))

    @staticmethod
    def _shown(tag: str) -> str | None:
        if tag == "a":
            return "u"
        return _LOWERED.get(tag, tag) if tag in _KEPT else None
