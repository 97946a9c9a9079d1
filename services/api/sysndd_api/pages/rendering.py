"""Templates to answers: escaping, security headers, compression, and how values look to a person."""

import gzip
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.pages.static_files import asset
from sysndd_core import __version__

_TEMPLATES = Path(__file__).with_name("templates")
_SMALLEST_WORTH_PACKING = 1000  # bytes

SECURITY_HEADERS = {
    # Everything from this origin and nothing inline: markup that got into a page stays text.
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
    """Tell whether htmx asks for a part of a page rather than a person for a whole one."""
    return "hx-request" in request.headers and "hx-boosted" not in request.headers


def render(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response:
    """Render a template into an HTML answer.

    Args:
        request: for who is signed in, the address, and what the client unpacks.
        template: path below ``templates/``.
        status: of the answer.
        headers: further ones.
        values: what the template shows; everything is escaped.
    """
    text = ENVIRONMENT.get_template(template).render(
        actor=getattr(request.state, "actor", None),
        path=request.scope["path"],
        fragment=is_fragment(request),
        **values,
    )
    answer = Response(
        text, status, headers={**SECURITY_HEADERS, **(headers or {})}, media_type="text/html"
    )
    return compressed(request, answer)


def compressed(request: Request, answer: Response) -> Response:
    """Compress an answer that is held in memory, when the client unpacks gzip and it is worth it.

    No page holds a secret beside what a visitor typed, so its length tells nothing (BREACH).
    """
    accepts = "gzip" in request.headers.get("accept-encoding", "")
    if accepts and len(answer.body) >= _SMALLEST_WORTH_PACKING:
        answer.body = gzip.compress(bytes(answer.body), 5, mtime=0)
        answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Content-Length"] = str(len(answer.body))
    return answer


def redirect(path: str) -> Response:
    """Answer a form that was done: look there with GET (RFC 9110, section 15.4.4)."""
    return Response(status_code=303, headers={**SECURITY_HEADERS, "Location": path})


def format_time(value: datetime | str | None) -> Markup:
    """Show a time in UTC; the pages' script puts it into the viewer's own time zone."""
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
    """Show a number of bytes for a person, with the exact number to hover over."""
    if value is None:
        return Markup('<span class="muted">–</span>')
    return Markup('<data value="{}" title="{:,} bytes">{}</data>').format(
        value, value, human_size(value)
    )


def human_size(value: float) -> str:
    """Return bytes in the largest binary unit that leaves at least 1."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def duration(seconds: float | None) -> str:
    """Return a length of time with its two largest units."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def age(seconds: float) -> str:
    """Return a length of time with its largest unit alone."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def browser(user_agent: str | None) -> Markup:
    """Name a browser and its system in a few words, with the whole header to hover over."""
    text = user_agent or ""
    program = re.search(r"(Edg|Firefox|Chrome|Safari)/(\d+)", text) or re.match(
        r"([^/\s]+)/?(\S*)", text
    )
    system = re.search(r"Windows|Mac OS|iPhone|iPad|Android|Linux", text)
    words = f"{program[1]} {program[2]}".strip() if program else "unknown"
    if system:
        words += f" on {system[0]}"
    return Markup('<span title="{}">{}</span>').format(text[:255], words)


def _words(value: str | None) -> str:
    """Turn a stable name such as ``create_backup`` into words."""
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
        words=_words,
        human_size=human_size,
    )
    environment.globals.update(asset=asset, version=__version__)
    return environment


ENVIRONMENT = _environment()
