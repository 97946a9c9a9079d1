"""Requests as the server hands them to a handler, without a server."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.types import Message, Scope


def make_request(
    method: str = "GET",
    path: str = "/",
    *,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    client: str | None = "192.0.2.1",
) -> Request:
    """Build a request.

    Args:
        query: what follows the question mark.
        headers: by name, in any case.
        client: address of the client; None where the server doesn't know it.
    """

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    scope: Scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode("ascii"),
        "headers": [
            (name.lower().encode("ascii"), value.encode("latin-1"))
            for name, value in (headers or {}).items()
        ],
        "client": (client, 50000) if client is not None else None,
        "state": {},
    }
    return Request(scope, receive)
