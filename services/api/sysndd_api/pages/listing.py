"""One page of a list, with the links to the other pages and to other sort orders."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from sysndd_api.web.models import PageQuery


class Listing:
    """What a table and its pager need.

    Args:
        request: The request, whose path and query the links keep.
        items: The items of this page.
        total: The number of items on all pages.
        query: The number and the size of this page.
        path: Path of the list, if the response to a form shows it at another path.
    """

    def __init__(
        self,
        request: Request,
        items: Sequence[Any],
        total: int,
        query: PageQuery,
        *,
        path: str | None = None,
    ) -> None:
        self.items = items
        self.total = total
        self.page = query.page
        self.pages = max(1, -(-total // query.page_size))
        self.first = query.offset + 1 if items else 0
        self.last = query.offset + len(items)
        self.sort: str = getattr(query, "sort", "")
        self._path = path or request.scope["path"]
        self._query = {
            key: value
            for key, value in request.query_params.items()
            if value and key not in ("page", "done")
        }

    @property
    def is_filtered(self) -> bool:
        """Whether a filter is set, so that an empty list means that nothing matches."""
        return bool(self._query.keys() - {"sort"})

    def page_address(self, page: int) -> str:
        """Return the address of another page of the same list."""
        return self.address(page=str(page))

    def sort_address(self, field: str, *, largest_first: bool = True) -> str:
        """Return the address of the list sorted by a field, or in reverse if it already is."""
        down, up = f"-{field}", field
        first, second = (down, up) if largest_first else (up, down)
        return self.address(sort=second if self.sort == first else first)

    def aria_sort(self, field: str) -> str:
        """Return the value of ``aria-sort`` for the column of a field."""
        return {field: "ascending", f"-{field}": "descending"}.get(self.sort, "none")

    def address(self, **changes: str) -> str:
        """Return the address of this list with a changed query."""
        return f"{self._path}?{urlencode(self._query | changes)}"
