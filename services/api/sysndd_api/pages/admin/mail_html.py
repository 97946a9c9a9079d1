"""Sanitizes the HTML part of an email for a page: a few plain elements, everything else as text."""

from html.parser import HTMLParser

from markupsafe import Markup, escape

_ALLOWED = {
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
_DROPPED = {"head", "style", "script", "title"}
_VOID = {"br"}
# The email's headings rank below those of the page.
_DEMOTED = {"h1": "h3", "h2": "h4", "h3": "h5"}


def sanitize(html: str) -> Markup:
    """Return the email's HTML as markup that is safe within a page.

    Every attribute is removed, so no style, address or event handler remains. A link becomes its
    underlined text. Elements that are still open at the end are closed.
    """
    sanitizer = _Sanitizer()
    sanitizer.feed(html)
    sanitizer.close()
    return Markup("").join(
        [*sanitizer.parts, *(Markup("</{}>").format(tag) for tag in reversed(sanitizer.open))]
    )


class _Sanitizer(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[Markup] = []
        self.open: list[str] = []
        self._dropped_depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag in _DROPPED:
            self._dropped_depth += 1
        output = self._output_tag(tag)
        if output is None or self._dropped_depth:
            return
        self.parts.append(Markup("<{}>").format(output))
        if output not in _VOID:
            self.open.append(output)

    def handle_endtag(self, tag: str) -> None:
        if tag in _DROPPED:
            self._dropped_depth = max(0, self._dropped_depth - 1)
        output = self._output_tag(tag)
        if output in self.open and not self._dropped_depth:
            while self.open:
                last = self.open.pop()
                self.parts.append(Markup("</{}>").format(last))
                if last == output:
                    return

    def handle_data(self, data: str) -> None:
        if not self._dropped_depth:
            self.parts.append(escape(data))

    @staticmethod
    def _output_tag(tag: str) -> str | None:
        if tag == "a":
            return "u"
        return _DEMOTED.get(tag, tag) if tag in _ALLOWED else None
