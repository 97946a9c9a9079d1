"""Session tokens in requests: a Bearer header for programs, a cookie for pages.

Only this module reads and sets the cookie, so that no reader can forget the check that a request
comes from this site.
"""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from sysndd_core.errors import CrossSiteRequest

SESSION_COOKIE = "__Host-sysndd_session"
"""The prefix makes browsers require Secure, Path=/ and no Domain (RFC 6265bis, section 4.1.3.2).

Browsers treat http://localhost as secure, so it works there too.
"""

_READING = {"GET", "HEAD", "OPTIONS"}


def writes(request: Request) -> bool:
    """Return whether a request's method may change something (RFC 9110, section 9.2.1)."""
    return request.method not in _READING


def presented_token(request: Request, public_url: str) -> str | None:
    """Return the session token of a request, or None.

    A Bearer header (RFC 6750, section 2.1) takes precedence over the cookie. A browser sends the
    cookie with forms of any site. A request that changes something with the cookie must therefore
    come from this site.

    Args:
        request: The request.
        public_url: The site's own URL, ``PUBLIC_URL``.

    Raises:
        CrossSiteRequest: The request comes from another site, or its origin is unknown.
    """
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None
    token = request.cookies.get(SESSION_COOKIE, "")
    if token and writes(request):
        require_same_origin(request, public_url)
    return token or None


def require_same_origin(request: Request, public_url: str) -> None:
    """Check that a request was sent by a page of this site.

    Browsers report it in ``Sec-Fetch-Site`` (Fetch Metadata, W3C). Where that header is missing,
    ``Origin`` (RFC 6454) must be the origin of ``public_url``.

    Raises:
        CrossSiteRequest: The request comes from another site, or its origin is unknown.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site == "same-origin":
            return
        raise CrossSiteRequest()
    if _origin(request.headers.get("origin", "")) != _origin(public_url):
        raise CrossSiteRequest()


def set_session_cookie(response: Response, token: str, expires_at: datetime) -> None:
    """Set the session cookie, which scripts cannot read and other sites cannot use.

    Args:
        response: The response that sets the cookie.
        token: The token that ``Sessions.sign_in`` returned.
        expires_at: The latest end of the session, with its time zone.
    """
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=max(0, int((expires_at - datetime.now(UTC)).total_seconds())),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )


def clear_session_cookie(response: Response) -> None:
    """Delete the session cookie; has no effect without one."""
    response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="lax")


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ("", "", None)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return (parts.scheme, parts.hostname or "", port if port is not None else default)
