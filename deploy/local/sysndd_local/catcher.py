"""A mail catcher: takes every mail by SMTP, sends none on, and shows them over HTTP.

It answers the reads of Mailpit's REST interface that people and tests need
(https://mailpit.axllent.org/docs/api-v1/), so that either program can stand here:

    GET    /api/v1/messages?start=0&limit=50
    GET    /api/v1/message/{id}              also /raw and /headers; the id may be "latest"
    DELETE /api/v1/messages                  {"IDs": [...]} for some of them

``/`` lists the mails and ``/view/{id}.html`` shows one to a person.
"""

import argparse
import json
import re
import signal
import socket
import sys
import threading
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from sysndd_local.mail_store import CaughtMail, Json, MailStore
from sysndd_local.ports import LOOPBACK

MAX_MAIL_BYTES = 25 * 1024 * 1024
MAX_BODY_BYTES = 1024 * 1024
MESSAGE_PATH = re.compile(r"/api/v1/message/([A-Za-z0-9]{1,64})(/raw|/headers)?")
VIEW_PATH = re.compile(r"/view/([A-Za-z0-9]{1,64})\.html")
LINK = re.compile(r"https?://[^\s<>\"')\]]+")
# Mails hold sign-in links: a page of another origin that resolves its name to this address
# (DNS rebinding) must not read them, so only these names are answered.
LOCAL_NAMES = {"localhost", LOOPBACK, "[::1]"}
# The page has no script at all, and no mail can bring one in.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #ccc; overflow-wrap: anywhere }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; background: #f4f4f4; color: #111; padding: 1rem }}
</style></head><body>{body}</body></html>
"""


class CatchingHandler:
    """aiosmtpd's hooks: keep the mail, then say 250.

    Arguments:
        store: where the mails go.
    """

    def __init__(self, store: MailStore) -> None:
        self._store = store

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep one mail; it is on the disk before the 250 goes out."""
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        mail = self._store.add(
            sender=envelope.mail_from or "", recipients=list(envelope.rcpt_tos), raw=raw
        )
        return f"250 2.0.0 Ok: caught as {mail.id}"


class MailRequestHandler(BaseHTTPRequestHandler):
    """The REST reads and the two pages."""

    server: "MailHttpServer"
    protocol_version = "HTTP/1.1"
    server_version = "sysndd-mail-catcher"
    sys_version = ""
    timeout = 30  # seconds for an idle connection

    def do_GET(self) -> None:
        """Answer a read."""
        if not self._is_local():
            return
        url = urlsplit(self.path)
        store = self.server.store
        if url.path == "/api/v1/messages":
            self._list(parse_qs(url.query))
        elif matched := MESSAGE_PATH.fullmatch(url.path):
            self._message(store.get(matched[1]), matched[2])
        elif url.path == "/":
            self._html("Caught mail", _list_page(store.newest_first()))
        elif matched := VIEW_PATH.fullmatch(url.path):
            mail = store.get(matched[1])
            if mail is None:
                self._error(HTTPStatus.NOT_FOUND, "no such mail")
            else:
                mail.read = True
                self._html(mail.subject, _mail_page(mail))
        else:
            self._error(HTTPStatus.NOT_FOUND, "not found")

    def do_DELETE(self) -> None:
        """Delete some mails or all."""
        if not self._is_local():
            return
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY_BYTES:
            self.close_connection = True
            self._error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large")
            return
        body = self.rfile.read(length)
        if urlsplit(self.path).path != "/api/v1/messages":
            self._error(HTTPStatus.NOT_FOUND, "not found")
            return
        try:
            wanted = json.loads(body or b"{}").get("IDs") or []
            self.server.store.delete([str(mail_id) for mail_id in wanted])
        except (ValueError, AttributeError, TypeError):
            self._error(HTTPStatus.BAD_REQUEST, 'the body must be {"IDs": ["…"]} or empty')
            return
        self._answer(HTTPStatus.OK, "text/plain; charset=utf-8", b"ok")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: polling tests would fill the log."""

    def _is_local(self) -> bool:
        host = re.sub(r":\d+$", "", self.headers.get("Host", ""))
        if host.lower() in LOCAL_NAMES:
            return True
        self.close_connection = True
        self._error(HTTPStatus.FORBIDDEN, "ask for this by the name localhost")
        return False

    def _list(self, query: dict[str, list[str]]) -> None:
        mails = self.server.store.newest_first()
        try:
            start = max(0, int(query.get("start", ["0"])[0]))
            limit = max(0, int(query.get("limit", ["50"])[0]))
        except ValueError:
            self._error(HTTPStatus.BAD_REQUEST, "start and limit are numbers")
            return
        unread = sum(1 for mail in mails if not mail.read)
        shown = mails[start : start + limit]
        self._json(
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

    def _message(self, mail: CaughtMail | None, part: str | None) -> None:
        if mail is None:
            self._error(HTTPStatus.NOT_FOUND, "no such mail")
        elif part == "/raw":
            self._answer(HTTPStatus.OK, "text/plain; charset=utf-8", mail.raw)
        elif part == "/headers":
            self._json(mail.headers())
        else:
            mail.read = True
            self._json(mail.details())

    def _json(self, document: Json | dict[str, list[str]]) -> None:
        self._answer(HTTPStatus.OK, "application/json", json.dumps(document).encode())

    def _html(self, title: str, body: str) -> None:
        page = PAGE.format(title=escape(title), body=body)
        # Mails may hold lone surrogates, from octets that their charset does not know.
        self._answer(HTTPStatus.OK, "text/html; charset=utf-8", page.encode("utf-8", "replace"))

    def _error(self, status: HTTPStatus, message: str) -> None:
        self._answer(status, "application/json", json.dumps({"Error": message}).encode())

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)


class MailHttpServer(ThreadingHTTPServer):
    """The HTTP side of the catcher.

    Arguments:
        port: TCP port on the loopback address.
        store: the mails to show.
    """

    daemon_threads = True
    # Only to start again at once after a crash; two catchers on one port would each see half.
    allow_reuse_address = True

    def __init__(self, port: int, store: MailStore) -> None:
        self.store = store
        super().__init__((LOOPBACK, port), MailRequestHandler)

    def server_bind(self) -> None:
        """Bind without asking a name server for this machine's name, as the base class does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = LOOPBACK, self.socket.getsockname()[1]


def main(arguments: list[str] | None = None) -> int:
    """Run the catcher until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sysndd_local.catcher", description=__doc__)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True, help="where the mails are kept")
    parser.add_argument("--keep", type=int, default=2000, help="how many mails at most")
    chosen = parser.parse_args(arguments)

    store = MailStore(chosen.directory, keep=chosen.keep)
    smtp = Controller(
        CatchingHandler(store),
        hostname=LOOPBACK,
        port=chosen.smtp_port,
        # Without a name, aiosmtpd asks a name server for this machine's.
        server_hostname="localhost",
        data_size_limit=MAX_MAIL_BYTES,
        enable_SMTPUTF8=True,
        decode_data=False,
        ident="sysndd mail catcher",
    )
    http = MailHttpServer(chosen.http_port, store)
    finished = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: finished.set())
    smtp.start()
    threading.Thread(target=http.serve_forever, name="http", daemon=True).start()
    print(
        f"catching mail on {LOOPBACK}:{chosen.smtp_port}, "
        f"showing it on http://{LOOPBACK}:{chosen.http_port}/",
        flush=True,
    )
    finished.wait()
    smtp.stop()
    http.shutdown()
    return 0


def _list_page(mails: list[CaughtMail]) -> str:
    if not mails:
        return "<h1>Caught mail</h1><p>No mail yet.</p>"
    rows = "".join(
        f"<tr><td>{escape(mail.received.strftime('%Y-%m-%d %H:%M:%S'))}</td>"
        f"<td>{escape(', '.join(mail.recipients))}</td>"
        f'<td><a href="/view/{mail.id}.html">{escape(mail.subject or "(no subject)")}</a></td></tr>'
        for mail in mails
    )
    return (
        "<h1>Caught mail</h1><p>Newest first. None of it left this machine.</p>"
        f"<table><thead><tr><th>Received (UTC)</th><th>To</th><th>Subject</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _mail_page(mail: CaughtMail) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, values in mail.headers().items()
        for value in values
    )
    html = f"<h2>HTML source</h2><pre>{escape(mail.html)}</pre>" if mail.html else ""
    return (
        f'<p><a href="/">All mail</a></p><h1>{escape(mail.subject or "(no subject)")}</h1>'
        f"<table>{rows}</table><h2>Text</h2><pre>{_with_links(mail.text)}</pre>{html}"
    )


def _with_links(text: str) -> str:
    """Escape ``text`` and make its web addresses something to click."""
    pieces, position = [], 0
    for found in LINK.finditer(text):
        pieces.append(escape(text[position : found.start()]))
        address = escape(found[0])
        pieces.append(f'<a href="{address}" rel="noreferrer">{address}</a>')
        position = found.end()
    pieces.append(escape(text[position:]))
    return "".join(pieces)


if __name__ == "__main__":
    sys.exit(main())
