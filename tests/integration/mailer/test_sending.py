"""An email from the outbox row to the mail catcher; rejected emails; an unavailable server."""

import asyncio
import contextlib
import json
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage

import httpx
import pytest

from sysndd_core.db.database import Database
from sysndd_core.mail.outbox import NewMail
from sysndd_core.settings.smtp import SmtpSecurity, SmtpSettings
from tests.support.catchers import TestCatcher
from tests.support.outbox import Outbox, open_outbox
from tests.support.site import Site

TEST_MAIL = NewMail("test", "person@sysndd.example", "test", {"requested_at": "2026-01-01 00:00"})


@pytest.fixture
async def outbox(
    site: Site, database: Database, smtp_catcher: TestCatcher
) -> AsyncIterator[Outbox]:
    smtp = SmtpSettings(host=smtp_catcher.host, port=smtp_catcher.port, security=SmtpSecurity.NONE)
    async with httpx.AsyncClient() as client:
        await client.delete(f"{smtp_catcher.rest_url}/api/v1/messages")
    async with open_outbox(site, database, smtp) as outbox:
        yield outbox


async def caught(catcher: TestCatcher) -> list[dict[str, object]]:
    async with httpx.AsyncClient(base_url=catcher.rest_url) as client:
        listed = (await client.get("/api/v1/messages")).json()["messages"]
        return [(await client.get(f"/api/v1/message/{one['ID']}")).json() for one in listed]


async def test_email_arrives_unchanged(outbox: Outbox, smtp_catcher: TestCatcher) -> None:
    mail_id = await outbox.put(TEST_MAIL)
    row = await outbox.row(mail_id)
    await outbox.worker.run_until_idle()
    (message,) = await caught(smtp_catcher)
    assert message["Subject"] == "SysNDD test email"
    assert message["From"] == {"Name": "SysNDD", "Address": "noreply@sysndd.example"}
    assert message["To"] == [{"Name": "", "Address": "person@sysndd.example"}]
    assert f"<{message['MessageID']}>" == row["message_id"]
    assert "2026-01-01 00:00" in str(message["Text"])
    assert '<a href="http://sysndd.example">' in str(message["HTML"])
    done = await outbox.row(mail_id)
    assert (done["state"], done["last_code"], done["attempt"]) == ("sent", 250, 1)
    await outbox.worker.run_until_idle()
    assert len(await caught(smtp_catcher)) == 1


async def test_email_of_a_rolled_back_request_is_never_sent(
    outbox: Outbox, smtp_catcher: TestCatcher
) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with outbox.rows.database.transaction() as tx:
            await outbox.rows.enqueue(tx, TEST_MAIL, requested_by=None)
            raise ZeroDivisionError
    await outbox.worker.run_until_idle()
    assert await caught(smtp_catcher) == []


async def test_email_is_deferred_while_the_server_is_down_and_sent_once(
    outbox: Outbox, smtp_catcher: TestCatcher
) -> None:
    mail_id = await outbox.put(TEST_MAIL)
    await asyncio.to_thread(smtp_catcher.stop)
    try:
        await outbox.worker.run_until_idle()
        row = await outbox.row(mail_id)
        assert (row["state"], row["attempt"]) == ("queued", 1)
        assert "SMTPConnectError" in str(row["last_reply"])
    finally:
        smtp_catcher.start()
    await outbox.rows.database.execute(f"UPDATE {outbox.rows.table} SET run_after = '2000-01-01'")
    await outbox.worker.run_until_idle()
    assert (await outbox.row(mail_id))["state"] == "sent"
    assert len(await caught(smtp_catcher)) == 1


@pytest.mark.parametrize(
    "mail",
    [
        NewMail("test", "person@sysndd.example", "no_such_template", {}),
        NewMail("test", "person@sysndd.example", "test", {}),
        NewMail("test", "person@sysndd.example", "test", {"requested_at": "x", "more": 1}),
        NewMail("test", "a@b\r\nBcc: evil@x", "test", {"requested_at": "x"}),
        NewMail("test", "no address", "test", {"requested_at": "x"}),
    ],
    ids=["template", "missing field", "unknown field", "injection", "address"],
)
async def test_email_that_cannot_be_rendered_fails_immediately(
    outbox: Outbox, smtp_catcher: TestCatcher, mail: NewMail
) -> None:
    mail_id = await outbox.put(mail)
    await outbox.worker.run_until_idle()
    row = await outbox.row(mail_id)
    assert row["state"] == "failed"
    assert row["last_reply"]
    assert await caught(smtp_catcher) == []


async def test_markup_in_the_context_is_text(outbox: Outbox, smtp_catcher: TestCatcher) -> None:
    await outbox.put(
        NewMail("test", "p@sysndd.example", "test", {"requested_at": "<script>x</script>"})
    )
    await outbox.worker.run_until_idle()
    (message,) = await caught(smtp_catcher)
    assert "<script>" not in str(message["HTML"])
    assert "<script>" in str(message["Text"])


async def test_lines_of_dots_and_long_lines_arrive_unchanged(
    outbox: Outbox, smtp_catcher: TestCatcher
) -> None:
    """A line with a single dot ends the content of an email (RFC 5321, section 4.5.2)."""
    text = f"Grüße\n.\n..\n.leading\n{'x' * 2000}"
    await outbox.put(NewMail("test", "person@sysndd.example", "test", {"requested_at": text}))
    await outbox.worker.run_until_idle()
    (message,) = await caught(smtp_catcher)
    assert text in str(message["Text"]).replace("\r\n", "\n")


def test_catcher_is_a_real_smtp_server(smtp_catcher: TestCatcher) -> None:
    """The catcher accepts email from any client, not only from the mailer."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@x.example", "b@x.example", "by hand"
    message.set_content("x")
    with smtplib.SMTP(smtp_catcher.host, smtp_catcher.port) as client:
        client.send_message(message)
    found = httpx.get(f"{smtp_catcher.rest_url}/api/v1/messages").json()["messages"]
    assert "by hand" in json.dumps(found)
