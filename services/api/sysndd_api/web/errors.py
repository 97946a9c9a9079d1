"""Renders every error as ``application/problem+json`` (RFC 9457)."""

from collections.abc import Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from structlog.contextvars import get_contextvars

from sysndd_api.security.access import Access
from sysndd_api.web.guard import Guard
from sysndd_api.web.http import service
from sysndd_core.errors import (
    BadRequest,
    MethodNotAllowed,
    NotFound,
    NotSignedIn,
    RangeNotSatisfiable,
    SchemaDamaged,
    SysnddError,
)
from sysndd_core.logging import get_logger

log = get_logger(__name__)


def problem(error: SysnddError) -> Response:
    """Render an error.

    The members are those of RFC 9457, the stable ``code``, the ``request_id`` for the logs, and the
    extra members of the error.
    """
    document: dict[str, Any] = {
        "type": f"/api/docs#{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": get_contextvars().get("request_id"),
        **error.extra,
    }
    headers = {"Cache-Control": "no-store"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, NotSignedIn):
        # RFC 9110, section 11.6.1, requires it for every 401.
        headers["WWW-Authenticate"] = 'Bearer realm="sysndd"'
    if isinstance(error, RangeNotSatisfiable) and "size_bytes" in error.extra:
        # RFC 9110, section 14.4: the size lets the client correct its next request.
        headers["Content-Range"] = f"bytes */{error.extra['size_bytes']}"
    return JSONResponse(
        document, error.status, headers=headers, media_type="application/problem+json"
    )


async def without_schema_details(request: Request, error: SysnddError) -> SysnddError:
    """Return an error as its reader may see it: only operators learn the names of tables."""
    if not isinstance(error, SchemaDamaged):
        return error
    if await service(request, Guard).admits(request, Access.VIEWER):
        return error
    return SchemaDamaged()


async def _handle_sysndd_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, SysnddError)
    if error.status >= 500:
        log.warning(
            "request_rejected",
            code=error.code,
            detail=error.detail,
            cause=repr(error.__cause__) if error.__cause__ else None,
        )
    return problem(await without_schema_details(request, error))


async def _handle_http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kinds: dict[int, type[SysnddError]] = {404: NotFound, 405: MethodNotAllowed}
    response = problem(kinds.get(error.status_code, BadRequest)())
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


EXCEPTION_HANDLERS: dict[Any, Callable[[Request, Exception], Any]] = {
    SysnddError: _handle_sysndd_error,
    HTTPException: _handle_http_exception,
}
