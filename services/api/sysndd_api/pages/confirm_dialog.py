"""The confirmation of a destructive action: what will happen, and what can be undone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.pages import page_route


@dataclass(frozen=True)
class ConfirmDialog:
    """One confirmation, shown as a dialog or, without JavaScript, as a page.

    The form posts to the address of the dialog itself: GET asks, POST acts.

    Attributes:
        title: The action and its object, as a question.
        effects: What will happen, one sentence each.
        undo: What can be undone, and how.
        button: Label of the button that confirms.
        back: Address of the page that the dialog was opened from.
        fields: Hidden fields of the form.
        dismiss: Label of the button that closes the dialog.
    """

    title: str
    effects: tuple[str, ...]
    undo: str
    button: str
    back: str
    fields: Mapping[str, str] = field(default_factory=dict)
    dismiss: str = "Cancel"


def confirm(request: Request, dialog: ConfirmDialog) -> Response:
    """Render a confirmation."""
    return page_route.page(request, "confirm_dialog.html", dialog=dialog)
