"""Pure ASGI middleware: request id and log line, and the bound on bodies.

``BaseHTTPMiddleware`` is not used: one of it costs four times the whole endpoint.
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
"""No JSON document of this API comes near it."""

UPLOAD_PATH = "/api/admin/backups/upload"
"""The one address whose body is a file; its handler counts what it reads."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


@dataclass(frozen=True)
class ObservedRequest:
    """A request that was answered.

    Attributes:
        route: the address as it is in the list of routes, never as it was asked for.
        seconds: what the answer took.
        is_probe: whether a machine asked how the process is.
    """

    method: str
    route: str
    status: int
    seconds: float
    is_probe: bool


RequestObserver = Callable[[ObservedRequest], None]
"""Counts requests; those in the state's ``observers`` are called for each."""


class RequestLog:
    """Gives each request an id, binds it to every log line, and logs one line at the end.

    The query string is left out of the log: tokens and addresses travel there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
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
                # Here and not in the framework's outermost layer, where the request id is gone.
                log.exception("request_failed")
                if status:
                    raise
                crashed = SysnddError("It was logged; quote the request id when you report it.")
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
    """Refuses a body over ``MAX_BODY_BYTES``, by its content_length length or while it arrives.

    Uploads of backups pass.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] == UPLOAD_PATH:
            await self._app(scope, receive, send)
            return
        content_length = Headers(scope=scope).get("content-length", "0")
        # A malformed length is the HTTP server's to refuse; it never gets here.
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
    return BodyTooLarge(f"At most {MAX_BODY_BYTES} bytes are accepted.", limit=MAX_BODY_BYTES)


def _is_probe(path: str) -> bool:
    return path.endswith(("/health/live", "/health/ready", "/metrics"))


def _route_of(scope: Scope) -> str:
    """Return the address as it is in the list of routes: what was asked for may be anything."""
    entry = getattr(scope.get("endpoint"), "__self__", None)
    return getattr(entry, "path", "unknown")
