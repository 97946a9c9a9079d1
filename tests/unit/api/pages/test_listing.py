"""The pager and the sort links of a list."""

import pytest

from sysndd_api.backups.models import BackupQuery
from sysndd_api.pages.listing import Listing
from tests.support.requests import make_request


def listing(query: str, *, items: int, total: int, **values: object) -> Listing:
    request = make_request(path="/backups", query=query)
    return Listing(request, range(items), total, BackupQuery.model_validate(values))


@pytest.mark.parametrize(("total", "pages"), [(0, 1), (1, 1), (50, 1), (51, 2), (100, 2), (101, 3)])
def test_the_last_page_may_be_partly_filled_and_an_empty_list_has_one(
    total: int, pages: int
) -> None:
    assert listing("", items=min(total, 50), total=total).pages == pages


@pytest.mark.parametrize(
    ("page", "items", "span"), [(1, 50, (1, 50)), (3, 7, (101, 107)), (1, 0, (0, 0))]
)
def test_the_numbers_of_the_rows_count_over_all_pages(
    page: int, items: int, span: tuple[int, int]
) -> None:
    shown = listing("", items=items, total=107, page=page)
    assert (shown.first, shown.last) == span


def test_links_to_other_pages_keep_the_filter_and_drop_what_was_just_done() -> None:
    shown = listing("search=a%26b&page=2&done=deleted&kind=", items=1, total=200)
    assert shown.page_address(3) == "/backups?search=a%26b&page=3"


def test_sorting_starts_on_the_first_page() -> None:
    shown = listing("page=4&sort=name", items=1, total=200, page=4, sort="name")
    assert shown.sort_address("size_bytes") == "/backups?sort=-size_bytes"


@pytest.mark.parametrize(
    ("sort", "largest_first", "link"),
    [
        ("-created_at", True, "-name"),
        ("-name", True, "name"),
        ("name", True, "-name"),
        ("-created_at", False, "name"),
        ("name", False, "-name"),
        ("-name", False, "name"),
    ],
)
def test_a_second_click_reverses_the_order(sort: str, largest_first: bool, link: str) -> None:
    shown = listing("", items=1, total=1, sort=sort)
    assert shown.sort_address("name", largest_first=largest_first) == f"/backups?sort={link}"


def test_the_aria_sort_a_column_is_announced_to_screen_readers() -> None:
    shown = listing("", items=1, total=1, sort="-name")
    assert (shown.aria_sort("name"), shown.aria_sort("kind")) == ("descending", "none")


@pytest.mark.parametrize(
    ("query", "filtered"),
    [("", False), ("sort=name", False), ("page=2", False), ("search=", False), ("search=x", True)],
)
def test_an_empty_list_says_whether_something_was_searched_for(query: str, filtered: bool) -> None:
    assert listing(query, items=0, total=0).is_filtered is filtered
