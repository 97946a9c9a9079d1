"""Markup in the text of users, dumps, servers and files is escaped on every page."""

import json
import re
from html import unescape

import httpx
import pytest

from tests.support.accounts import add_site_user
from tests.support.http import Api
from tests.support.pages import MARKUP, put_backup
from tests.support.site import Site

JOB = "11111111-1111-4111-8111-111111111111"
DRY_RUN = "33333333-3333-4333-8333-333333333333"
MAIL = "22222222-2222-4222-8222-222222222222"
HOSTILE_MAIL = (
    "<head><style>body{position:fixed}</style><title>t</title></head><body style='x'>"
    "<script>alert(2)</script><p onclick=a()>Hello <strong>you</strong>, "
    "<a href='https://evil.example/'>click</a><form action=//evil.example><input></form>"
    "<img src=x onerror=alert(1)></div></main>" + MARKUP.replace("<", "&lt;")
)


def hostile_jobs(site: Site) -> None:
    """Write a failed job and a dry run with markup in every field."""
    result = {
        "tables": [],
        "live_table_count": 1,
        "required_consents": [],
        "accounts": {
            "vanish_count": 1,
            "vanish": [MARKUP],
            "come_back_count": 1,
            "come_back": [MARKUP],
            "changed_count": 1,
            "changed": [{"user_name": MARKUP, "older": [MARKUP], "role": [MARKUP, MARKUP]}],
        },
    }
    for job_id, kind, state, document in (
        (JOB, "create_backup", "failed", None),
        (DRY_RUN, "dry_run_restore", "succeeded", json.dumps(result)),
    ):
        site.server.execute(
            f"INSERT INTO `{site.ops}`.job (id, kind, queue, state, payload, run_after, created_at,"
            " started_at, finished_at, error_code, error, message, step, requested_by, worker,"
            " result) VALUES (%s, %s, 'backup', %s, %s, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6),"
            " UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), 'dump_failed', %s, %s, %s, 1, 'w', %s)",
            (job_id, kind, state, json.dumps({"kind": MARKUP}), MARKUP, MARKUP, MARKUP, document),
        )
    site.server.execute(
        f"INSERT INTO `{site.ops}`.job_log (job_id, attempt, logged_at, level, line) VALUES"
        " (%s, 1, UTC_TIMESTAMP(6), 'error', %s)",
        (JOB, MARKUP),
    )


def hostile_mail(site: Site) -> None:
    """Write an email on hold with markup in every field."""
    preview = {"subject": MARKUP, "text": MARKUP, "html": HOSTILE_MAIL}
    site.server.execute(
        f"INSERT INTO `{site.ops}`.mail (id, purpose, recipient, template, context, message_id,"
        " state, run_after, created_at, last_reply, preview) VALUES"
        " (%s, 'test', %s, 'test', '{}', '<1@x>', 'held', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), %s,"
        " %s)",
        (MAIL, MARKUP, MARKUP, json.dumps(preview)),
    )


def hostile_account(site: Site) -> int:
    """Write markup to every field of an operator, a site user and the session.

    Returns:
        The ID of the site user.
    """
    add_site_user(site, "marie")
    site.server.execute(
        f"UPDATE `{site.ops}`.`operator` SET user_name = %s, email = %s", (MARKUP, MARKUP)
    )
    site.server.execute(
        f"UPDATE `{site.app}`.`user` SET user_name = %s, email = %s, comment = %s,"
        " first_name = %s, family_name = %s, orcid = %s",
        (MARKUP, MARKUP, MARKUP, MARKUP, MARKUP, "<b>0000</b>"),
    )
    site.server.execute(f"UPDATE `{site.ops}`.`session` SET user_agent = %s", (MARKUP,))
    ((user_id,),) = site.server.execute(f"SELECT user_id FROM `{site.app}`.`user`")
    return int(user_id)


def hostile_migrations(site: Site) -> None:
    """Fail a migration with markup in the server's message, and create an unexpected table."""
    site.server.execute(
        f"UPDATE `{site.app}`.schema_version SET success = 0, error = %s, applied_by = 'x<b>y'"
        " ORDER BY filename DESC LIMIT 1",
        (MARKUP,),
    )
    site.server.execute(f"CREATE TABLE `{site.app}`.`<script>alert(2)</script>` (id INT)")


def hostile_inspection(site: Site, backup: str) -> None:
    """Write an inspection of a table with markup in its name."""
    site.server.execute(
        f"INSERT INTO `{site.ops}`.inspection (schema_name, live, job_id, backup, table_name,"
        " row_count, created_at, kept_until) VALUES ('look', %s, %s, %s, %s, 1, UTC_TIMESTAMP(6),"
        " UTC_TIMESTAMP(6) + INTERVAL 1 DAY)",
        (site.app, JOB, backup, MARKUP[:64]),
    )


async def test_markup_in_stored_text_is_escaped_on_every_page(
    page_client: httpx.AsyncClient, api: Api, site: Site
) -> None:
    backup = put_backup(
        site,
        1,
        rows_per_table={MARKUP: 1},
        server_version=MARKUP,
        verification_error=MARKUP,
        schema_version=MARKUP,
        client_version=MARKUP,
        application_version=MARKUP,
        offsite_error=MARKUP,
    )
    # An unmanaged file may have any name that the file system allows.
    (site.backup_dir / (MARKUP.replace("/", "") + ".sql")).write_bytes(b"dump")
    hostile_jobs(site)
    hostile_mail(site)
    user_id = hostile_account(site)
    ((operator_id,),) = site.server.execute(f"SELECT operator_id FROM `{site.ops}`.`operator`")
    hostile_migrations(site)
    hostile_inspection(site, backup.name)
    await api.client.post("/api/auth/login", json={"login": MARKUP, "password": "x"})
    job, mail = f"/admin/jobs/{JOB}", f"/admin/mail/{MAIL}"
    at = f"/admin/backups/{backup.name}"
    without = {
        # These forms show no stored text.
        "/admin/restores/undo",
        f"{at}/unpin",
        f"{at}/delete",
    }
    for path in (
        "/admin",
        "/admin/backups",
        at,
        "/admin/jobs",
        job,
        f"{job}/live",
        f"{job}/progress",
        f"/admin/jobs/{DRY_RUN}",
        f"/admin/jobs/{DRY_RUN}/dry-run",
        f"{at}/restore",
        "/admin/audit",
        f"/admin/audit?search={MARKUP}&actor={MARKUP}",
        f"/admin/backups?search={MARKUP}",
        "/admin/mail",
        mail,
        f"{mail}/resend",
        f"{mail}/cancel",
        "/admin/users",
        f"/admin/users/{user_id}",
        f"/admin/users/{user_id}/deactivate",
        f"/admin/users/{user_id}/role?role=Curator",
        f"/admin/users/{user_id}/end-sessions",
        f"/admin/users?search={MARKUP}",
        "/admin/profile",
        "/admin/operators",
        f"/admin/operators/{operator_id}",
        "/admin/migrations",
        "/admin/inspections/look/drop",
        *without,
    ):
        answer = await page_client.get(path)
        assert answer.status_code == 200, path
        for dangerous in ("<img src=x", "<script>alert", "'<script", "<b>"):
            # The overview renders the names of its parts in bold.
            assert dangerous not in re.sub(r"<b>[A-Z][a-z ]+:</b>", "", answer.text), path
        if path not in without:
            assert "<script>alert(2)" in unescape(answer.text), "the text itself has to be there"
    body = (
        (await page_client.get(mail)).text.partition('id="rendered"')[2].partition("</details>")[0]
    )
    assert "<p>Hello <strong>you</strong>, <u>click</u>" in body
    for gone in ("<a ", "href", "<form", "<input", "style=", "evil.example", "position"):
        assert gone not in body, gone


@pytest.mark.parametrize("path", ["/account/register", "/account/sign-in", "/account/reset"])
async def test_markup_in_form_input_is_escaped(api: Api, path: str) -> None:
    sent = dict.fromkeys(("user_name", "email", "login", "first_name", "comment", "next"), MARKUP)
    answer = await api.client.post(path, data=sent, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code in (401, 422)
    for dangerous in ("<img src=x", "<script>alert", "'<script"):
        assert dangerous not in answer.text
    assert MARKUP in unescape(answer.text)
