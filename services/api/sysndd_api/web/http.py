"""Parses requests, finds services and builds responses, for every feature."""

import json
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sysndd_api.security.access import Actor
from sysndd_api.web.models import ModelT
from sysndd_core.errors import Invalid, MalformedJson, UnsupportedMediaType

ServiceT = TypeVar("ServiceT")


def service(request: Request, kind: type[ServiceT]) -> ServiceT:
    """Return a service of this process by its type; the lifespan stores them in the state."""
    services: Mapping[type[Any], Any] = request.state.services
    found: ServiceT = services[kind]
    return found


def actor_of(request: Request) -> Actor:
    """Return the account that sends the request; not set on public routes."""
    actor: Actor = request.state.actor
    return actor


def token_of(request: Request) -> str:
    """Return the session token that the guard accepted; set whenever the actor is."""
    token: str = request.state.token
    return token


def remote_of(request: Request) -> str | None:
    """Return the client's IP address as given by the trusted proxy, or None if it is invalid."""
    try:
        return str(ip_address(request.client.host.partition("%")[0])) if request.client else None
    except ValueError:
        return None


async def body_of(request: Request, model: type[ModelT]) -> ModelT:
    """Parse and validate a JSON body.

    Raises:
        UnsupportedMediaType: The content type is not ``application/json``.
        MalformedJson: The body is not valid JSON.
        Invalid: A field is unknown, missing or invalid.
        BodyTooLarge: The body exceeds the limit.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType()
    try:
        document = json.loads(await request.body())
        # The json module accepts lone surrogates, which cannot be encoded later (RFC 8259, 8.2).
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise MalformedJson() from error
    if not isinstance(document, dict):
        raise Invalid("The body must be a JSON object.")
    return _validated(model, document)


def query_of(request: Request, model: type[ModelT]) -> ModelT:
    """Validate the query string.

    Raises:
        Invalid: A parameter is unknown, repeated or invalid.
    """
    pairs = request.query_params.multi_items()
    if len(pairs) != len(dict(pairs)):
        raise Invalid("A parameter is repeated.")
    return _validated(model, dict(pairs))


def reply(
    content: BaseModel | dict[str, Any],
    status: int = 200,
    *,
    headers: dict[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """Return a JSON response with ``Cache-Control: no-store``."""
    document = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
    return JSONResponse(
        document,
        status,
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type=media_type,
    )


def _validated(model: type[ModelT], values: dict[str, Any]) -> ModelT:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        # The value is not repeated: it may be a password in the wrong field.
        problems = [
            {"field": ".".join(map(str, item["loc"])), "message": item["msg"]}
            for item in error.errors()
        ]
        named = ", ".join(sorted({item["field"] for item in problems}))
        raise Invalid(f"Invalid or missing: {named}.", errors=problems) from error
