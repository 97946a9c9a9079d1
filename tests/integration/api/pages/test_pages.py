"""The pages over HTTP: access, cross-site requests, confirmations and security headers."""

import csv
import io
import re
from datetime import timedelta

import httpx

from sysndd_api.jobs.service import Jobs
from sysndd_api.security.credentials import SESSION_COOKIE
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.db.database import Database
from sysndd_core.jobs.models import CreateBackup, RestoreBackup
from tests.support.accounts import add_site_user
from tests.support.http import PASSWORD, Api, sign_in
from tests.support.pages import FROM_HERE, MARKUP, put_backup
from tests.support.site import Site


async def test_an_anonymous_visitor_signs_in_and_returns_to_the_page(api: Api) -> None:
    answer = await api.client.get("/admin/backups")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/account/sign-in?next=%2Fadmin%2Fbackups"
    form = await api.client.get(answer.headers["location"])
    assert 'name="next" value="/admin/backups"' in form.text
    sent = {"login": "admin", "password": PASSWORD, "next": "/admin/backups"}
    signed_in = await api.client.post("/account/sign-in", data=sent, headers=FROM_HERE)
    assert signed_in.status_code == 303
    assert signed_in.headers["location"] == "/admin/backups"
    cookie = signed_in.headers["set-cookie"]
    for word in (SESSION_COOKIE, "HttpOnly", "Secure", "Path=/", "SameSite=lax"):
        assert word in cookie

    elsewhere = sent | {"next": "//evil.example/"}
    answer = await api.client.post("/account/sign-in", data=elsewhere, headers=FROM_HERE)
    assert answer.headers["location"] == "/admin"


async def test_a_wrong_password_shows_the_form_with_the_name_and_no_details(api: Api) -> None:
    sent = {"login": f"admin{MARKUP}", "password": "wrong"}
    answer = await api.client.post("/account/sign-in", data=sent, headers=FROM_HERE)
    assert answer.status_code == 401
    assert "invalid_credentials" in answer.text
    assert "<script>alert" not in answer.text
    assert "set-cookie" not in answer.headers


async def test_the_admin_pages_are_for_operators_only(api: Api, site: Site) -> None:
    add_site_user(site, "curator", "Curator")
    token = await sign_in(api.client, "curator")
    headers = {"Cookie": f"{SESSION_COOKIE}={token}", **FROM_HERE}
    for path in ("/admin", "/admin/backups", "/admin/audit.csv", "/admin/nothing"):
        answer = await api.client.get(path, headers=headers)
        assert answer.status_code == 403, path
    answer = await api.client.post("/admin/backups", headers=headers)
    assert answer.status_code == 403


FOREIGN = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://sysndd.example"},
)


async def test_a_request_from_another_site_changes_nothing(
    page_client: httpx.AsyncClient, site: Site
) -> None:
    backup = put_backup(site, 1)
    forms = {
        "/admin/backups": {},
        f"/admin/backups/{backup.name}/delete": {"confirm": "DELETE"},
        f"/admin/backups/{backup.name}/restore": {"confirm": "RESTORE"},
        f"/admin/backups/{backup.name}/pin": {},
        "/account/sign-in": {"login": "admin", "password": PASSWORD},
        "/account/sign-out": {},
    }
    for headers in FOREIGN:
        for path, form in forms.items():
            answer = await page_client.post(path, data=form, headers=headers)
            assert answer.status_code == 403, path
            assert "cross_site_request" in answer.text
            assert "set-cookie" not in answer.headers
    assert site.server.execute(f"SELECT COUNT(*) FROM `{site.ops}`.job")[0][0] == 0
    assert BackupDirectory(site.backup_dir).manifest(backup.name) == backup
    assert (await page_client.get("/admin")).status_code == 200


async def test_the_server_rejects_every_other_confirmation(
    page_client: httpx.AsyncClient, site: Site
) -> None:
    backup = put_backup(site, 1)
    at = f"/admin/backups/{backup.name}/restore"
    for word in ("restore", "Restore", "RESTORE ", " RESTORE", "", "ＲＥＳＴＯＲＥ"):
        answer = await page_client.post(at, data={"confirm": word})
        assert answer.status_code == 422, word
        assert "confirmation_required" in answer.text
    for word in ("no administrator", "NO ADMINISTRATOR ", "no_administrator", "RESTORE"):
        form = {"confirm": "RESTORE", "accept_no_administrator": word}
        answer = await page_client.post(at, data=form)
        assert answer.status_code == 422, word
        assert "confirmation_required" in answer.text
    assert site.server.execute(f"SELECT COUNT(*) FROM `{site.ops}`.job")[0][0] == 0


async def test_every_page_and_asset_has_security_headers(
    page_client: httpx.AsyncClient, site: Site
) -> None:
    backup = put_backup(site, 1)
    for path in (
        "/admin",
        "/admin/backups",
        f"/admin/backups/{backup.name}",
        "/admin/jobs",
        f"/admin/backups/{backup.name}/restore",
        "/admin/migrations",
        "/admin/audit",
        "/admin/restores/undo",
        "/account/sign-in",
        "/admin/nothing",
        "/account/nothing",
    ):
        answer = await page_client.get(path)
        assert answer.status_code == (404 if path.endswith("nothing") else 200), path
        policy = answer.headers["content-security-policy"]
        assert "unsafe-" not in policy
        assert "default-src 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["content-encoding"] == "gzip"
    asset = re.search(r'href="(/admin/static/pages\.css\?v=\w+)"', answer.text)
    assert asset is not None
    known = await page_client.get(asset.group(1))
    assert known.headers["cache-control"] == "public, max-age=31536000, immutable"
    again = await page_client.get(asset.group(1), headers={"If-None-Match": known.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    old = await page_client.get("/admin/static/pages.css?v=0")
    assert old.headers["cache-control"] == "no-cache"
    assert (await page_client.get("/admin/static/../routes.py")).status_code == 404


async def test_the_audit_log_can_be_filtered_and_exported(
    page_client: httpx.AsyncClient, site: Site
) -> None:
    for number in range(1, 4):
        put_backup(site, number)
    name = BackupDirectory(site.backup_dir).manifests()[0].name
    await page_client.post(f"/admin/backups/{name}/pin")
    site.server.execute(f"UPDATE `{site.ops}`.audit_log SET actor_name = '=1+1'")
    answer = await page_client.get("/admin/audit.csv?action=pin_backup")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["action"] for row in rows] == ["pin_backup"]
    assert rows[0]["object"] == name
    # A spreadsheet would evaluate it as a formula.
    assert rows[0]["actor_name"] == "'=1+1"
    page = await page_client.get("/admin/audit?action=sign_in")
    assert "Backup pinned" not in re.sub(r"<option.*?</option>", "", page.text)
    wrong = await page_client.get("/admin/audit?since=yesterday&page=-3")
    assert wrong.status_code == 200


async def test_a_failed_job_can_be_retried_unless_it_is_a_restore(
    page_client: httpx.AsyncClient, api: Api, site: Site
) -> None:
    ids = []
    for job in (CreateBackup(), RestoreBackup(name="manual_x.sql.zst")):
        async with api.context[Database].transaction() as tx:
            ids.append(await api.context[Jobs]._rows.submit(tx, job, requested_by=None))
        site.server.execute(
            f"UPDATE `{site.ops}`.job SET state = 'failed', error_code = 'dump_failed',"
            " error = 'The disk is full.', finished_at = UTC_TIMESTAMP(6) WHERE id = %s",
            (ids[-1],),
        )
    page = await page_client.get(f"/admin/jobs/{ids[0]}")
    assert "The disk is full." in page.text
    assert "What to do:" in page.text
    refused = await page_client.post(f"/admin/jobs/{ids[1]}/retry")
    assert (refused.status_code, "job_not_retryable" in refused.text) == (409, True)
    again = await page_client.post(f"/admin/jobs/{ids[0]}/retry")
    assert again.status_code == 303
    new_id = again.headers["location"].rpartition("/")[2]
    assert new_id not in ids
    # One job is queued, so a second is refused and the page links to the first.
    busy = await page_client.post("/admin/backups")
    assert busy.status_code == 409
    assert f'href="/admin/jobs/{new_id}"' in busy.text


async def test_pages_stay_small_with_1000_backups_and_10000_jobs(
    page_client: httpx.AsyncClient, site: Site
) -> None:
    first = put_backup(site, 0)
    for number in range(1, 1000):
        created = first.created_at + timedelta(hours=number)
        one = first.model_copy(
            update={
                "name": f"manual_{created:%Y%m%dT%H%M%SZ}_{number:08x}.sql.zst",
                "created_at": created,
                "rows_per_table": {f"table_{table}": table for table in range(30)},
            }
        )
        (site.backup_dir / one.name).write_bytes(b"dump")
        (site.backup_dir / f"{one.name}.json").write_text(one.to_json(), encoding="utf-8")
    values = ", ".join(
        f"(UUID(), 'create_backup', 'backup', 'succeeded', '{{}}', UTC_TIMESTAMP(6),"
        f" UTC_TIMESTAMP(6) - INTERVAL {number} MINUTE, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
        for number in range(1000)
    )
    for _ in range(10):
        site.server.execute(
            f"INSERT INTO `{site.ops}`.job (id, kind, queue, state, payload, run_after, created_at,"
            f" started_at, finished_at) VALUES {values}"
        )
    for path in ("/admin", "/admin/backups", "/admin/jobs", f"/admin/backups/{one.name}"):
        answer = await page_client.get(path)
        weight = int(answer.headers["content-length"])
        for asset in set(re.findall(r'(?:href|src)="(/admin/static/[^"]+)"', answer.text)):
            weight += int((await page_client.get(asset)).headers["content-length"])
        assert weight < 150_000, path
    assert "1,000 backups" in (await page_client.get("/admin/backups")).text
    assert "10,000 jobs" in (await page_client.get("/admin/jobs")).text
