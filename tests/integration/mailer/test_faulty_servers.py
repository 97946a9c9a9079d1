"""The outcome of an email when the mail server fails, tested with a real socket."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from pymysql.cursors import Cursor

from sysndd_core.db.database import Database
from sysndd_core.errors import LeaseLost
from sysndd_core.jobs import leases, worker
from sysndd_core.mail.outbox import NewMail, OnUnknownOutcome
from sysndd_core.mail.transport import TransportRows
from sysndd_core.settings.smtp import SmtpSecurity, SmtpSettings
from sysndd_mailer import smtp
from sysndd_mailer.compose import Message
from sysndd_mailer.previews import Previews
from sysndd_mailer.smtp import MAILS_PER_CONNECTION, DeliveryStatus
from tests.support.certificates import make_authority
from tests.support.outbox import Outbox, open_outbox
from tests.support.site import Site
from tests.support.smtp_faults import DEFAULTS, DROP, STALL, FaultySmtp, faulty_smtp

MAIL = NewMail("test", "person@sysndd.example", "test", {"requested_at": "2026-01-01 00:00"})
HELD_WHEN_UNKNOWN = NewMail(
    "test",
    "person@sysndd.example",
    "test",
    {"requested_at": "x"},
    on_unknown_outcome=OnUnknownOutcome.HOLD,
)


@contextlib.asynccontextmanager
async def mailing(
    site: Site, database: Database, *, user: str | None = None, **answers: str
) -> AsyncIterator[tuple[Outbox, FaultySmtp]]:
    async with faulty_smtp(answers) as server:
        transport = SmtpSettings(
            host="127.0.0.1",
            port=server.port,
            security=SmtpSecurity.NONE,
            timeout=1,
            mail_from="noreply@sysndd.example",
            user=user,
            password="canary" if user else None,
        )
        async with open_outbox(site, database, transport) as outbox:
            yield outbox, server


async def until_closed(outbox: Outbox) -> None:
    for _ in range(500):
        if not outbox.circuit_breaker.is_open:
            return
        await asyncio.sleep(0.02)
    pytest.fail("the circuit breaker did not close")


@pytest.mark.parametrize("code", [421, 450, 451, 452])
@pytest.mark.parametrize("at", ["MAIL", "RCPT", "DATA", "CONTENT"])
async def test_4xx_is_retried_later(site: Site, database: Database, code: int, at: str) -> None:
    async with mailing(site, database, **{at: f"{code} 4.3.0 later"}) as (outbox, server):
        mail_id = await outbox.put(MAIL)
        await outbox.worker.run_until_idle()
        row = await outbox.row(mail_id)
        assert (row["state"], row["last_code"], row["attempt"]) == ("queued", code, 1)
        assert (row["run_after"] - row["created_at"]).total_seconds() > 2
        server.answers.update(DEFAULTS)
        await outbox.send_queued()
        assert (await outbox.row(mail_id))["state"] == "sent"
        assert {one["Message-ID"] for one in server.accepted} == {row["message_id"]}


@pytest.mark.parametrize(
    ("reply", "marked"),
    [("550 5.1.1 no such user", 1), ("550 no such user", 1), ("554 5.7.1 policy", 0)],
)
async def test_5xx_at_the_recipient_fails_at_once(
    site: Site, database: Database, reply: str, marked: int
) -> None:
    async with mailing(site, database, RCPT=reply) as (outbox, server):
        mail_id = await outbox.put(MAIL)
        await outbox.worker.run_until_idle()
        row = await outbox.row(mail_id)
        assert (row["state"], row["attempt"]) == ("failed", 1)
        assert row["last_reply"] == reply[4:]
        found = await database.fetch_all(f"SELECT recipient FROM {outbox.rows.undeliverable}")
        assert [one["recipient"] for one in found] == [MAIL.recipient] * marked
        assert not outbox.circuit_breaker.is_open
        assert server.accepted == []
        assert (await outbox.rows.depth()).failed == 1


@pytest.mark.parametrize(
    "answers",
    [
        {"AUTH": "535 5.7.8 bad credentials"},
        {"MAIL": "530 5.7.0 authentication required"},
        {"MAIL": "550 5.7.1 sender not allowed"},
        {"BANNER": "554 no service here"},
        {"EHLO": "250 no-auth-here.example"},
    ],
    ids=["535", "530", "sender", "banner", "no auth"],
)
async def test_broken_transport_opens_the_circuit_breaker_and_uses_no_attempt(
    site: Site, database: Database, answers: dict[str, str]
) -> None:
    async with mailing(site, database, user="mailer", **answers) as (outbox, server):
        ids = [await outbox.put(MAIL) for _ in range(5)]
        await outbox.worker.run_until_idle()
        assert outbox.circuit_breaker.is_open
        rows = [await outbox.row(mail_id) for mail_id in ids]
        assert {row["state"] for row in rows} == {"queued"}
        # One email opened the breaker; none has fewer attempts left than before.
        assert sum(row["attempt"] for row in rows) == 1
        assert len({row["max_attempts"] - row["attempt"] for row in rows}) == 1
        await asyncio.sleep(0.5)
        (breaker,) = await TransportRows(database).open_breakers()
        assert breaker.reason
        assert "canary" not in str(breaker) + str(rows)
        server.answers.update(DEFAULTS)
        await until_closed(outbox)
        await outbox.worker.run_until_idle()
        assert {(await outbox.row(mail_id))["state"] for mail_id in ids} == {"sent"}
        assert len(server.accepted) == len(ids)


async def test_connection_lost_after_the_final_dot(site: Site, database: Database) -> None:
    """A security email is resent with the same Message-ID; any other is put on hold."""
    async with mailing(site, database, CONTENT=DROP) as (outbox, server):
        resent, held = await outbox.put(MAIL), await outbox.put(HELD_WHEN_UNKNOWN)
        await outbox.worker.run_until_idle()
        assert (await outbox.row(resent))["state"] == "queued"
        assert (await outbox.row(held))["state"] == "held"
        server.answers.update(DEFAULTS)
        await outbox.send_queued()
        row = await outbox.row(resent)
        assert row["state"] == "sent"
        copies = [one for one in server.accepted if one["Message-ID"] == row["message_id"]]
        assert len(copies) == 2
        assert (await outbox.row(held))["state"] == "held"
        assert len(server.accepted) == 3
        assert (await outbox.rows.depth()).held == 1


@pytest.mark.parametrize("at", ["BANNER", "EHLO", "MAIL", "RCPT", "DATA", "CONTENT"])
async def test_stalled_server_costs_one_timeout_and_no_email(
    site: Site, database: Database, at: str
) -> None:
    async with mailing(site, database, **{at: STALL}) as (outbox, server):
        mail_id = await outbox.put(MAIL)
        started = time.monotonic()
        await outbox.worker.run_until_idle()
        assert time.monotonic() - started < 10
        assert (await outbox.row(mail_id))["state"] == "queued"
        server.answers.update(DEFAULTS)
        await outbox.send_queued()
        assert (await outbox.row(mail_id))["state"] == "sent"


async def test_connections_are_reused_up_to_the_limit(site: Site, database: Database) -> None:
    async with mailing(site, database) as (outbox, server):
        for _ in range(MAILS_PER_CONNECTION + 5):
            await outbox.put(MAIL)
        await outbox.worker.run_until_idle()
        assert len(server.accepted) == MAILS_PER_CONNECTION + 5
        assert server.connections == 2


@pytest.mark.parametrize("at", ["MAIL", "RSET"])
async def test_lost_idle_connection_costs_no_attempt_and_no_delay(
    site: Site, database: Database, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """A recently used connection is reused directly, an idle one after RSET."""
    monkeypatch.setattr(smtp, "_REUSE_SECONDS", 60.0 if at == "MAIL" else 0.0)
    async with mailing(site, database) as (outbox, server):
        await outbox.put(MAIL)
        await outbox.worker.run_until_idle()
        server.once[at] = [DROP]
        mail_id = await outbox.put(MAIL)
        await outbox.worker.run_until_idle()
        row = await outbox.row(mail_id)
        assert (row["state"], row["attempt"]) == ("sent", 1)
        assert server.connections == 2


async def test_rset_is_sent_after_a_rejected_email(site: Site, database: Database) -> None:
    async with mailing(site, database) as (outbox, server):
        server.once["RCPT"] = ["550 5.1.1 no such user"]
        await outbox.put(MAIL)
        await outbox.put(MAIL)
        await outbox.worker.run_until_idle()
        commands = [line.split(" ")[0] for line in server.commands]
        assert commands == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]


@pytest.mark.parametrize("reply", ["250 ok\r\n250 ok", "what?", "250-" + "x" * 20_000])
async def test_invalid_smtp_reply(site: Site, database: Database, reply: str) -> None:
    """An extra reply must not be used as the reply to the next command."""
    async with mailing(site, database) as (outbox, server):
        server.once["MAIL"] = [reply]
        mail_id = await outbox.put(MAIL)
        await outbox.worker.run_until_idle()
        assert (await outbox.row(mail_id))["state"] == "queued"
        assert server.accepted == []
        await outbox.send_queued()
        assert (await outbox.row(mail_id))["state"] == "sent"


@pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.TLS])
async def test_emails_over_an_encrypted_and_authenticated_connection(
    site: Site, database: Database, tmp_path: Path, security: SmtpSecurity
) -> None:
    authority = make_authority(tmp_path)
    offers = {"EHLO": "250-faulty.example\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN"}
    implicit = security is SmtpSecurity.TLS
    async with faulty_smtp(offers, tls=authority.server("localhost"), implicit=implicit) as server:
        transport = SmtpSettings(
            host="localhost",
            port=server.port,
            security=security,
            timeout=5,
            user="mailer",
            password="canary",
            ca_file=authority.ca_file,
            mail_from="noreply@sysndd.example",
        )
        async with open_outbox(site, database, transport) as outbox:
            ids = [await outbox.put(MAIL) for _ in range(3)]
            await outbox.worker.run_until_idle()
            rows = [await outbox.row(mail_id) for mail_id in ids]
    assert {row["state"] for row in rows} == {"sent"}
    assert len(server.accepted) == 3
    assert server.connections == 1
    commands = [line.split(" ")[0] for line in server.commands]
    assert commands.index("AUTH") < commands.index("MAIL")


async def test_server_without_ehlo(site: Site, database: Database) -> None:
    answers = {"EHLO": "502 what?", "HELO": "250 faulty.example"}
    async with mailing(site, database, **answers) as (outbox, _):
        mail_id = await outbox.put(MAIL)
        await outbox.worker.run_until_idle()
        assert (await outbox.row(mail_id))["state"] == "sent"


async def test_lines_that_start_with_a_dot_are_escaped(site: Site, database: Database) -> None:
    """A dot alone on a line ends the content, so a second dot is added (RFC 5321, 4.5.2)."""
    text = "..\r\n.\r\n.a\r\n"
    async with mailing(site, database) as (outbox, server):
        octets = f"Message-ID: <1@x>\r\n\r\n{text}".encode()
        message = Message(sender="a@b.example", recipient="c@d.example", content=octets)

        async def before_content() -> None: ...

        outcome = await outbox.pool.send(message, before_content)
        assert outcome.status is DeliveryStatus.SENT
        stuffed = str(server.accepted[0].get_payload())
        assert stuffed.replace("\r\n", "\n") == "...\n..\n..a"


async def test_queued_email_has_a_preview_with_a_masked_token(
    site: Site, database: Database
) -> None:
    """The preview is available before the first attempt, for example with an open breaker."""
    context = {"user_name": "ada", "token_id": "00000000-0000-0000-0000-000000000001"}
    async with mailing(site, database) as (outbox, _):
        valid = await outbox.put(NewMail("confirm", "ada@sysndd.example", "confirm", context))
        invalid = await outbox.put(NewMail("x", "ada@sysndd.example", "no_such_template", {}))
        await database.execute(f"UPDATE {outbox.rows.table} SET created_at = '2000-01-01'")
        previews = Previews(outbox.rows, outbox.composer)
        await previews.render_queued()
        await previews.render_queued()
        preview = json.loads((await outbox.row(valid))["preview"])
        assert "/account/confirm?token=•••" in preview["text"]
        assert "ada" in preview["html"]
        assert (await outbox.row(invalid))["preview"] is None


async def test_sent_email_is_closed_after_its_lease_expired(site: Site, database: Database) -> None:
    """The row was queued again while the database was unavailable, and not claimed since."""
    async with mailing(site, database) as (outbox, _):
        for _ in range(3):
            await outbox.put(MAIL)
        claims = await outbox.rows.claim_batch("slow", 3)
        await database.execute(f"UPDATE {outbox.rows.table} SET lease_until = '2000-01-01'")
        assert await outbox.rows.reclaim() == 3
        taken = await outbox.rows.claim("another")
        assert taken is not None
        preview = {"subject": "s", "text": "'\\\\ü", "html": "h"}
        for claim in claims:
            if claim.id == taken.id:
                with pytest.raises(LeaseLost):
                    await outbox.rows.mark_sent(claim, "ok", preview)
                assert (await outbox.row(claim.id))["state"] == "running"
                continue
            await outbox.rows.mark_sent(claim, "2.0.0 '\\\\", preview)
            # The reply to the first call may have been lost, so a second one must succeed.
            await outbox.rows.mark_sent(claim, "2.0.0 '\\\\", preview)
            row = await outbox.row(claim.id)
            assert (row["state"], row["last_reply"]) == ("sent", "2.0.0 '\\\\")
            assert json.loads(row["preview"]) == preview


async def started_until_content(
    server: FaultySmtp,
    work: Coroutine[Any, Any, None],
    cursor: Cursor,
    statement: str,
    *,
    then: Callable[[], None] = lambda: None,
) -> "asyncio.Task[None]":
    """Start a mailer; before the reply to a content, run a statement and call ``then``.

    Returns:
        The running mailer, once both are done.
    """
    done = asyncio.Event()

    async def before_the_reply() -> None:
        # A transaction of this loop may hold the lock that the statement waits for.
        await asyncio.to_thread(cursor.execute, statement)
        then()
        done.set()

    server.before["CONTENT"] = before_the_reply
    running = asyncio.create_task(work)
    await asyncio.wait_for(done.wait(), 60)
    return running


async def test_stopped_mailer_completes_started_deliveries_and_releases_the_others(
    site: Site, database: Database
) -> None:
    """SIGTERM arrives during the content, and the outbox is unavailable for a while afterwards."""
    async with mailing(site, database) as (outbox, server):
        for _ in range(20):
            await outbox.put(MAIL)
        mailer = outbox.concurrent_worker(20)
        with site.server.connect(site.ops) as other, other.cursor() as cursor:
            running = await started_until_content(
                server, mailer.run(), cursor, "LOCK TABLES mail WRITE", then=mailer.stop
            )
            done, _ = await asyncio.wait([running], timeout=2.5)
            assert not done
            cursor.execute("UNLOCK TABLES")
            await asyncio.wait_for(running, 60)
        rows = await database.fetch_all(
            f"SELECT state, attempt, max_attempts, message_id FROM {outbox.rows.table}"
        )
        sent = {row["message_id"] for row in rows if row["state"] == "sent"}
        assert 1 <= len(sent) < 20
        arrived = [mail["Message-ID"] for mail in server.accepted]
        assert sorted(arrived) == sorted(sent)
        left = [row for row in rows if row["state"] != "sent"]
        assert {row["state"] for row in left} == {"queued"}
        # None has fewer attempts left than before.
        assert len({row["max_attempts"] - row["attempt"] for row in left}) == 1
        await outbox.send_queued()
        assert len(server.accepted) == 20


async def test_sent_email_is_closed_after_database_errors(site: Site, database: Database) -> None:
    """Statements fail between the 250 reply and the closing of the row."""
    async with mailing(site, database) as (outbox, server):
        mail_id = await outbox.put(MAIL)
        table = outbox.rows.table
        with site.server.connect(site.ops) as other, other.cursor() as cursor:
            burst = await started_until_content(
                server, outbox.worker.run_until_idle(), cursor, "RENAME TABLE mail TO mail_away"
            )
            done, _ = await asyncio.wait([burst], timeout=2)
            assert not done
            cursor.execute("RENAME TABLE mail_away TO mail")
            await asyncio.wait_for(burst, 60)
        row = await outbox.row(mail_id)
        assert (row["state"], row["attempt"], len(server.accepted)) == ("sent", 1, 1), table


async def test_heartbeat_does_not_cancel_a_sent_email(
    site: Site, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outbox is unavailable after the content was sent, for longer than the lease."""
    monkeypatch.setattr(leases, "LEASE_SECONDS", 1)
    monkeypatch.setattr(worker, "HEARTBEAT_SECONDS", 0.1)
    async with mailing(site, database) as (outbox, server):
        mail_id = await outbox.put(MAIL)
        with site.server.connect(site.ops) as other, other.cursor() as cursor:
            burst = await started_until_content(
                server, outbox.worker.run_until_idle(), cursor, "LOCK TABLES mail WRITE"
            )
            done, _ = await asyncio.wait([burst], timeout=2.5)
            assert not done
            cursor.execute("UNLOCK TABLES")
            await burst
        assert (await outbox.row(mail_id))["state"] == "sent"
        assert len(server.accepted) == 1


async def test_expired_email_is_cancelled_and_not_sent(site: Site, database: Database) -> None:
    async with mailing(site, database) as (outbox, server):
        mail_id = await outbox.put(MAIL)
        await database.execute(f"UPDATE {outbox.rows.table} SET expires_at = '2000-01-01'")
        await outbox.worker.run_until_idle()
        assert (await outbox.row(mail_id))["state"] == "cancelled"
        assert server.connections == 0


@pytest.mark.parametrize(("mail", "state"), [(MAIL, "queued"), (HELD_WHEN_UNKNOWN, "held")])
async def test_mailer_killed_while_it_sent_the_content(
    site: Site, database: Database, mail: NewMail, state: str
) -> None:
    async with mailing(site, database) as (outbox, _):
        mail_id = await outbox.put(mail)
        claim = await outbox.rows.claim("killed")
        assert claim is not None
        await outbox.rows.mark_content_started(claim)
        await database.execute(f"UPDATE {outbox.rows.table} SET lease_until = '2000-01-01'")
        await outbox.rows.reclaim()
        assert (await outbox.row(mail_id))["state"] == state
