"""One page: its access level, its form, and the rendering of its errors."""

import contextlib
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
from sysndd_api.web.errors import without_schema_details
from sysndd_api.web.guard import Guard
from sysndd_api.web.http import service
from sysndd_api.web.models import ModelT
from sysndd_api.web.site_features import Feature, SiteFeatures
from sysndd_core.errors import Invalid, InvalidCredentials, NotFound, NotSignedIn, SysnddError
from sysndd_core.logging import get_logger

log = get_logger(__name__)

SIGN_IN = "/account/sign-in"
_OPERATORS = {Access.VIEWER, Access.MAINTAINER, Access.ADMINISTRATOR}


@dataclass(frozen=True)
class PageRoute:
    """One method of one page.

    Attributes:
        access: Required access level; checked before the handler runs.
        back_to: Page that shows an error of this form; None for a separate error page.
        in_maintenance: As ``Endpoint.in_maintenance``.
        needs: As ``Endpoint.needs``.
    """

    method: str
    path: str
    handler: Handler
    access: Access = Access.ADMINISTRATOR
    back_to: Handler | None = None
    in_maintenance: bool = False
    needs: Feature | None = None

    def route(self) -> Route:
        """Build the Starlette route, which checks the access before it calls the handler."""
        return Route(self.path, self._handle, methods=[self.method], name=f"page:{self.path}")

    async def _handle(self, request: Request) -> Response:
        try:
            await self._authorize(request)
            return await self.handler(request)
        except SysnddError as error:
            return await self._error_response(request, error)
        except Exception:
            # Caught here, because the outermost layer renders errors as JSON.
            log.exception("page_request_failed")
            return error_page(request, SysnddError(_UNEXPECTED))

    async def _error_response(self, request: Request, error: SysnddError) -> Response:
        if error.status >= 500:
            cause = repr(error.__cause__) if error.__cause__ else None
            log.warning("page_request_rejected", code=error.code, detail=error.detail, cause=cause)
        error = await without_schema_details(request, error)
        signed_out = isinstance(error, NotSignedIn) and not isinstance(error, InvalidCredentials)
        if signed_out and self.access is not Access.ANYONE:
            return _redirect_to_sign_in(request)
        # Without a signed-in user, the form's page cannot be rendered.
        authorized = self.access is Access.ANYONE or hasattr(request.state, "actor")
        if self.back_to is None or not authorized or is_fragment(request):
            return error_page(request, error)
        try:
            request.state.problem = error
            response = await self.back_to(request)
        except SysnddError as second:
            return error_page(request, await without_schema_details(request, second))
        response.status_code = error.status
        return response

    async def _authorize(self, request: Request) -> None:
        guard = service(request, Guard)
        await guard.check_page(request, self.access, in_maintenance=self.in_maintenance)
        features = service(request, SiteFeatures)
        # Without the database, a page still shows its error.
        with contextlib.suppress(SysnddError):
            request.state.site_accounts = await features.has(Feature.ACCOUNTS)
        if self.needs is not None:
            await features.require(self.needs)
        if self.access in _OPERATORS and not is_fragment(request):
            request.state.maintenance = await guard.in_maintenance()


class PageParameters(BaseModel):
    """Base of a page's query. Unknown fields are ignored, so that old bookmarks work."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    page: int = 1


class Form(BaseModel):
    """Base of a page's form."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=False)


def page_query_of(request: Request, model: type[ModelT]) -> ModelT:
    """Read the query string; an empty or invalid field gets its default."""
    values = {key: value for key, value in request.query_params.items() if value != ""}
    while True:
        try:
            return model.model_validate(values)
        except ValidationError as error:
            for item in error.errors():
                values.pop(str(item["loc"][0]))


async def form_of(request: Request, model: type[ModelT]) -> ModelT:
    """Read a form of the type ``application/x-www-form-urlencoded``.

    Raises:
        Invalid: A field is invalid; the error names each one without its value.
        BodyTooLarge.
    """
    try:
        pairs = parse_qsl(
            (await request.body()).decode(), keep_blank_values=True, max_num_fields=50
        )
    except ValueError as error:
        raise Invalid("The form data is malformed. Reload the page and try again.") from error
    # An empty field counts as missing.
    sent = {name: value for name, value in pairs if value != ""}
    # A form that is shown again with an error keeps its values, except passwords.
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
    """Render a complete page, with the outcome of the last form at its top."""
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
    """Render an error as a page, or as the part of a page that htmx requested."""
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


async def not_found(request: Request) -> Response:
    """Respond that the page does not exist."""
    raise NotFound()


def redirect_with_notice(path: str, notice: str) -> Response:
    """Redirect to a page that shows one of the notices below."""
    assert notice in _NOTICES, notice
    return redirect(f"{path}?{urlencode({'done': notice})}")


def _redirect_to_sign_in(request: Request) -> Response:
    back = request.scope["path"] if request.method == "GET" else "/admin"
    address = f"{SIGN_IN}?{urlencode({'next': back})}"
    if is_fragment(request):
        # Otherwise htmx inserts the sign-in form into the page.
        return Response(
            status_code=401, headers={"HX-Redirect": SIGN_IN, "HX-Retarget": "#outcome"}
        )
    return redirect(address)


_UNEXPECTED = (
    "The error was logged. Try again; if it happens again, contact an operator and quote the"
    " reference."
)
_NOTICES = {
    "deleted": "Backup deleted.",
    "pinned": "Backup pinned. Retention will not delete it.",
    "size_accepted": "Size accepted. Backups expire again after the next verified backup.",
    "unpinned": "Backup unpinned. Retention applies again.",
    "cancelled": "The job is being cancelled.",
    "mail_resent": "The email will be sent now.",
    "mail_cancelled": "Email cancelled.",
    "signed_out": "You are signed out.",
    "sessions_ended": "Sessions ended.",
    "password_reset": "Password changed. All sessions have ended; sign in with the new password.",
    "password_changed": "Password changed. All other sessions have ended.",
    "email_change_requested": "We've sent a link to both addresses. Your email address changes when"
    " you confirm both.",
    "approved": "Approved. The user has been notified.",
    "deactivated": "Deactivated. Sessions ended and links revoked.",
    "reactivated": "Account reactivated.",
    "role_changed": "Role changed. The account's sessions have ended.",
    "mail_sent": "Confirmation email queued.",
    "invited": "Invitation queued. The operator chooses a password with the emailed link.",
    "operator_changed": "Saved.",
    "operator_signed_out": "Saved. The operator's sessions have ended.",
}
