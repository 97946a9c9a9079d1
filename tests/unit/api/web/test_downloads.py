"""Which bytes of a backup a request gets (RFC 9110, sections 13 and 14)."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from sysndd_api.web.downloads import Download
from sysndd_core.errors import RangeNotSatisfiable
from tests.support.manifests import make_manifest

CONTENT = bytes(range(100))
ETAG = '"5e"'
FINISHED = datetime(2026, 1, 31, 23, 59, 58, tzinfo=UTC)


@pytest.fixture
def download(tmp_path: Path) -> Download:
    """A backup of 100 bytes in the backup directory."""
    path = tmp_path / "manual.sql.zst"
    path.write_bytes(CONTENT)
    manifest = make_manifest(path.name, FINISHED, size_bytes=len(CONTENT), sha256=ETAG.strip('"'))
    return Download(manifest, path, None)


async def content_of(response: Response) -> bytes:
    assert isinstance(response, StreamingResponse)
    return b"".join([chunk async for chunk in response.body_iterator if isinstance(chunk, bytes)])


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=0-0", 0, 0),
        ("bytes=90-", 90, 99),
        ("bytes=99-99", 99, 99),
        # Section 14.1.2: a last position past the end means the end.
        ("bytes=90-100", 90, 99),
        ("bytes=-5", 95, 99),
        # A suffix longer than the file is the file.
        ("bytes=-500", 0, 99),
        # Section 14.1: units are case-insensitive; section 5.6.1: blanks around a range.
        ("BYTES=0-9", 0, 9),
        ("bytes= 0-9 ", 0, 9),
    ],
)
async def test_a_satisfiable_range_is_answered_in_part(
    download: Download, header: str, first: int, last: int
) -> None:
    response = download.response(Headers({"Range": header}))
    assert response.status_code == 206
    assert response.headers["content-range"] == f"bytes {first}-{last}/100"
    assert response.headers["content-length"] == str(last - first + 1)
    assert await content_of(response) == CONTENT[first : last + 1]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        # More digits than any file has bytes, and than int() reads.
        "bytes=0-" + "9" * 5000,
        "bytes=1",
        "lines=0-9",
        # Section 14.1.1: a last position before the first makes the header invalid.
        "bytes=9-0",
        # Section 14.2: a server may ignore several ranges.
        "bytes=0-1,5-6",
        "bytes=0x0-0x9",
        "bytes=+0-9",
        "bytes=--5",
    ],
)
async def test_a_range_that_is_invalid_or_not_supported_is_ignored(
    download: Download, header: str
) -> None:
    response = download.response(Headers({"Range": header}))
    assert response.status_code == 200
    assert "content-range" not in response.headers
    assert response.headers["content-length"] == "100"
    assert await content_of(response) == CONTENT


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_of_the_file_is_refused_with_its_size(
    download: Download, header: str
) -> None:
    with pytest.raises(RangeNotSatisfiable) as refused:
        download.response(Headers({"Range": header}))
    assert refused.value.extra == {"size_bytes": 100}


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (ETAG, 206),
        ('"other"', 200),
        # Section 13.1.5: strong comparison, so a weak tag never matches.
        (f"W/{ETAG}", 200),
        # A date is not compared: the whole file is always a correct answer.
        ("Sat, 31 Jan 2026 23:59:58 GMT", 200),
    ],
)
def test_a_range_of_another_version_is_answered_with_the_whole_file(
    download: Download, condition: str, status: int
) -> None:
    response = download.response(Headers({"Range": "bytes=0-9", "If-Range": condition}))
    assert response.status_code == status


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (ETAG, 304),
        ("*", 304),
        # Section 13.1.2: weak comparison, in a list.
        (f"W/{ETAG}", 304),
        (f'"other", {ETAG}', 304),
        ('"other"', 200),
        ("5e", 200),
    ],
)
def test_a_client_that_has_the_file_gets_no_bytes(
    download: Download, condition: str, status: int
) -> None:
    response = download.response(Headers({"If-None-Match": condition}))
    assert response.status_code == status
    assert response.headers["etag"] == ETAG
    assert ("content-length" in response.headers) == (status == 200)


def test_a_condition_that_holds_wins_over_a_range(download: Download) -> None:
    """Section 13.2.2: If-None-Match is evaluated before Range."""
    headers = Headers({"If-None-Match": ETAG, "Range": "bytes=500-"})
    assert download.response(headers).status_code == 304


def test_a_browser_saves_the_file_and_never_shows_it(download: Download) -> None:
    headers = download.response(Headers({})).headers
    assert headers["content-disposition"] == 'attachment; filename="manual.sql.zst"'
    assert headers["content-type"] == "application/octet-stream"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["last-modified"] == "Sat, 31 Jan 2026 23:59:58 GMT"
