"""How values look on a page, and that text from elsewhere stays text."""

import gzip
from datetime import UTC, datetime, timedelta, timezone

import pytest
from starlette.responses import Response

from sysndd_api.pages.rendering import (
    age,
    browser,
    compressed,
    duration,
    format_time,
    human_size,
    is_fragment,
    redirect,
    size,
)
from tests.support.requests import make_request


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (1024**2, "1.0 MiB"),
        (1024**3, "1.0 GiB"),
        (1024**4, "1.0 TiB"),
        # There is no larger unit.
        (5000 * 1024**4, "5000.0 TiB"),
    ],
)
def test_a_size_is_shown_in_the_largest_binary_unit(value: int, text: str) -> None:
    assert human_size(value) == text


def test_the_exact_size_is_in_the_title() -> None:
    assert size(1_234_567) == '<data value="1234567" title="1,234,567 bytes">1.2 MiB</data>'
    assert "–" in size(None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0 ms"),
        (0.25, "250 ms"),
        (0.9996, "1.0 s"),
        (59.97, "1 min 0 s"),
        (1, "1.0 s"),
        (59.5, "59.5 s"),
        (60, "1 min 0 s"),
        (119.6, "2 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (3661, "1 h 1 min"),
        (86399, "23 h 59 min"),
        (86400, "1 d 0 h"),
        (90000, "1 d 1 h"),
    ],
)
def test_a_duration_is_shown_in_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (7200, "2 h"), (172_799, "1 d")],
)
def test_an_age_is_shown_in_its_largest_unit_and_never_rounded_up(
    seconds: float, text: str
) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 3, 1, 0, 30, 5, 123_999, tzinfo=UTC),
        # The database's times have no zone and are UTC.
        datetime(2026, 3, 1, 0, 30, 5, 123_999),  # noqa: DTZ001 - see above
        datetime(2026, 3, 1, 2, 30, 5, 123_999, tzinfo=timezone(timedelta(hours=2))),
        datetime(2026, 2, 28, 19, 30, 5, 123_999, tzinfo=timezone(timedelta(hours=-5))),
        "2026-03-01T00:30:05.123999",
        "2026-03-01T02:30:05.123999+02:00",
        "2026-03-01T00:30:05.123999Z",
    ],
)
def test_a_time_is_shown_in_utc(value: datetime | str) -> None:
    assert format_time(value) == (
        '<time datetime="2026-03-01T00:30:05.123Z" title="2026-03-01 00:30:05 UTC">'
        "01 Mar 2026, 00:30:05 UTC</time>"
    )


def test_a_missing_time_is_a_dash() -> None:
    assert format_time(None) == '<span class="muted">–</span>'


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Firefox 128 on Linux",
        ),
        # Edge and Chrome also name the browsers that they descend from.
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"
            " Safari/537.36",
            "Chrome 126 on Windows",
        ),
        ("curl/8.5.0", "curl 8.5.0"),
        ("sysndd-client", "sysndd-client"),
        ("", "Unknown browser"),
        (None, "Unknown browser"),
    ],
)
def test_a_browser_is_named_in_a_few_words(user_agent: str | None, words: str) -> None:
    assert browser(user_agent).partition(">")[2] == f"{words}</span>"


def test_markup_in_a_user_agent_stays_text() -> None:
    shown = browser('"><script>alert(1)</script>/1')
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert '">' in shown.removeprefix('<span title="')


def test_a_long_user_agent_is_truncated_in_the_title() -> None:
    assert browser("x/" + "1" * 5000).partition('">')[0] == '<span title="x/' + "1" * 253


def test_a_large_answer_is_compressed_for_a_client_that_unpacks_gzip() -> None:
    text = "row " * 1000
    request = make_request(headers={"Accept-Encoding": "gzip, deflate, br"})
    answer = compressed(request, Response(text))
    assert gzip.decompress(bytes(answer.body)).decode() == text
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ({"Accept-Encoding": "gzip"}, 999),
        ({"Accept-Encoding": "br"}, 5000),
        ({"Accept-Encoding": "gzip;q=0, br"}, 5000),
        ({}, 5000),
    ],
)
def test_an_answer_is_sent_as_it_is_when_compression_gains_nothing_or_is_not_accepted(
    headers: dict[str, str], length: int
) -> None:
    answer = compressed(make_request(headers=headers), Response("x" * length))
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-length"] == str(length)


@pytest.mark.parametrize(
    ("headers", "fragment"),
    [
        ({}, False),
        ({"HX-Request": "true"}, True),
        # A boosted link replaces the whole page.
        ({"HX-Request": "true", "HX-Boosted": "true"}, False),
    ],
)
def test_only_htmx_gets_a_part_of_a_page(headers: dict[str, str], fragment: bool) -> None:
    assert is_fragment(make_request(headers=headers)) is fragment


def test_a_redirect_after_a_form_is_followed_by_get() -> None:
    answer = redirect("/backups?done=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/backups?done=1")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
