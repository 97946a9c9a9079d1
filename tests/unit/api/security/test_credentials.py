"""Bearer headers, the session cookie, and which browser requests are the site's own."""

from datetime import UTC, datetime, timedelta
from http.cookies import Morsel, SimpleCookie

import pytest
from starlette.responses import Response

from sysndd_api.security.credentials import (
    SESSION_COOKIE,
    clear_session_cookie,
    presented_token,
    require_same_origin,
    set_session_cookie,
)
from sysndd_core.errors import CrossSiteRequest
from tests.support.requests import make_request

PUBLIC_URL = "https://sysndd.example"
WITH_COOKIE = {"Cookie": f"{SESSION_COOKIE}=from-cookie"}


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer secret", "secret"),
        # RFC 9110, section 11.1: the scheme's case does not matter.
        ("bearer secret", "secret"),
        ("BEARER   secret ", "secret"),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic c2VjcmV0", None),
        ("Bearersecret", None),
        ("", None),
    ],
)
def test_the_token_of_a_bearer_header_is_read(header: str, token: str | None) -> None:
    request = make_request(headers={"Authorization": header})
    assert presented_token(request, PUBLIC_URL) == token


@pytest.mark.parametrize("header", ["Bearer from-header", "Basic c2VjcmV0"])
def test_an_authorization_header_overrides_the_cookie(header: str) -> None:
    """Even one of another scheme: a request never falls back to a credential it did not choose."""
    request = make_request(headers={"Authorization": header, **WITH_COOKIE})
    assert presented_token(request, PUBLIC_URL) != "from-cookie"


def test_a_cookie_of_another_name_is_not_a_session() -> None:
    # Without the prefix __Host- a sibling domain or plain HTTP could have set it.
    request = make_request(headers={"Cookie": "sysndd_session=planted"})
    assert presented_token(request, PUBLIC_URL) is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_safe_method_needs_no_origin(method: str) -> None:
    request = make_request(method, headers={**WITH_COOKIE, "Sec-Fetch-Site": "cross-site"})
    assert presented_token(request, PUBLIC_URL) == "from-cookie"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_cookie_does_not_authorise_a_write_of_unknown_origin(method: str) -> None:
    with pytest.raises(CrossSiteRequest):
        presented_token(make_request(method, headers=WITH_COOKIE), PUBLIC_URL)


def test_a_bearer_token_authorises_a_write_from_anywhere() -> None:
    """No browser sends it by itself, so no foreign page can make it do so."""
    headers = {"Authorization": "Bearer secret", "Origin": "https://other.example"}
    assert presented_token(make_request("POST", headers=headers), PUBLIC_URL) == "secret"


def test_same_origin_fetch_metadata_is_enough() -> None:
    require_same_origin(make_request("POST", headers={"Sec-Fetch-Site": "same-origin"}), PUBLIC_URL)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "", "Same-Origin"])
def test_other_fetch_metadata_is_refused_whatever_the_origin(site: str) -> None:
    """A sibling domain is ``same-site``; the header's values are case-sensitive tokens."""
    request = make_request("POST", headers={"Sec-Fetch-Site": site, "Origin": PUBLIC_URL})
    with pytest.raises(CrossSiteRequest):
        require_same_origin(request, PUBLIC_URL)


@pytest.mark.parametrize(
    ("origin", "public_url"),
    [
        ("https://sysndd.example", "https://sysndd.example"),
        ("https://sysndd.example", "https://sysndd.example/"),
        # RFC 6454, section 4: scheme and host in lower case, the default port left out.
        ("https://SYSNDD.example", "https://sysndd.example:443"),
        ("https://sysndd.example:443", "https://sysndd.example"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_the_origin_of_the_site_is_recognised(origin: str, public_url: str) -> None:
    require_same_origin(make_request("POST", headers={"Origin": origin}), public_url)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        # RFC 6454, section 7.3: what a sandboxed frame or a redirect sends.
        "null",
        "http://sysndd.example",
        "https://sysndd.example:8443",
        "https://sysndd.example.other.example",
        "https://www.sysndd.example",
        "https://other.example",
        "sysndd.example",
        "https://sysndd.example:port",
        "https://[sysndd.example",
        # RFC 6454, section 7.1 allows a list; one foreign entry is enough to refuse it.
        "https://sysndd.example https://other.example",
    ],
)
def test_another_origin_is_refused(origin: str) -> None:
    with pytest.raises(CrossSiteRequest):
        require_same_origin(make_request("POST", headers={"Origin": origin}), PUBLIC_URL)


def test_a_missing_origin_is_refused() -> None:
    with pytest.raises(CrossSiteRequest):
        require_same_origin(make_request("POST"), PUBLIC_URL)


def session_cookie(response: Response) -> "Morsel[str]":
    """Return the one cookie that a response sets."""
    (header,) = response.headers.getlist("set-cookie")
    return SimpleCookie(header)[SESSION_COOKIE]


def test_the_session_cookie_meets_the_rules_of_its_prefix() -> None:
    """RFC 6265bis, section 4.1.3.2: Secure, Path=/ and no Domain, or browsers drop it."""
    response = Response()
    set_session_cookie(response, "token", datetime.now(UTC) + timedelta(hours=1))
    cookie = session_cookie(response)
    assert SESSION_COOKIE.startswith("__Host-")
    assert cookie.value == "token"
    assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")


def test_scripts_and_foreign_forms_do_not_get_the_session_cookie() -> None:
    response = Response()
    set_session_cookie(response, "token", datetime.now(UTC) + timedelta(hours=1))
    cookie = session_cookie(response)
    assert cookie["httponly"] is True
    assert cookie["samesite"].lower() == "lax"


@pytest.mark.parametrize(("hours", "seconds"), [(1, range(3595, 3601)), (-1, range(1))])
def test_the_session_cookie_ends_with_the_session(hours: int, seconds: range) -> None:
    response = Response()
    set_session_cookie(response, "token", datetime.now(UTC) + timedelta(hours=hours))
    assert int(session_cookie(response)["max-age"]) in seconds


def test_clearing_the_cookie_names_the_same_cookie() -> None:
    """A browser replaces a cookie of the same name, domain and path, and no other one."""
    response = Response()
    clear_session_cookie(response)
    cookie = session_cookie(response)
    assert (cookie["max-age"], cookie["path"], cookie["domain"]) == ("0", "/", "")
    # A __Host- cookie without Secure is rejected, and the old one would stay.
    assert cookie["secure"] is True
