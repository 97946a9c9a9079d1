"""The pages of backups in a real browser against the running system."""

import hashlib
import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.clicks import confirm_action, create_backup, open_confirmation, wait_for_job_end
from tests.support.addresses import every_page, existing_objects
from tests.support.browser import SCHEMES, SIZES, Visitor, visitor
from tests.support.system import System, poll


def test_a_backup_is_created_downloaded_restored_undone_and_deleted(
    operator: Visitor, system: System, admin: httpx.Client, tmp_path: Path
) -> None:
    page = operator.page
    name = create_backup(page)
    listed = {one["name"]: one for one in admin.get("/api/admin/backups").json()["data"]}
    assert listed[name]["verification"] == "verified"

    with page.expect_download() as started:
        page.get_by_role("link", name=f"Download {name}").click()
    started.value.save_as(tmp_path / "dump")
    digest = hashlib.sha256((tmp_path / "dump").read_bytes()).hexdigest()
    assert digest == listed[name]["sha256"]

    with system.sql() as cursor:
        cursor.execute(
            "INSERT INTO `user` (user_name, email, role, state, created_at) VALUES"
            " ('after_the_backup', 'after@sysndd.example', 'Viewer', 'active', UTC_TIMESTAMP(6))"
        )
    page.get_by_role("link", name=f"Restore {name}").click()
    dialog = page.locator("dialog[open]")
    expect(dialog.get_by_role("row", name=re.compile("^user"))).to_contain_text("-1")
    expect(dialog).to_contain_text("A safety backup is taken first")
    dialog.get_by_role("button", name="Dry run").click()
    expect(dialog.locator("[data-dry-run]")).to_contain_text(
        "1 account would be removed: after_the_backup"
    )
    before = admin.get("/api/admin/jobs?kind=restore_backup").json()["total"]
    button, word = dialog.locator("[data-gated]"), dialog.locator("input[name=confirm]")
    for wrong in ("", "restore", "Restore", "RESTORE ", " RESTORE", "RESTORED"):
        word.fill(wrong)
        expect(button).to_be_disabled()
        word.press("Enter")
    tampered = page.evaluate(
        "at => fetch(at, {method: 'POST', body: new URLSearchParams({confirm: 'Restore'})})"
        ".then(answer => answer.status)",
        f"/admin/backups/{name}/restore",
    )
    assert tampered == 422
    operator.ignore_complaints("422")
    assert admin.get("/api/admin/jobs?kind=restore_backup").json()["total"] == before
    operator.check_page("restore-dialog")
    word.fill("RESTORE")
    button.click()
    # The page that opens shows each step as it happens.
    expect(page.locator(".steps li").first).to_have_text("Check file")
    assert wait_for_job_end(page) == "succeeded"
    assert count_users(system, "after_the_backup") == 0

    page.goto(system.base_url + "/admin/backups")
    page.get_by_role("link", name="Undo restore…").click()
    expect(page.locator("dialog[open]")).to_contain_text("less than a second")
    page.locator("dialog input[name=confirm]").fill("UNDO")
    page.locator("dialog [data-gated]").click()
    expect(page.locator("section.progress")).to_contain_text("Undo restore")
    assert wait_for_job_end(page) == "succeeded"
    assert count_users(system, "after_the_backup") == 1

    pinned_then_deleted(operator, system, name, admin)


def pinned_then_deleted(operator: Visitor, system: System, name: str, admin: httpx.Client) -> None:
    page = operator.page
    page.goto(f"{system.base_url}/admin/backups/{name}")
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.locator("#outcome")).to_contain_text("Backup pinned.")
    operator.check_page("backup")
    confirm_action(page, "Unpin", "Unpin")
    expect(page.locator("#outcome")).to_contain_text("Backup unpinned.")
    other = create_backup(page)
    page.goto(f"{system.base_url}/admin/backups/{name}")
    page.get_by_role("button", name="Delete…").click()
    page.locator("dialog input[name=confirm]").fill("DELETE")
    page.locator("dialog [data-gated]").click()
    expect(page.locator("#outcome")).to_contain_text("Backup deleted.")
    names = {one["name"] for one in admin.get("/api/admin/backups").json()["data"]}
    assert name not in names
    assert other in names

    page.goto(system.base_url + "/admin/jobs")
    page.locator("#list tbody a").first.click()
    expect(page.locator(".log")).to_contain_text("job_succeeded")
    operator.check_page("job")


def count_users(system: System, name: str) -> int:
    with system.sql() as cursor:
        cursor.execute("SELECT COUNT(*) FROM `user` WHERE user_name = %s", (name,))
        return int(cursor.fetchall()[0][0])


def test_a_running_job_is_shown_and_can_be_cancelled(
    operator: Visitor, system: System, admin: httpx.Client
) -> None:
    page = operator.page
    with system.paused("backup-worker"):
        job_id = admin.post("/api/admin/backups").json()["job_id"]
        # Another client requested the job: the page shows it, and no second job can be started.
        page.goto(system.base_url + "/admin/backups")
        expect(page.locator("section.progress [data-state]")).to_have_text("Queued")
        expect(page.get_by_role("button", name="Back up now")).to_be_disabled()
        # A lost connection is reported until it is restored.
        page.context.set_offline(True)
        expect(page.locator("#lost")).to_be_visible()
        page.wait_for_timeout(1500)
        page.context.set_offline(False)
        expect(page.locator("#lost")).to_be_hidden()
        operator.ignore_complaints(
            "ERR_INTERNET_DISCONNECTED", "htmx:sendError", "htmx:afterRequest"
        )
        # The dialog describes the effects, and cancelling it changes nothing.
        dialog = open_confirmation(page, "Cancel")
        expect(dialog).to_contain_text("It will not start.")
        operator.check_page("question")
        dialog.get_by_role("button", name="Keep running").click()
        assert admin.get(f"/api/admin/jobs/{job_id}").json()["state"] == "queued"
        confirm_action(page, "Cancel", "Cancel job")
        expect(page.locator("#outcome")).to_contain_text("being cancelled")
        expect(page.locator("[data-state]").first).to_have_text("Cancelled")
    with system.sql() as cursor:
        cursor.execute(
            f"UPDATE `{system.description['database']['ops_name']}`.job SET state = 'failed',"
            " error_code = 'insufficient_storage', step = 'dumping', error ="
            " 'A backup needs about 9,000 bytes and the backup directory has 12 free.'"
            " WHERE id = %s",
            (job_id,),
        )
    page.goto(system.base_url + "/admin/backups")
    notice = page.locator("section.progress .notice.fail")
    expect(notice).to_contain_text("What failed: Backup at “Dump”")
    expect(notice).to_contain_text("Why: A backup needs about 9,000 bytes")
    expect(notice).to_contain_text("What to do: Free some disk space")
    operator.check_page("failed-job")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url(re.compile(r"/admin/jobs/(?!" + job_id + ")"))
    assert wait_for_job_end(page) == "succeeded"


def test_an_uploaded_dump_is_checked_and_listed(
    operator: Visitor, system: System, admin: httpx.Client, tmp_path: Path
) -> None:
    if not admin.get("/api/admin/backups").json()["total"]:
        poll(admin, admin.post("/api/admin/backups"))
    name = admin.get("/api/admin/backups").json()["data"][0]["name"]
    file = tmp_path / "from-elsewhere.sql.zst"
    file.write_bytes(admin.get(f"/api/admin/backups/{name}/download").content)
    page = operator.go("/admin/backups/upload")
    page.set_input_files("#file", file)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url(re.compile("/admin/jobs/"))
    assert wait_for_job_end(page) == "succeeded"
    operator.go("/admin/backups?kind=uploaded")
    expect(page.locator("#list tbody tr")).to_have_count(1)
    file.write_bytes(b"\x28\xb5\x2f\xfd this is no dump")
    operator.go("/admin/backups/upload")
    page.set_input_files("#file", file)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url(re.compile("/admin/jobs/"))
    assert wait_for_job_end(page) == "failed"
    expect(page.locator(".notice.fail")).to_contain_text("What to do:")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_every_page_is_accessible_in_both_sizes_and_color_schemes(
    browser: Browser, system: System, admin: httpx.Client, size: str, scheme: str
) -> None:
    if not admin.get("/api/admin/backups").json()["total"]:
        poll(admin, admin.post("/api/admin/backups"))
    name = admin.get("/api/admin/backups").json()["data"][0]["name"]
    window = visitor(browser, system.base_url, size, scheme)
    window.sign_in(**system.description["admin"])
    names = {
        "app": system.app,
        "ops": system.description["database"]["ops_name"],
        "login": system.description["admin"]["login"],
    }
    with system.sql() as cursor, existing_objects(cursor, **names) as values:
        for address in every_page(values | {"name": name}):
            answer = window.page.goto(system.base_url + address.path)
            assert answer is not None
            assert answer.status == 200, address
            window.check_page(f"{address.name}-{size}-{scheme}")
    shown = window.go("/admin/backups").locator("time").first
    # The time is in the reader's time zone; the title is in UTC.
    assert (shown.get_attribute("title") or "").endswith(" UTC")
    assert not window.complaints, "\n".join(window.complaints)
    window.page.context.close()
