"""Base models of requests and lists."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

ModelT = TypeVar("ModelT", bound=BaseModel)
ItemT = TypeVar("ItemT")


class RequestModel(BaseModel):
    """Base of request bodies and query strings; unknown fields are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PageQuery(RequestModel):
    """The requested page of a list; pages start at 1."""

    page: int = Field(1, ge=1, le=1_000_000)
    page_size: int = Field(50, ge=1, le=500)

    @property
    def offset(self) -> int:
        """Number of rows before this page."""
        return (self.page - 1) * self.page_size


class Page(BaseModel, Generic[ItemT]):
    """One page of a list, with the number of all items."""

    data: list[ItemT]
    total: int
    page: int
    page_size: int
