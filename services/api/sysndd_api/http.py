"""Parsing requests and shaping replies, the same way in every feature."""

import json
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sysndd_api.auth import Actor
from sysndd_core.errors import Invalid, MalformedJson, UnsupportedMediaType

if TYPE_CHECKING:
    from sysndd_api.context import Context

ModelT = TypeVar("ModelT", bound=BaseModel)
ItemT = TypeVar("ItemT")


class RequestModel(BaseModel):
    """Base of request bodies and queries: what is not known is refused, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PageQuery(RequestModel):
    """Which page of a list; pages count from 1."""

    page: int = Field(1, ge=1, le=1_000_000)
    page_size: int = Field(50, ge=1, le=500)

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.page - 1) * self.page_size


class Page(BaseModel, Generic[ItemT]):
    """One page of a list, with the number of all items."""

    data: list[ItemT]
    total: int
    page: int
    page_size: int


def context_of(request: Request) -> "Context":
    """Return the process's services, put into the lifespan's state at start."""
    context: Context = request.state.context
    return context


def actor_of(request: Request) -> Actor:
    """Return who is asking; only routes that are not for anyone have one."""
    actor: Actor = request.state.actor
    return actor


def remote_of(request: Request) -> str | None:
    """Return the client's address, as the trusted proxy gave it; None when it is no address."""
    try:
        return str(ip_address(request.client.host.partition("%")[0])) if request.client else None
    except ValueError:
        return None


async def body_of(request: Request, model: type[ModelT]) -> ModelT:
    """Parse and validate a JSON body.

    Raises:
        UnsupportedMediaType, MalformedJson, Invalid, BodyTooLarge.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType()
    try:
        document = json.loads(await request.body())
        # json lets half a surrogate pair pass, which nothing behind here can encode (RFC 8259, 8.2).
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise MalformedJson() from error
    if not isinstance(document, dict):
        raise Invalid("The body must be a JSON object.")
    return _validated(model, document)


def query_of(request: Request, model: type[ModelT]) -> ModelT:
    """Validate the query string.

    Raises:
        Invalid: a parameter is unknown, given twice, or wrong.
    """
    pairs = request.query_params.multi_items()
    if len(pairs) != len(dict(pairs)):
        raise Invalid("A parameter is given more than once.")
    return _validated(model, dict(pairs))


def reply(
    content: BaseModel | dict[str, Any],
    status: int = 200,
    *,
    headers: dict[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """Return a JSON answer that no cache keeps."""
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
        # The value itself is not repeated: it may be a password in the wrong field.
        problems = [
            {"field": ".".join(map(str, item["loc"])), "message": item["msg"]}
            for item in error.errors()
        ]
        named = ", ".join(sorted({item["field"] for item in problems}))
        raise Invalid(f"Wrong or missing: {named}.", errors=problems) from error
