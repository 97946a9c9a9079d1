"""What a request may send: bodies, query strings, and the address of the client."""

import pytest
from pydantic import Field

from sysndd_api.web.http import body_of, query_of, remote_of, reply
from sysndd_api.web.models import PageQuery, RequestModel
from sysndd_core.errors import Invalid, MalformedJson, UnsupportedMediaType
from tests.support.requests import make_request

JSON = {"Content-Type": "application/json"}


class Greeting(RequestModel):
    """A body with one required and one optional member."""

    name: str = Field(min_length=1)
    times: int = 1


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;",
    ],
)
async def test_the_media_type_is_compared_without_case_and_parameters(media_type: str) -> None:
    request = make_request("POST", headers={"Content-Type": media_type}, body=b'{"name": "a"}')
    assert await body_of(request, Greeting) == Greeting(name="a")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        # What a foreign page's form can send without asking the server first.
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "text/plain; application/json"},
    ],
)
async def test_a_body_of_another_media_type_is_refused(headers: dict[str, str]) -> None:
    request = make_request("POST", headers=headers, body=b'{"name": "a"}')
    with pytest.raises(UnsupportedMediaType):
        await body_of(request, Greeting)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'name': 'a'}",
        b'{"name": "a"} {}',
        b"\xff\xfe\xfa",
        # RFC 8259, section 8.2: half a surrogate pair is no character.
        b'{"name": "\\ud800"}',
        b"[" * 100_000,
    ],
    ids=["empty", "cut", "quotes", "two", "encoding", "surrogate", "deep"],
)
async def test_malformed_json_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        await body_of(make_request("POST", headers=JSON, body=body), Greeting)


@pytest.mark.parametrize("body", [b"[]", b'"name"', b"null", b"1", b"true"])
async def test_json_that_is_not_an_object_is_invalid(body: bytes) -> None:
    with pytest.raises(Invalid):
        await body_of(make_request("POST", headers=JSON, body=body), Greeting)


async def test_an_error_names_the_fields_and_repeats_no_value() -> None:
    body = b'{"name": "", "times": "secret", "password": "hidden"}'
    with pytest.raises(Invalid) as refused:
        await body_of(make_request("POST", headers=JSON, body=body), Greeting)
    errors = refused.value.extra["errors"]
    assert {one["field"] for one in errors} == {"name", "times", "password"}
    text = f"{refused.value} {errors}"
    assert "secret" not in text
    assert "hidden" not in text


@pytest.mark.parametrize("query", ["page=0", "page=x", "page_size=501", "colour=red", "page="])
def test_a_query_out_of_bounds_or_unknown_is_invalid(query: str) -> None:
    with pytest.raises(Invalid):
        query_of(make_request(query=query), PageQuery)


def test_a_parameter_given_twice_is_invalid_even_with_the_same_value() -> None:
    with pytest.raises(Invalid, match="repeated"):
        query_of(make_request(query="page=1&page=1"), PageQuery)


@pytest.mark.parametrize(("query", "offset"), [("", 0), ("page=3", 100), ("page=2&page_size=7", 7)])
def test_pages_count_from_one(query: str, offset: int) -> None:
    assert query_of(make_request(query=query), PageQuery).offset == offset


@pytest.mark.parametrize(
    ("client", "remote"),
    [
        ("192.0.2.1", "192.0.2.1"),
        # One spelling of each address (RFC 5952), so that its requests are counted together.
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("unix:/run/api.sock", None),
        ("", None),
        (None, None),
    ],
)
def test_the_address_of_the_client_is_normalised(client: str | None, remote: str | None) -> None:
    assert remote_of(make_request(client=client)) == remote


def test_no_cache_stores_a_reply() -> None:
    answer = reply({"token": "secret"}, 201, headers={"Location": "/x"})
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert answer.headers["location"] == "/x"
