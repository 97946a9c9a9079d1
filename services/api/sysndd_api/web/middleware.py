"""Pure ASGI middleware: request IDs, the access log, and the limit of request bodies.

``BaseHTTPMiddleware`` is not used: one layer costs four times as much as a whole endpoint.
"""

import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sysndd_api.web.errors import problem
from sysndd_core.errors import BodyTooLarge, SysnddError
from sysndd_core.logging import get_logger

log = get_logger(__name__)

MAX_BODY_BYTES = 64 * 1024
"""Maximum size of a JSON request body, in bytes."""

UPLOAD_PATH = "/api/admin/backups/upload"
"""The only path whose body is a file; its handler enforces a limit of its own."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


@dataclass(frozen=True)
class ObservedRequest:
    """A request that was answered.

    Attributes:
        route: Path template of the route; never the requested path, which is unbounded.
        seconds: Duration of the response.
        is_probe: Whether it is a health check or a scrape.
    """

    method: str
    route: str
    status: int
    seconds: float
    is_probe: bool


RequestObserver = Callable[[ObservedRequest], None]
"""Counts requests; the ``observers`` in the state are called for each one."""


class RequestLog:
    """Gives each request an ID, binds it to all log lines, and writes one line at the end.

    The query string is not logged: it may contain tokens and addresses.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        started, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception:
                # The framework's outermost layer would log this without the request ID.
                log.exception("request_failed")
                if status:
                    raise
                crashed = SysnddError(
                    "The error was logged. Include the request ID when you report it."
                )
                await problem(crashed)(scope, receive, send_with_id)
            finally:
                seconds, probe = time.perf_counter() - started, _is_probe(scope["path"])
                seen = ObservedRequest(scope["method"], _route_of(scope), status, seconds, probe)
                for observe in scope["state"]["observers"]:
                    observe(seen)
                level = log.debug if probe else log.info
                level(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    ms=round(seconds * 1000, 1),
                    remote=(scope.get("client") or ("",))[0],
                )


class BodyLimit:
    """Rejects a body over ``MAX_BODY_BYTES``, by its announced length or while it arrives.

    Uploads of backups are exempt.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"] == UPLOAD_PATH:
            await self._app(scope, receive, send)
            return
        content_length = Headers(scope=scope).get("content-length", "0")
        # The HTTP server has already rejected a malformed length.
        if content_length.isdecimal() and int(content_length) > MAX_BODY_BYTES:
            await problem(_too_large())(scope, receive, send)
            return
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise _too_large()
            return message

        await self._app(scope, bounded, send)


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"The limit is {MAX_BODY_BYTES} bytes.", limit=MAX_BODY_BYTES)


def _is_probe(path: str) -> bool:
    return path.endswith(("/health/live", "/health/ready", "/metrics"))


def _route_of(scope: Scope) -> str:
    """Return the path template of the route; requested paths would be unbounded labels."""
    entry = getattr(scope.get("endpoint"), "__self__", None)
    return getattr(entry, "path", "unknown")
