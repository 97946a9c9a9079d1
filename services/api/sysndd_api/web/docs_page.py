"""``/api/docs``: all routes and error codes on one plain page without scripts."""

import base64
import hashlib
from functools import cache
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sysndd_api.web.endpoint import Endpoint, endpoints_of
from sysndd_api.web.openapi import openapi_document, site_name_of
from sysndd_core.errors import JobFailed, all_errors

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;"
    "color-scheme:light dark}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884;vertical-align:top}"
    "code{font-size:.95em}:target{background:#fd06}"
)


async def page(request: Request) -> Response:
    """Show all routes and error codes."""
    return HTMLResponse(
        _html(endpoints_of(request), site_name_of(request)),
        headers={
            "Content-Security-Policy": "default-src 'none'; style-src 'sha256-"
            f"{_style_hash()}'; base-uri 'none'; frame-ancestors 'none'"
        },
    )


@cache
def _html(endpoints: tuple[Endpoint, ...], site_name: str) -> str:
    document = openapi_document(endpoints, site_name)
    title = escape(document["info"]["title"])
    routes = "".join(
        _row(
            f"<code>{method.upper()}&nbsp;{escape(path)}</code>",
            escape(operation["summary"]),
            escape(operation.get("description", "Access: anyone.").removeprefix("Access: ")),
        )
        for path, item in document["paths"].items()
        for method, operation in item.items()
    )
    errors = "".join(
        f'<tr id="{error.code}"><td><code>{error.code}</code></td>'
        f"<td>{'job' if issubclass(error, JobFailed) else error.status}</td>"
        f"<td>{escape(error.title)}</td></tr>"
        for error in sorted(all_errors(), key=lambda error: error.code)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>Version {escape(document['info']['version'])}. All request bodies, responses"
        ' and parameters: <a href="/api/openapi.json">openapi.json</a>. Sign in at'
        " <code>POST /api/auth/login</code> and send the token as"
        " <code>Authorization: Bearer</code>.</p>"
        f"<h2>Routes</h2><table><tr><th>Route<th>Description<th>Access</tr>{routes}</table>"
        "<h2>Error codes</h2><p>Errors are <code>application/problem+json</code> (RFC 9457); the"
        " <code>code</code> is stable.</p>"
        f"<table><tr><th>Code<th>Status<th>Meaning</tr>{errors}</table></body></html>"
    )


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


@cache
def _style_hash() -> str:
    return base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
