"""Administrators list, search, show, resend and cancel emails."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sysndd_core.db.database import Database
from sysndd_core.mail.outbox import NewMail, OnUnknownOutcome
from sysndd_core.settings.smtp import SmtpSecurity, SmtpSettings
from tests.support.http import Api, problem
from tests.support.outbox import Outbox, open_outbox
from tests.support.site import Site
from tests.support.smtp_faults import DEFAULTS, DROP, faulty_smtp

UNKNOWN = "00000000-0000-0000-0000-000000000000"


def mail(recipient: str, **changes: Any) -> NewMail:
    return NewMail("test", recipient, "test", {"requested_at": "2026-01-01 00:00"}, **changes)


async def set_state(outbox: Outbox, mail_id: str, assignments: str) -> None:
    await outbox.rows.database.execute(
        f"UPDATE {outbox.rows.table} SET {assignments} WHERE id = %s", (mail_id,)
    )


async def get_mail(api: Api, mail_id: str) -> dict[str, Any]:
    answer = await api.admin.get(f"/api/admin/mail/{mail_id}")
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_emails_are_listed_by_state_searched_and_paged(
    api: Api, site: Site, database: Database
) -> None:
    async with open_outbox(site, database, SmtpSettings(security=SmtpSecurity.NONE)) as outbox:
        for number in range(5):
            await outbox.put(mail(f"person{number}@sysndd.example"))
        odd = await outbox.put(mail("100%_sure@sysndd.example"))
        await set_state(outbox, odd, "state = 'failed', last_code = 550")
    listed = (await api.admin.get("/api/admin/mail")).json()
    assert (listed["total"], listed["page"], listed["page_size"]) == (6, 1, 50)
    created = [one["created_at"] for one in listed["data"]]
    assert created == sorted(created, reverse=True)
    seen = []
    for page in (1, 2, 3):
        query: dict[str, str | int] = {"state": "queued", "page": page, "page_size": 2}
        part = (await api.admin.get("/api/admin/mail", params=query)).json()
        assert part["total"] == 5
        seen += [one["recipient"] for one in part["data"]]
    assert sorted(seen) == [f"person{number}@sysndd.example" for number in range(5)]
    for search, found in (
        ("100%", 1),
        ("%_", 1),
        ("person3", 1),
        ("PERSON", 5),
        (odd, 1),
        ("漢", 0),
    ):
        part = (await api.admin.get("/api/admin/mail", params={"search": search})).json()
        assert part["total"] == found, search
    (failed,) = (await api.admin.get("/api/admin/mail", params={"state": "failed"})).json()["data"]
    assert (failed["id"], failed["last_code"], failed["next_attempt_at"]) == (odd, 550, None)
    wrong = await api.admin.get("/api/admin/mail", params={"state": "lost"})
    problem(wrong, 422, "invalid_request")


async def test_only_administrators_may_manage_emails(api: Api) -> None:
    for method, path in (
        ("GET", ""),
        ("GET", f"/{UNKNOWN}"),
        ("POST", f"/{UNKNOWN}/resend"),
        ("POST", f"/{UNKNOWN}/cancel"),
    ):
        answer = await api.client.request(method, f"/api/admin/mail{path}")
        problem(answer, 401, "not_signed_in")


@pytest.mark.parametrize("mail_id", [UNKNOWN, "ü", "x' OR '1'='1"])
async def test_an_unknown_email_is_not_found(api: Api, mail_id: str) -> None:
    problem(await api.admin.get(f"/api/admin/mail/{mail_id}"), 404, "mail_not_found")
    for action in ("resend", "cancel"):
        answer = await api.admin.post(f"/api/admin/mail/{mail_id}/{action}")
        problem(answer, 404, "mail_not_found")


async def test_a_failed_email_is_resent_with_its_message_id(
    api: Api, site: Site, database: Database
) -> None:
    async with faulty_smtp({"RCPT": "550 5.1.1 no such user"}) as server:
        smtp = SmtpSettings(host="127.0.0.1", port=server.port, security=SmtpSecurity.NONE)
        async with open_outbox(site, database, smtp) as outbox:
            mail_id = await outbox.put(mail("person@sysndd.example", expires_after=60))
            await outbox.worker.run_until_idle()
            failed = await get_mail(api, mail_id)
            assert (failed["state"], failed["last_code"]) == ("failed", 550)
            assert failed["undeliverable_since"]
            assert failed["preview"]["subject"] == "SysNDD test email"
            await set_state(outbox, mail_id, "expires_at = created_at + INTERVAL 1 SECOND")
            server.answers.update(DEFAULTS)
            answer = await api.admin.post(f"/api/admin/mail/{mail_id}/resend")
            assert answer.status_code == 202
            queued = answer.json()
            assert (queued["state"], queued["undeliverable_since"]) == ("queued", None)
            assert queued["attempt"] == failed["attempt"], "the fencing token never decreases"
            assert queued["expires_at"] > failed["created_at"]
            await outbox.worker.run_until_idle()
            sent = await get_mail(api, mail_id)
            assert (sent["state"], sent["attempt"]) == ("sent", 2)
            (message,) = server.accepted
            assert message["Message-ID"] == sent["message_id"] == failed["message_id"]
            for action, code in (
                ("resend", "mail_not_resendable"),
                ("cancel", "mail_not_cancellable"),
            ):
                answer = await api.admin.post(f"/api/admin/mail/{mail_id}/{action}")
                assert problem(answer, 409, code)["state"] == "sent"
    events = (await api.admin.get("/api/admin/audit")).json()["data"]
    (event,) = [one for one in events if one["object"] == mail_id]
    assert (event["action"], event["detail"]) == ("resend_mail", {"state": "failed"})


async def test_an_email_on_hold_causes_a_warning_until_it_is_cancelled_or_resent(
    api: Api, site: Site, database: Database
) -> None:
    async with faulty_smtp({"CONTENT": DROP}) as server:
        smtp = SmtpSettings(host="127.0.0.1", port=server.port, security=SmtpSecurity.NONE)
        async with open_outbox(site, database, smtp) as outbox:
            one, two = [
                await outbox.put(
                    mail(f"p{number}@sysndd.example", on_unknown_outcome=OnUnknownOutcome.HOLD)
                )
                for number in range(2)
            ]
            await outbox.worker.run_until_idle()
            checks = (await api.admin.get("/api/health")).json()["checks"]
            assert checks["mail_queue"]["held"] == 2
            assert (checks["mail_queue"]["status"], checks["mail_queue"]["failed"]) == ("warn", 0)
            server.answers.update(DEFAULTS)
            cancelled = (await api.admin.post(f"/api/admin/mail/{one}/cancel")).json()
            assert (cancelled["state"], cancelled["phase"]) == ("cancelled", None)
            await api.admin.post(f"/api/admin/mail/{two}/resend")
            await outbox.worker.run_until_idle()
            assert (await get_mail(api, two))["state"] == "sent"
            assert (await get_mail(api, one))["state"] == "cancelled"
            assert (
                len(server.accepted) == 3
            )  # each once with unknown delivery, and one of them again


async def test_an_email_that_is_being_sent_cannot_be_changed(
    api: Api, site: Site, database: Database
) -> None:
    async with open_outbox(site, database, SmtpSettings(security=SmtpSecurity.NONE)) as outbox:
        mail_id = await outbox.put(mail("person@sysndd.example"))
        assert await outbox.rows.claim("another") is not None
        for action, code in (("resend", "mail_not_resendable"), ("cancel", "mail_not_cancellable")):
            answer = await api.admin.post(f"/api/admin/mail/{mail_id}/{action}")
            assert problem(answer, 409, code)["state"] == "running"


async def test_twenty_concurrent_cancels_and_resends_have_one_outcome(
    api: Api, site: Site, database: Database
) -> None:
    async with open_outbox(site, database, SmtpSettings(security=SmtpSecurity.NONE)) as outbox:
        mail_id = await outbox.put(mail("person@sysndd.example"))
    answers = await asyncio.gather(
        *(api.admin.post(f"/api/admin/mail/{mail_id}/cancel") for _ in range(20))
    )
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200] + [409] * 19


async def test_an_open_circuit_breaker_is_reported(
    api: Api, site: Site, database: Database, tmp_path: Path
) -> None:
    async with faulty_smtp({"AUTH": "535 5.7.8 no"}) as server:
        smtp = SmtpSettings(
            host="127.0.0.1",
            port=server.port,
            security=SmtpSecurity.NONE,
            user="mailer",
            password="canary",
        )
        async with open_outbox(site, database, smtp) as outbox:
            await outbox.put(mail("person@sysndd.example"))
            await outbox.worker.run_until_idle()
            await asyncio.sleep(0.5)
            found = (await api.admin.get("/api/health")).json()["checks"]
            assert found["mail_transport"]["circuit_breaker"] == "open"
            assert found["mail_transport"]["status"] == "warn"
            assert found["mail_queue"]["queued"] == 1
            assert "canary" not in str(found)
            server.answers.update(DEFAULTS)
            for _ in range(500):
                if not outbox.circuit_breaker.is_open:
                    break
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.5)
            found = (await api.admin.get("/api/health")).json()["checks"]
            assert found["mail_transport"] == {"status": "pass", "circuit_breaker": "closed"}
