"""The built-in mail catcher answers like Mailpit and shows emails as web pages."""

import smtplib
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest

from sysndd_local.mail_store import MailStore
from tests.support.catchers import TestCatcher


@pytest.fixture(autouse=True)
def _delete_all_emails(builtin_catcher: TestCatcher) -> None:
    assert httpx.delete(f"{builtin_catcher.rest_url}/api/v1/messages").text == "ok"


def test_an_email_is_returned_in_the_format_of_mailpit(builtin_catcher: TestCatcher) -> None:
    _send(builtin_catcher)
    listed = httpx.get(f"{builtin_catcher.rest_url}/api/v1/messages").json()
    assert {
        key: listed[key] for key in ("total", "unread", "count", "messages_count", "start")
    } == {
        "total": 1,
        "unread": 1,
        "count": 1,
        "messages_count": 1,
        "start": 0,
    }
    (summary,) = listed["messages"]
    assert summary["From"] == {"Name": "SysNDD", "Address": "noreply@site.example"}
    assert summary["To"] == [{"Name": "Zoë Müller", "Address": "zoe@site.example"}]
    assert summary["Bcc"] == [{"Name": "", "Address": "hidden@site.example"}]
    assert summary["Subject"] == "Willkommen, Zoë"
    assert summary["MessageID"] == "one@site.example"
    assert summary["Snippet"].startswith("Confirm: https://site.example/?a=1&token=x")
    mail = httpx.get(f"{builtin_catcher.rest_url}/api/v1/message/{summary['ID']}").json()
    assert mail["Text"].startswith("Confirm: https://")
    assert "<b>Confirm</b>" in mail["HTML"]
    assert mail["Date"] == "2026-05-04T03:02:01.000Z"
    assert mail["Size"] == summary["Size"] > 100
    headers = httpx.get(f"{builtin_catcher.rest_url}/api/v1/message/{summary['ID']}/headers").json()
    assert headers["Message-ID"] == ["<one@site.example>"]
    raw = httpx.get(f"{builtin_catcher.rest_url}/api/v1/message/{summary['ID']}/raw").content
    assert raw.count(b"\r\n") > 10
    assert httpx.get(f"{builtin_catcher.rest_url}/api/v1/messages").json()["unread"] == 0


def test_messages_are_paged_and_the_latest_can_be_fetched(builtin_catcher: TestCatcher) -> None:
    for number in range(5):
        _send(builtin_catcher, subject=f"number {number}")
    url = f"{builtin_catcher.rest_url}/api/v1/messages"
    page = httpx.get(url, params={"start": 1, "limit": 2}).json()
    assert [mail["Subject"] for mail in page["messages"]] == ["number 3", "number 2"]
    assert (page["total"], page["count"], page["start"]) == (5, 2, 1)
    latest = httpx.get(f"{builtin_catcher.rest_url}/api/v1/message/latest").json()
    assert latest["Subject"] == "number 4"
    assert httpx.request("DELETE", url, json={"IDs": [latest["ID"]]}).status_code == 200
    assert httpx.get(url).json()["total"] == 4


def test_a_killed_catcher_loses_no_email(builtin_catcher: TestCatcher) -> None:
    for number in range(3):
        _send(builtin_catcher, subject=f"number {number}")
    before = httpx.get(f"{builtin_catcher.rest_url}/api/v1/messages").json()["messages"]
    builtin_catcher.process.kill()
    builtin_catcher.start()
    assert httpx.get(f"{builtin_catcher.rest_url}/api/v1/messages").json()["messages"] == before


def test_the_web_pages_escape_the_content_of_emails(builtin_catcher: TestCatcher) -> None:
    _send(
        builtin_catcher, subject="<script>alert(1)</script>", text='"<img src=x onerror=alert(2)>'
    )
    mail_id = httpx.get(f"{builtin_catcher.rest_url}/api/v1/message/latest").json()["ID"]
    for path in ("/", f"/view/{mail_id}.html"):
        page = httpx.get(f"{builtin_catcher.rest_url}{path}")
        assert page.status_code == 200
        assert "<script" not in page.text
        assert "<img" not in page.text
        assert "<b>Confirm" not in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_a_url_in_the_text_becomes_a_link(builtin_catcher: TestCatcher) -> None:
    _send(builtin_catcher)
    mail_id = httpx.get(f"{builtin_catcher.rest_url}/api/v1/message/latest").json()["ID"]
    page = httpx.get(f"{builtin_catcher.rest_url}/view/{mail_id}.html").text
    assert '<a href="https://site.example/?a=1&amp;token=x" rel="noreferrer">' in page


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/message/unknown", 404),
        ("GET", "/view/unknown.html", 404),
        ("GET", "/view/../../etc/passwd.html", 404),
        ("GET", "/nothing", 404),
        ("GET", "/api/v1/messages?limit=many", 400),
        ("DELETE", "/nothing", 404),
    ],
)
def test_an_unknown_path_or_id_and_a_malformed_query_are_errors(
    builtin_catcher: TestCatcher, method: str, path: str, status: int
) -> None:
    assert httpx.request(method, f"{builtin_catcher.rest_url}{path}").status_code == status


def test_a_request_for_another_host_name_is_refused(builtin_catcher: TestCatcher) -> None:
    url = f"{builtin_catcher.rest_url}/api/v1/messages"
    assert httpx.get(url, headers={"Host": "attacker.example"}).status_code == 403
    assert httpx.get(url, headers={"Host": "localhost:1"}).status_code == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"Subject: =?unknown-8bit?q?=ff?=\r\nContent-Type: text/plain; charset=nope\r\n\r\n"
        b"\xff\xfe",
        b"From: @@@\r\nTo: ,,,\r\nDate: never\r\nContent-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!",
    ],
)
def test_malformed_emails_are_caught_and_shown(builtin_catcher: TestCatcher, raw: bytes) -> None:
    with smtplib.SMTP(builtin_catcher.host, builtin_catcher.port) as client:
        client.sendmail("a@site.example", ["b@site.example"], raw)
    mail = httpx.get(f"{builtin_catcher.rest_url}/api/v1/message/latest")
    assert mail.status_code == 200
    assert httpx.get(f"{builtin_catcher.rest_url}/view/{mail.json()['ID']}.html").status_code == 200
    assert httpx.get(f"{builtin_catcher.rest_url}/").status_code == 200


def test_the_oldest_emails_are_deleted_above_the_limit(tmp_path: Path) -> None:
    store = MailStore(tmp_path, keep=3)
    for number in range(5):
        store.add(sender="a@x", recipients=["b@x"], raw=b"Subject: %d\r\n\r\n" % number)
    assert [mail.subject for mail in store.newest_first()] == ["4", "3", "2"]
    assert len(list(tmp_path.iterdir())) == 2 * 3
    assert [mail.subject for mail in MailStore(tmp_path, keep=3).newest_first()] == ["4", "3", "2"]


def test_an_email_that_was_not_acknowledged_is_not_shown_after_a_crash(tmp_path: Path) -> None:
    (tmp_path / "cut.eml.partial").write_bytes(b"Subject: half")
    (tmp_path / "unacknowledged.eml").write_bytes(b"Subject: no envelope\r\n\r\n")
    assert MailStore(tmp_path, keep=3).newest_first() == []
    assert not (tmp_path / "cut.eml.partial").exists()


def _send(
    catcher: TestCatcher,
    *,
    subject: str = "Willkommen, Zoë",
    text: str = "Confirm: https://site.example/?a=1&token=x\n",
) -> None:
    message = EmailMessage()
    message["From"] = "SysNDD <noreply@site.example>"
    message["To"] = "Zoë Müller <zoe@site.example>"
    message["Subject"] = subject
    message["Message-ID"] = "<one@site.example>"
    message["Date"] = format_datetime(datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC))
    message.set_content(text)
    message.add_alternative("<p><b>Confirm</b></p>", subtype="html")
    with smtplib.SMTP(catcher.host, catcher.port) as client:
        client.send_message(message, to_addrs=["zoe@site.example", "hidden@site.example"])
