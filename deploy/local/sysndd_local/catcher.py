"""A mail catcher: accepts every email by SMTP, delivers none, and shows them over HTTP.

It answers the read operations of Mailpit's REST API that people and tests need, so that either
program can be used (https://mailpit.axllent.org/docs/api-v1/):

    GET    /api/v1/messages?start=0&limit=50
    GET    /api/v1/message/{id}              also /raw and /headers; the id may be "latest"
    DELETE /api/v1/messages                  {"IDs": [...]} for some of them

``/`` lists the emails and ``/view/{id}.html`` shows one as a web page.
"""

import argparse
import asyncio
import contextlib
import json
import re
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import DictLoader, Environment
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sysndd_local.mail_store import CaughtMail, MailStore
from sysndd_local.ports import LOOPBACK

MAX_MAIL_BYTES = 25 * 1024 * 1024
MAX_BODY_BYTES = 1024 * 1024
# Emails contain sign-in links. Answering these names only keeps a web page of another origin from
# reading them through a name that resolves to this address (DNS rebinding).
LOCAL_NAMES = {"localhost", LOOPBACK, "[::1]"}
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # The pages contain no script, and an email cannot add one.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
TEMPLATES = {
    "page": """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{% block title %}{% endblock %}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #ccc }
th, td, pre { overflow-wrap: anywhere }
pre { white-space: pre-wrap; background: #f4f4f4; color: #111; padding: 1rem }
</style></head><body>{% block body %}{% endblock %}</body></html>
""",
    "list": """{% extends "page" %}{% block title %}Caught mail{% endblock %}{% block body %}
<h1>Caught mail</h1>
{% if mails %}
<p>Newest first. None of these emails has left this machine.</p>
<table><thead><tr><th>Received (UTC)</th><th>To</th><th>Subject</th></tr></thead><tbody>
{% for mail in mails %}
<tr><td>{{ mail.received.strftime("%Y-%m-%d %H:%M:%S") }}</td>
<td>{{ mail.recipients | join(", ") }}</td>
<td><a href="/view/{{ mail.id }}.html">{{ mail.subject or "(no subject)" }}</a></td></tr>
{% endfor %}
</tbody></table>
{% else %}
<p>No emails yet.</p>
{% endif %}
{% endblock %}""",
    "mail": """{% extends "page" %}{% block title %}{{ mail.subject }}{% endblock %}{% block body %}
<p><a href="/">All emails</a></p>
<h1>{{ mail.subject or "(no subject)" }}</h1>
<table>
{% for name, values in mail.headers().items() %}{% for value in values %}
<tr><th>{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}{% endfor %}
</table>
<h2>Text</h2><pre>{{ mail.text | urlize }}</pre>
{% if mail.html %}<h2>HTML source</h2><pre>{{ mail.html }}</pre>{% endif %}
{% endblock %}""",
}


class AsciiJSONResponse(JSONResponse):
    """JSON with every other character escaped.

    An email may contain lone surrogates, from bytes that its charset does not define; UTF-8 cannot
    encode them.
    """

    def render(self, content: Any) -> bytes:
        """Return the document as ASCII."""
        return json.dumps(content).encode("ascii")


class CatcherApi:
    """The handlers of the HTTP side.

    Args:
        store: the emails to show.
    """

    def __init__(self, store: MailStore) -> None:
        self._store = store
        self._templates = Environment(loader=DictLoader(TEMPLATES), autoescape=True)
        self._templates.policies["urlize.rel"] = "noreferrer"

    def routes(self) -> list[Route]:
        """Return every route."""
        message = "/api/v1/message/{mail_id}"
        return [
            Route("/api/v1/messages", self.list_messages, methods=["GET"]),
            Route("/api/v1/messages", self.delete_messages, methods=["DELETE"]),
            Route(message, self.show_message, methods=["GET"]),
            Route(f"{message}/raw", self.show_raw, methods=["GET"]),
            Route(f"{message}/headers", self.show_headers, methods=["GET"]),
            Route("/", self.list_page, methods=["GET"]),
            Route("/view/{mail_id}.html", self.mail_page, methods=["GET"]),
        ]

    async def list_messages(self, request: Request) -> Response:
        """Return one page of the emails, newest first."""
        mails = self._store.newest_first()
        try:
            start = max(0, int(request.query_params.get("start", 0)))
            limit = max(0, int(request.query_params.get("limit", 50)))
        except ValueError as error:
            raise HTTPException(400, "start and limit must be numbers") from error
        unread = sum(1 for mail in mails if not mail.read)
        shown = mails[start : start + limit]
        return AsciiJSONResponse(
            {
                "total": len(mails),
                "unread": unread,
                "count": len(shown),
                "messages_count": len(mails),
                "messages_unread": unread,
                "start": start,
                "tags": [],
                "messages": [mail.summary() for mail in shown],
            }
        )

    async def delete_messages(self, request: Request) -> Response:
        """Delete the named emails, or all."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise HTTPException(413, "the request body is too large")
        try:
            ids = json.loads(body or b"{}").get("IDs") or []
            self._store.delete([str(mail_id) for mail_id in ids])
        except (ValueError, AttributeError, TypeError) as error:
            raise HTTPException(400, 'the body must be {"IDs": ["…"]} or empty') from error
        return PlainTextResponse("ok")

    async def show_message(self, request: Request) -> Response:
        """Return one email, and mark it as read."""
        mail = self._find(request)
        mail.read = True
        return AsciiJSONResponse(mail.details())

    async def show_raw(self, request: Request) -> Response:
        """Return one email as it was received, byte for byte."""
        return PlainTextResponse(self._find(request).raw)

    async def show_headers(self, request: Request) -> Response:
        """Return the headers of one email."""
        return AsciiJSONResponse(self._find(request).headers())

    async def list_page(self, _: Request) -> Response:
        """Return the list of emails as a web page."""
        return self._page("list", mails=self._store.newest_first())

    async def mail_page(self, request: Request) -> Response:
        """Return one email as a web page, and mark it as read."""
        mail = self._find(request)
        mail.read = True
        return self._page("mail", mail=mail)

    def _find(self, request: Request) -> CaughtMail:
        mail = self._store.get(request.path_params["mail_id"])
        if mail is None:
            raise HTTPException(404, "no such email")
        return mail

    def _page(self, template: str, **values: Any) -> Response:
        text = self._templates.get_template(template).render(values)
        return Response(text.encode("utf-8", "replace"), media_type="text/html")


def create_app(store: MailStore) -> Starlette:
    """Return the HTTP side of the catcher.

    Args:
        store: the emails to show.
    """
    return Starlette(
        routes=CatcherApi(store).routes(),
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=guard)],
        exception_handlers={HTTPException: show_error},
    )


async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse requests for other host names; add the security headers to every answer."""
    host = re.sub(r":\d+$", "", request.headers.get("Host", ""))
    if host.lower() in LOCAL_NAMES:
        response = await call_next(request)
    else:
        response = AsciiJSONResponse({"Error": "use the host name localhost"}, status_code=403)
    response.headers.update(SECURITY_HEADERS)
    return response


async def show_error(_: Request, error: Exception) -> Response:
    """Return an error in the shape of Mailpit's."""
    assert isinstance(error, HTTPException)
    return AsciiJSONResponse({"Error": error.detail}, status_code=error.status_code)


class SmtpHandler:
    """aiosmtpd's hooks.

    Args:
        store: where the emails are kept.
    """

    def __init__(self, store: MailStore) -> None:
        self._store = store

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep one email; it is on disk before the server answers 250."""
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        mail = self._store.add(
            sender=envelope.mail_from or "", recipients=list(envelope.rcpt_tos), raw=raw
        )
        return f"250 2.0.0 Ok: caught as {mail.id}"


async def serve(store: MailStore, *, smtp_port: int, http_port: int) -> None:
    """Accept and show emails until SIGTERM or SIGINT.

    Args:
        store: where the emails are kept.
        smtp_port: TCP port on the loopback address.
        http_port: TCP port on the loopback address.
    """
    smtp = partial(
        SMTP,
        SmtpHandler(store),
        # Without a name, aiosmtpd looks this machine's up in DNS.
        hostname="localhost",
        data_size_limit=MAX_MAIL_BYTES,
        enable_SMTPUTF8=True,
        decode_data=False,
        ident="sysndd mail catcher",
    )
    http = uvicorn.Server(
        uvicorn.Config(
            create_app(store),
            host=LOOPBACK,
            port=http_port,
            lifespan="off",
            log_level="warning",
            # Tests that poll would fill the log.
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    )
    server = await asyncio.get_running_loop().create_server(smtp, LOOPBACK, smtp_port)
    print(
        f"catching emails on {LOOPBACK}:{smtp_port}, "
        f"showing them on http://{LOOPBACK}:{http_port}/",
        flush=True,
    )
    await http.serve()
    # Not awaited: a client that keeps its connection open must not delay the end.
    server.close()


def main(arguments: list[str] | None = None) -> int:
    """Run the catcher until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m sysndd_local.catcher",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--smtp-port", type=int, required=True, help="port of the SMTP server")
    parser.add_argument("--http-port", type=int, required=True, help="port of the web server")
    parser.add_argument("--directory", type=Path, required=True, help="where emails are kept")
    parser.add_argument(
        "--keep", type=int, default=2000, help="number of emails to keep (default 2000)"
    )
    chosen = parser.parse_args(arguments)
    store = MailStore(chosen.directory, keep=chosen.keep)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(store, smtp_port=chosen.smtp_port, http_port=chosen.http_port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
