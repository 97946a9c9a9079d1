"""One page's address: who may see it, how its form was sent, and how its errors look."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.contextvars import get_contextvars

from sysndd_api.pages.rendering import is_fragment, redirect, render
from sysndd_api.security.access import Access
from sysndd_api.web.endpoint import Handler
from sysndd_api.web.guard import Guard
from sysndd_api.web.http import service
from sysndd_api.web.models import ModelT
from sysndd_core.errors import Invalid, InvalidCredentials, NotFound, NotSignedIn, SysnddError
from sysndd_core.logging import get_logger

log = get_logger(__name__)

SIGN_IN = "/account/sign-in"


@dataclass(frozen=True)
class PageRoute:
    """One method of one page.

    Attributes:
        access: who may see it; checked before the handler runs.
        back_to: the page that shows an error of this form; None for a page of the error's own.
        in_maintenance: as ``Endpoint.in_maintenance``.
    """

    method: str
    path: str
    handler: Handler
    access: Access = Access.ADMINISTRATOR
    back_to: Handler | None = None
    in_maintenance: bool = False

    def route(self) -> Route:
        """Build the framework's route, with the checks in front of the handler."""
        return Route(self.path, self._served, methods=[self.method], name=f"page:{self.path}")

    async def _served(self, request: Request) -> Response:
        try:
            await self._authorize(request)
            return await self.handler(request)
        except SysnddError as error:
            return await self._refused(request, error)
        except Exception:
            # Here, because from the outermost layer on an error is a JSON document.
            log.exception("page_request_failed")
            return error_page(request, SysnddError("It was logged; quote the request."))

    async def _refused(self, request: Request, error: SysnddError) -> Response:
        if error.status >= 500:
            cause = repr(error.__cause__) if error.__cause__ else None
            log.warning("page_request_rejected", code=error.code, detail=error.detail, cause=cause)
        signed_out = isinstance(error, NotSignedIn) and not isinstance(error, InvalidCredentials)
        if signed_out and self.access is not Access.ANYONE:
            return _to_sign_in(request)
        # Before somebody is known there is no page that could show it.
        authorized = self.access is Access.ANYONE or hasattr(request.state, "actor")
        if self.back_to is None or not authorized or is_fragment(request):
            return error_page(request, error)
        try:
            request.state.problem = error
            answer = await self.back_to(request)
        except SysnddError as second:
            return error_page(request, second)
        answer.status_code = error.status
        return answer

    async def _authorize(self, request: Request) -> None:
        guard = service(request, Guard)
        await guard.check_page(request, self.access, in_maintenance=self.in_maintenance)
        if self.access is Access.ADMINISTRATOR and not is_fragment(request):
            request.state.maintenance = await guard.in_maintenance()


class View(BaseModel):
    """Base of a page's query: what is not known is ignored, as a person's bookmarks grow old."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    page: int = 1


class Form(BaseModel):
    """Base of a page's form."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=False)


def view_of(request: Request, model: type[ModelT]) -> ModelT:
    """Read the query string; an empty field is one that was left out, a wrong one its default."""
    values = {key: value for key, value in request.query_params.items() if value != ""}
    while True:
        try:
            return model.model_validate(values)
        except ValidationError as error:
            for item in error.errors():
                values.pop(str(item["loc"][0]))


async def form_of(request: Request, model: type[ModelT]) -> ModelT:
    """Read a form that was sent as ``application/x-www-form-urlencoded``.

    Raises:
        Invalid: names each field that is wrong; its value is not repeated.
        BodyTooLarge.
    """
    try:
        pairs = parse_qsl(
            (await request.body()).decode(), keep_blank_values=True, max_num_fields=50
        )
    except ValueError as error:
        raise Invalid("The form can't be read.") from error
    # A field that was left empty is one that was not sent.
    sent = {name: value for name, value in pairs if value != ""}
    # What was typed is in the form again when it comes back with an error; a password never is.
    request.state.sent = {name: value for name, value in sent.items() if "password" not in name}
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        problems = [
            {"field": str(item["loc"][0]), "message": item["msg"]} for item in error.errors()
        ]
        text = " ".join(f"{one['field'].replace('_', ' ')}: {one['message']}." for one in problems)
        raise Invalid(text, errors=problems) from error


def page(request: Request, template: str, **values: Any) -> Response:
    """Render a whole page, with what came of the last form above it."""
    problem: SysnddError | None = getattr(request.state, "problem", None)
    return render(
        request,
        template,
        problem=problem,
        sent=getattr(request.state, "sent", {}),
        maintenance=getattr(request.state, "maintenance", False),
        notice=_NOTICES.get(request.query_params.get("done", "")),
        request_id=get_contextvars().get("request_id"),
        **values,
    )


def error_page(request: Request, error: SysnddError) -> Response:
    """Show an error: a page of its own, or the part of a page that htmx asked for."""
    request_id = get_contextvars().get("request_id")
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
    if is_fragment(request):
        headers |= {"HX-Retarget": "#outcome", "HX-Reswap": "outerHTML"}
        return render(
            request,
            "parts/outcome.html",
            status=error.status,
            headers=headers,
            problem=error,
            notice=None,
            request_id=request_id,
        )
    return render(
        request,
        "error.html",
        status=error.status,
        headers=headers,
        error=error,
        problem=None,
        notice=None,
        request_id=request_id,
    )


async def nothing_here(request: Request) -> Response:
    """Say that there is no such page."""
    raise NotFound()


def done(path: str, what: str) -> Response:
    """Go to a page that says what was done."""
    assert what in _NOTICES, what
    return redirect(f"{path}?{urlencode({'done': what})}")


def _to_sign_in(request: Request) -> Response:
    back = request.scope["path"] if request.method == "GET" else "/admin"
    address = f"{SIGN_IN}?{urlencode({'next': back})}"
    if is_fragment(request):
        # htmx would put the sign-in form into the middle of the page.
        return Response(
            status_code=401, headers={"HX-Redirect": SIGN_IN, "HX-Retarget": "#outcome"}
        )
    return redirect(address)


_NOTICES = {
    "deleted": "The backup was deleted.",
    "pinned": "The backup is pinned: retention leaves it alone.",
    "unpinned": "The backup is no longer pinned: retention decides about it again.",
    "cancelled": "The job is being cancelled.",
    "mail_resent": "The mail goes out now.",
    "mail_cancelled": "The mail is cancelled.",
    "signed_out": "You are signed out.",
    "sessions_ended": "Those sessions have ended.",
    "password_reset": "The new password is set and every session has ended. Sign in with it.",
    "password_changed": "The password is changed; every other session has ended.",
    "address_asked": "A mail went to both addresses. The address changes when both agree.",
    "approved": "The account is open now; its owner gets a mail.",
    "deactivated": "The account is closed; its sessions and links have ended.",
    "reactivated": "The account is open again.",
    "role_changed": "The role is changed; the account's sessions have ended.",
    "mail_sent": "The mail is on its way.",
}
