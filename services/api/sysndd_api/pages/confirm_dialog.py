"""What a page asks before it takes something away: what will happen, and what can be undone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.pages import page_route


@dataclass(frozen=True)
class ConfirmDialog:
    """One question, shown as a dialog or, without the pages' script, as a page of its own.

    The form goes to the address that the question itself has: GET asks and POST does.

    Attributes:
        title: what is to be done, and to what.
        effects: what will happen, a sentence each.
        undo: what of it can be undone, and how.
        button: what the button says.
        back: the page that one came from.
        fields: what the form sends along.
    """

    title: str
    effects: tuple[str, ...]
    undo: str
    button: str
    back: str
    fields: Mapping[str, str] = field(default_factory=dict)


def confirm(request: Request, dialog: ConfirmDialog) -> Response:
    """Show a question."""
    return page_route.page(request, "question.html", dialog=dialog)
