"""The SMTP test reports the correct stage and code for each fault of a mail server."""

import asyncio
import base64
import contextlib
import logging
import socket
import ssl
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sysndd_api.context import open_context
from sysndd_api.operators.service import Operators
from sysndd_api.security.access import OperatorRole
from sysndd_api.settings import ApiSettings
from sysndd_core.mail.outbox import MailState
from sysndd_core.settings.smtp import SmtpSecurity, SmtpSettings
from tests.support.certificates import make_authority, self_signed
from tests.support.http import PASSWORD, Api, problem, served, sign_in
from tests.support.site import Site
from tests.support.smtp_faults import DROP, STALL, faulty_smtp

CANARY = "canary-smtp-password"
# What a server that received the password might repeat.
LEAKS = (CANARY, base64.b64encode(CANARY.encode()).decode().rstrip("="))
ECHO = f"no: {CANARY} {base64.b64encode(CANARY.encode()).decode()}"
HOST = "localhost"

Broken = Callable[[Path], contextlib.AbstractAsyncContextManager[dict[str, Any]]]


def answering(security: SmtpSecurity = SmtpSecurity.NONE, **answers: str) -> Broken:
    @contextlib.asynccontextmanager
    async def run(_: Path) -> AsyncIterator[dict[str, Any]]:
        async with faulty_smtp(answers) as server:
            yield {"port": server.port, "security": security}

    return run


def with_tls(make: Callable[[Path], tuple[ssl.SSLContext, Path | None]]) -> Broken:
    @contextlib.asynccontextmanager
    async def run(folder: Path) -> AsyncIterator[dict[str, Any]]:
        context, ca_file = make(folder)
        ehlo = "250-faulty.example\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN"
        async with faulty_smtp({"EHLO": ehlo}, tls=context) as server:
            yield {
                "port": server.port,
                "security": SmtpSecurity.STARTTLS,
                "ca_file": ca_file,
            }

    return run


def expired(folder: Path) -> tuple[ssl.SSLContext, Path | None]:
    authority = make_authority(folder)
    return authority.server(HOST, days=-2), authority.ca_file


def wrong_host(folder: Path) -> tuple[ssl.SSLContext, Path | None]:
    authority = make_authority(folder)
    return authority.server("mail.elsewhere.example"), authority.ca_file


def untrusted(folder: Path) -> tuple[ssl.SSLContext, Path | None]:
    return self_signed(folder, HOST), None


def old_tls(folder: Path) -> tuple[ssl.SSLContext, Path | None]:
    authority = make_authority(folder)
    context = authority.server(HOST)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context, authority.ca_file


@contextlib.asynccontextmanager
async def unresolvable(_: Path) -> AsyncIterator[dict[str, Any]]:
    yield {"host": "no-such-host.invalid", "port": 25}


@contextlib.asynccontextmanager
async def refused(_: Path) -> AsyncIterator[dict[str, Any]]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: no other process gets the port
        yield {"port": unused.getsockname()[1]}


@contextlib.asynccontextmanager
async def black_hole(_: Path) -> AsyncIterator[dict[str, Any]]:
    """A listener whose queue is full: the kernel drops further SYNs, as a firewall would."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _number in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        yield {"port": full.getsockname()[1]}


@contextlib.asynccontextmanager
async def tarpit(_: Path) -> AsyncIterator[dict[str, Any]]:
    """Send one byte per second and never a line end."""

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while not writer.is_closing():
                writer.write(b"2")
                await writer.drain()
                await asyncio.sleep(1)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        yield {"port": server.sockets[0].getsockname()[1]}


BROKEN: dict[str, tuple[Broken, str, str]] = {
    "unresolvable": (unresolvable, "resolve", "unresolvable"),
    "refused": (refused, "connect", "refused"),
    "black hole": (black_hole, "connect", "timeout"),
    "http banner": (answering(BANNER="HTTP/1.1 400 Bad Request"), "banner", "not_smtp"),
    "554 banner": (answering(BANNER="554 no service here"), "banner", "rejected"),
    "no starttls": (answering(SmtpSecurity.STARTTLS), "tls", "starttls_missing"),
    "expired": (with_tls(expired), "tls", "certificate_expired"),
    "wrong host": (with_tls(wrong_host), "tls", "certificate_wrong_host"),
    "self-signed": (with_tls(untrusted), "tls", "certificate_untrusted"),
    "old tls": (with_tls(old_tls), "tls", "tls_failed"),
    "535": (answering(AUTH=f"535 5.7.8 {ECHO}"), "auth", "auth_refused"),
    "550 sender": (answering(MAIL=f"550 5.7.1 {ECHO}"), "mail_from", "sender_refused"),
    "tarpit": (tarpit, "banner", "timeout"),
    "drop in ehlo": (answering(EHLO=DROP), "ehlo", "disconnected"),
}


@contextlib.asynccontextmanager
async def served_api(site: Site, **transport: Any) -> AsyncIterator[Api]:
    """Serve an API with the given mail server settings; yield it with its administrator."""
    given = {
        "host": HOST,
        "security": SmtpSecurity.NONE,
        "user": "mailer",
        "password": CANARY,
        "mail_from": "SysNDD <noreply@sysndd.example>",
    } | transport
    settings = site.load(ApiSettings).model_copy(update={"smtp": SmtpSettings(**given)})
    async with open_context(settings) as context, served(settings) as base_url:
        await context[Operators].create(
            "admin", "admin@sysndd.example", OperatorRole.ADMINISTRATOR, PASSWORD
        )
        async with httpx.AsyncClient(base_url=base_url, timeout=30) as client:
            client.headers["Authorization"] = f"Bearer {await sign_in(client, 'admin')}"
            yield Api(httpx.AsyncClient(base_url=base_url), client, context)


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_mail_server_is_diagnosed(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    broken, stage, code = BROKEN[name]
    caplog.set_level(logging.DEBUG)
    async with broken(tmp_path) as transport, served_api(site, **transport) as api:
        begun = time.monotonic()
        answer = await api.admin.get("/api/admin/smtp/test")
        took = time.monotonic() - begun
        events = (await api.admin.get("/api/admin/audit")).json()["data"]
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["success"], found["stage"], found["code"]) == (False, stage, code)
    assert found["hint"]
    assert found["error"]
    assert took < 10
    assert found["total_ms"] < 10_000
    *before, last = found["steps"]
    assert all(step["ok"] for step in before)
    assert (last["stage"], last["ok"]) == (stage, False)
    assert all(len(step["detail"]) <= 120 for step in found["steps"])
    (event,) = [one for one in events if one["action"] == "smtp_test"]
    assert (event["outcome"], event["detail"]) == (code, {"stage": stage})
    for text in (answer.text, caplog.text, str(events)):
        assert not any(leak in text for leak in LEAKS)


SEEN = {
    "expired": ([HOST], -2),
    "wrong host": (["mail.elsewhere.example"], 30),
    "self-signed": ([HOST], 30),
}


@pytest.mark.parametrize("name", SEEN)
@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "tls"])
async def test_a_rejected_certificate_is_shown(
    site: Site, tmp_path: Path, name: str, implicit: bool
) -> None:
    """Its subject and validity show what to correct; no credential was sent."""
    context, ca_file = {"expired": expired, "wrong host": wrong_host, "self-signed": untrusted}[
        name
    ](tmp_path)
    names, days = SEEN[name]
    ehlo = {"EHLO": "250-faulty.example\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN"}
    async with faulty_smtp(ehlo, tls=context, implicit=implicit) as server:
        security = SmtpSecurity.TLS if implicit else SmtpSecurity.STARTTLS
        transport = {"port": server.port, "security": security, "ca_file": ca_file}
        async with served_api(site, **transport) as api:
            found = (await api.admin.get("/api/admin/smtp/test")).json()
        assert not any("AUTH" in line for line in server.commands)
    assert found["stage"] == "tls"
    assert found["tls"] == {"version": "TLSv1.3", "names": names, "days_left": days}


async def test_a_working_mail_server_passes(site: Site, tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    ehlo = "250-mail.example\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN"
    async with faulty_smtp({"EHLO": ehlo}, tls=authority.server(HOST, days=12)) as server:
        security = {"security": SmtpSecurity.STARTTLS, "ca_file": authority.ca_file}
        async with served_api(site, port=server.port, **security) as api:
            answer = await api.admin.get("/api/admin/smtp/test")
    found = answer.json()
    assert found["success"], found
    assert [step["stage"] for step in found["steps"]] == [
        "resolve",
        "connect",
        "banner",
        "ehlo",
        "tls",
        "ehlo",
        "auth",
        "mail_from",
        "rset",
        "quit",
    ]
    assert (found["host"], found["port"], found["auth"]) == (HOST, server.port, "PLAIN")
    assert found["tls"] == {"version": "TLSv1.3", "names": [HOST], "days_left": 12}
    assert "AUTH PLAIN LOGIN" in found["ehlo"]
    assert not any(found[name] for name in ("error", "stage", "code", "hint", "smtp_code"))
    assert server.accepted == []
    assert not any(leak in answer.text for leak in LEAKS)


@pytest.mark.parametrize(
    ("banner", "code"),
    [("554 no service here", "rejected"), (STALL, "timeout"), (DROP, "disconnected")],
)
async def test_failure_after_the_handshake_of_implicit_tls(
    site: Site, tmp_path: Path, banner: str, code: str
) -> None:
    authority = make_authority(tmp_path)
    context = authority.server(HOST, days=12)
    async with faulty_smtp({"BANNER": banner}, tls=context, implicit=True) as server:
        transport = {"security": SmtpSecurity.TLS, "ca_file": authority.ca_file}
        async with served_api(site, port=server.port, **transport) as api:
            found = (await api.admin.get("/api/admin/smtp/test")).json()
    steps = [(step["stage"], step["ok"]) for step in found["steps"]]
    assert steps == [("resolve", True), ("connect", True), ("tls", True), ("banner", False)]
    assert (found["stage"], found["code"]) == ("banner", code)
    assert found["tls"] == {"version": "TLSv1.3", "names": [HOST], "days_left": 12}


async def test_the_method_that_signs_in_is_reported(site: Site) -> None:
    """As a delivery does, the test tries each method that the server offers."""
    answers = {"EHLO": "250-old.example\r\n250 AUTH CRAM-MD5 LOGIN"}
    async with faulty_smtp(answers) as server, served_api(site, port=server.port) as api:
        # No CRAM-MD5 after all; then the two steps of LOGIN.
        server.once["AUTH"] = ["504 5.5.4 unrecognized", "334 UGFzc3dvcmQ6"]
        found = (await api.admin.get("/api/admin/smtp/test")).json()
    assert found["success"], found
    assert found["auth"] == "LOGIN"


async def test_a_server_without_ehlo_is_greeted_with_helo(site: Site) -> None:
    answers = {"EHLO": "502 what?", "HELO": "250 old.example"}
    async with faulty_smtp(answers) as server:
        async with served_api(site, port=server.port, user=None, password=None) as api:
            found = (await api.admin.get("/api/admin/smtp/test")).json()
        assert [line.split()[0] for line in server.commands[:3]] == ["EHLO", "HELO", "MAIL"]
    assert found["success"], found
    assert found["ehlo"] == []


async def test_the_request_cannot_choose_the_mail_server(site: Site) -> None:
    async with faulty_smtp() as server, served_api(site, port=server.port) as api:
        query = {"host": "elsewhere.example", "port": "25"}
        answer = await api.admin.get("/api/admin/smtp/test", params=query)
        problem(answer, 422, "invalid_request")
        assert server.connections == 0


async def test_a_viewer_may_not_run_the_smtp_test(site: Site) -> None:
    async with faulty_smtp() as server, served_api(site, port=server.port) as api:
        problem(await api.client.get("/api/admin/smtp/test"), 401, "not_signed_in")
        problem(await api.client.post("/api/admin/smtp/test-message"), 401, "not_signed_in")
        await set_role(site, "viewer")
        problem(await api.admin.get("/api/admin/smtp/test"), 403, "not_allowed")
        assert server.connections == 0


async def set_role(site: Site, role: str) -> None:
    await asyncio.to_thread(
        site.server.execute, f"UPDATE `{site.ops}`.`operator` SET role = %s", (role,)
    )


async def test_all_workers_together_run_one_smtp_test_at_a_time_and_six_a_minute(
    site: Site,
) -> None:
    """Two served APIs act as two worker processes, which share only the database."""
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(faulty_smtp())
        one = await stack.enter_async_context(served_api(site, port=server.port))
        two = await stack.enter_async_context(served_api(site, port=server.port))
        asked: list[Awaitable[httpx.Response]] = [
            api.admin.get("/api/admin/smtp/test") for api in (one, two) for _ in range(6)
        ]
        answers = await asyncio.gather(*asked)
        done = [answer for answer in answers if answer.status_code == 200]
        assert 1 <= len(done) <= 6
        assert len(done) == server.connections
        for answer in answers:
            if answer.status_code != 200:
                assert answer.json()["code"] in ("smtp_test_running", "smtp_test_limit")
        for number in range(6 - len(done)):
            answer = await (one, two)[number % 2].admin.get("/api/admin/smtp/test")
            assert answer.status_code == 200
        for api in (one, two):
            answer = await api.admin.get("/api/admin/smtp/test")
            problem(answer, 429, "smtp_test_limit")
            assert answer.headers["Retry-After"] == "60"
        assert server.connections == 6
        # A minute later.
        await asyncio.to_thread(
            site.server.execute,
            f"UPDATE `{site.ops}`.smtp_test SET started_at = started_at - INTERVAL 61 SECOND",
        )
        assert (await two.admin.get("/api/admin/smtp/test")).status_code == 200


async def test_a_crashed_smtp_test_blocks_the_next_for_seconds_only(site: Site) -> None:
    async with faulty_smtp() as server, served_api(site, port=server.port) as api:
        insert = (
            f"INSERT INTO `{site.ops}`.smtp_test (started_at, lease_until) VALUES"
            " (UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL %s SECOND)"
        )
        await asyncio.to_thread(site.server.execute, insert, (15,))
        problem(await api.admin.get("/api/admin/smtp/test"), 409, "smtp_test_running")
        await asyncio.to_thread(
            site.server.execute,
            f"UPDATE `{site.ops}`.smtp_test SET lease_until = '2000-01-01'",
        )
        assert (await api.admin.get("/api/admin/smtp/test")).status_code == 200


async def test_the_test_email_is_sent_to_the_requesting_administrator(site: Site) -> None:
    async with faulty_smtp() as server, served_api(site, port=server.port) as api:
        answer = await api.admin.post("/api/admin/smtp/test-message")
        assert answer.status_code == 202
        mail = (await api.admin.get(answer.json()["status_url"])).json()
        assert (mail["recipient"], mail["state"]) == ("admin@sysndd.example", MailState.QUEUED)
        events = (await api.admin.get("/api/admin/audit")).json()["data"]
        (event,) = [one for one in events if one["action"] == "smtp_test_message"]
        assert event["object"] == mail["id"]
