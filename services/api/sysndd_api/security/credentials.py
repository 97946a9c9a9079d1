"""Where a request carries its session's token: a Bearer header for programs, a cookie for pages.

Everything that reads or sets the cookie is here, so nobody can read it and forget the check that
the request comes from a page of ours.
"""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from sysndd_core.errors import CrossSiteRequest

SESSION_COOKIE = "__Host-sysndd_session"
"""The prefix makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis, section 4.1.3.2).

Browsers take http://localhost for secure, so it works there too.
"""

_READING = {"GET", "HEAD", "OPTIONS"}


def writes(request: Request) -> bool:
    """Tell whether a request's method may change something (RFC 9110, section 9.2.1)."""
    return request.method not in _READING


def presented_token(request: Request, public_url: str) -> str | None:
    """Return the session token that a request carries, or None.

    A Bearer header (RFC 6750, section 2.1) goes before the cookie. A browser sends the cookie by
    itself, whoever wrote the form: with it, a request that changes something must come from a page
    of this site.

    Args:
        request: with its headers.
        public_url: the site's own address, ``PUBLIC_URL``.

    Raises:
        CrossSiteRequest: it does not, or does not say.
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
    """Let pass only what a page of this site sent.

    Browsers say so themselves: in ``Sec-Fetch-Site`` (Fetch Metadata, W3C), or, where that is
    missing, in ``Origin`` (RFC 6454), which must then be that of ``public_url``.

    Raises:
        CrossSiteRequest: it did not, or does not say.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site == "same-origin":
            return
        raise CrossSiteRequest()
    if _origin(request.headers.get("origin", "")) != _origin(public_url):
        raise CrossSiteRequest()


def set_session_cookie(response: Response, token: str, expires_at: datetime) -> None:
    """Give the browser a session's token; scripts can't read it, other sites can't use it.

    Args:
        token: as ``Sessions.sign_in`` returned it.
        expires_at: when the session ends at the latest, with its time zone.
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
    """Have the browser forget the token; harmless where there is none."""
    response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="lax")


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ("", "", None)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return (parts.scheme, parts.hostname or "", port if port is not None else default)
