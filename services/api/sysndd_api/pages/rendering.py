"""Renders templates: escaping, security headers, compression, and formats of values."""

import gzip
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.pages.branding import Branding
from sysndd_api.pages.static_files import accepts_gzip, asset
from sysndd_api.security.access import Access, Actor
from sysndd_api.web.http import service
from sysndd_core import __version__
from sysndd_core.settings.site import SiteSettings

_TEMPLATES = Path(__file__).with_name("templates")
_COMPRESSION_THRESHOLD = 1000  # bytes

SECURITY_HEADERS = {
    # Only this origin and nothing inline, so injected markup cannot run.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
    "Vary": "Accept-Encoding, HX-Request, Cookie",
}


def is_fragment(request: Request) -> bool:
    """Tell whether htmx requests a part of a page."""
    return "hx-request" in request.headers and "hx-boosted" not in request.headers


def render(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response:
    """Render a template into an HTML response.

    Args:
        request: The request: signed-in user, path and accepted encodings.
        template: Path below ``templates/``.
        status: HTTP status.
        headers: Additional headers.
        values: Further context of the template; every value is escaped.
    """
    actor: Actor | None = getattr(request.state, "actor", None)
    text = ENVIRONMENT.get_template(template).render(
        actor=actor,
        may=lambda level: actor is not None and actor.may(Access(level)),
        site_accounts=getattr(request.state, "site_accounts", True),
        path=request.scope["path"],
        fragment=is_fragment(request),
        site=service(request, SiteSettings),
        branding=service(request, Branding),
        **values,
    )
    response = Response(
        text, status, headers={**SECURITY_HEADERS, **(headers or {})}, media_type="text/html"
    )
    return compressed(request, response)


def compressed(request: Request, response: Response) -> Response:
    """Compress a response if the client accepts gzip and the response is large enough.

    No page contains both a secret and user input, so its length reveals no secret (BREACH).
    """
    if accepts_gzip(request) and len(response.body) >= _COMPRESSION_THRESHOLD:
        response.body = gzip.compress(bytes(response.body), 5, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
    return response


def redirect(path: str) -> Response:
    """Redirect to a page with GET after a form was processed (RFC 9110, section 15.4.4)."""
    return Response(status_code=303, headers={**SECURITY_HEADERS, "Location": path})


def format_time(value: datetime | str | None) -> Markup:
    """Format a time in UTC; the pages' script converts it to the viewer's time zone."""
    if value is None:
        return Markup('<span class="muted">–</span>')
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    value = value.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        value.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        f"{value:%Y-%m-%d %H:%M:%S} UTC",
        f"{value:%d %b %Y, %H:%M:%S} UTC",
    )


def size(value: int | None) -> Markup:
    """Format a number of bytes, with the exact number as its tooltip."""
    if value is None:
        return Markup('<span class="muted">–</span>')
    return Markup('<data value="{}" title="{:,} bytes">{}</data>').format(
        value, value, human_size(value)
    )


def human_size(value: float) -> str:
    """Format bytes in the largest binary unit that gives at least 1."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        # 1023.95 would be rounded to 1024.0.
        if value < (1024 if unit == "B" else 1023.95):
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def duration(seconds: float | None) -> str:
    """Format a duration in its two largest units."""
    if seconds is None:
        return "–"
    # Up to these limits, the number is not rounded to the next unit.
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def age(seconds: float) -> str:
    """Format a duration in its largest unit."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def browser(user_agent: str | None) -> Markup:
    """Format a User-Agent as browser and system, with the complete header as its tooltip."""
    text = user_agent or ""
    program = re.search(r"(Edg|Firefox|Chrome|Safari)/(\d+)", text) or re.match(
        r"([^/\s]+)/?(\S*)", text
    )
    system = re.search(r"Windows|Mac OS|iPhone|iPad|Android|Linux", text)
    name = f"{program[1]} {program[2]}".strip() if program else "Unknown browser"
    if system:
        name += f" on {system[0]}"
    return Markup('<span title="{}">{}</span>').format(text[:255], name)


def plural(number: int, singular: str, plural_form: str | None = None) -> str:
    """Format a number with its noun, such as ``1 view`` or ``2 routines``."""
    noun = singular if number == 1 else plural_form or f"{singular}s"
    return f"{number:,} {noun}"


def sessions_end(whose: str, number: int) -> str:
    """Say in a confirmation how many sessions of an ``account`` or ``operator`` end."""
    if number == 0:
        return f"The {whose} has no active sessions."
    verb = "ends" if number == 1 else "end"
    return f"{plural(number, 'active session')} {verb} immediately."


def words(value: str | None) -> str:
    """Turn an identifier such as ``create_backup`` into words."""
    text = (value or "").replace("_", " ").replace("-", " ")
    return text[:1].upper() + text[1:]


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        browser=browser,
        format_time=format_time,
        size=size,
        duration=duration,
        plural=plural,
        words=words,
        human_size=human_size,
    )
    environment.globals.update(asset=asset, version=__version__)
    return environment


ENVIRONMENT = _environment()
