"""The pages in a real browser against the running system: what an operator clicks."""

import hashlib
import os
import re
import secrets
import signal
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import System, poll
from tests.support.browser import SCHEMES, SIZES, Visitor, visitor

expect.set_options(timeout=30_000)

PASSWORD = "a walk along the river bank"
ADMIN_PAGES = {
    "overview": "/admin",
    "backups": "/admin/backups",
    "upload": "/admin/backups/upload",
    "jobs": "/admin/jobs",
    "migrations": "/admin/migrations",
    "mail": "/admin/mail",
    "users": "/admin/users",
    "audit": "/admin/audit",
    "undo": "/admin/restores/undo",
    "account": "/account",
}
OPEN_PAGES = {
    "sign-in": "/account/sign-in",
    "register": "/account/register",
    "mail-sent": "/account/mail-sent",
    "confirm": "/account/confirm?token=x",
    "confirm-again": "/account/confirm",
    "reset": "/account/reset",
    "reset-link": "/account/reset?token=x",
    "address": "/account/email?token=x",
}


def ended(page: Page) -> str:
    """Wait for the job on the page to end; return its state."""
    badge = page.locator("section.progress [data-state]").first
    expect(badge).to_have_text(re.compile("succeeded|failed|cancelled"), timeout=120_000)
    return badge.inner_text()


def back_up(page: Page) -> str:
    """Take a backup by the button; return its name."""
    page.goto(re.sub(r"(//[^/]+).*", r"\1/admin/backups", page.url))
    page.get_by_role("button", name="Backup now").click()
    bar = page.locator("section.progress progress")
    expect(bar).to_be_visible()
    assert ended(page) == "succeeded"
    expect(bar).to_have_attribute("value", "100")
    name = page.locator("section.progress h2 small").inner_text().strip()
    # The list below renews itself when the job has ended.
    expect(page.locator("#list tbody").get_by_text(name)).to_be_visible()
    return name


def test_back_up_download_restore_undo_delete(
    operator: Visitor, system: System, admin: httpx.Client, tmp_path: Path
) -> None:
    page = operator.page
    name = back_up(page)
    listed = {one["name"]: one for one in admin.get("/api/admin/backups").json()["data"]}
    assert listed[name]["proof"] == "proven"

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
    expect(dialog).to_contain_text("A safety backup comes first")
    dialog.get_by_role("button", name="Dry run").click()
    expect(dialog.locator("[data-dry-run]")).to_contain_text(
        "1 account would vanish: after_the_backup"
    )
    button, word = dialog.locator("[data-gated]"), dialog.locator("input[name=confirm]")
    for wrong in ("", "restore", "Restore", "RESTORE ", " RESTORE", "RESTORED"):
        word.fill(wrong)
        expect(button).to_be_disabled()
        word.press("Enter")
    assert admin.get("/api/admin/jobs?kind=restore_backup").json()["total"] == 0
    operator.look("restore-dialog")
    word.fill("RESTORE")
    button.click()
    # The steps as they happen, on the page that opens.
    expect(page.locator(".steps li").first).to_have_text("Check the file")
    assert ended(page) == "succeeded"
    assert count_users(system, "after_the_backup") == 0

    page.goto(system.base_url + "/admin/backups")
    page.get_by_role("link", name="Undo it…").click()
    expect(page.locator("dialog[open]")).to_contain_text("well under a second")
    page.locator("dialog input[name=confirm]").fill("UNDO")
    page.locator("dialog [data-gated]").click()
    expect(page.locator("section.progress")).to_contain_text("Undo of a restore")
    assert ended(page) == "succeeded"
    assert count_users(system, "after_the_backup") == 1

    pinned_then_deleted(operator, system, name, admin)


def pinned_then_deleted(operator: Visitor, system: System, name: str, admin: httpx.Client) -> None:
    page = operator.page
    page.goto(f"{system.base_url}/admin/backups/{name}")
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.locator("#outcome")).to_contain_text("pinned")
    operator.look("backup")
    page.get_by_role("button", name="Unpin").click()
    other = back_up(page)
    page.goto(f"{system.base_url}/admin/backups/{name}")
    page.get_by_role("button", name="Delete…").click()
    page.locator("dialog input[name=confirm]").fill("DELETE")
    page.locator("dialog [data-gated]").click()
    expect(page.locator("#outcome")).to_contain_text("deleted")
    names = {one["name"] for one in admin.get("/api/admin/backups").json()["data"]}
    assert name not in names
    assert other in names

    page.goto(system.base_url + "/admin/jobs")
    page.locator("#list tbody a").first.click()
    expect(page.locator(".log")).to_contain_text("job_succeeded")
    operator.look("job")


def count_users(system: System, name: str) -> int:
    with system.sql() as cursor:
        cursor.execute("SELECT COUNT(*) FROM `user` WHERE user_name = %s", (name,))
        return int(cursor.fetchall()[0][0])


def test_a_job_at_work_is_shown_cancelled_and_explained(
    operator: Visitor, system: System, admin: httpx.Client
) -> None:
    page = operator.page
    worker = system.pid("backup-worker")
    os.kill(worker, signal.SIGSTOP)
    try:
        job_id = admin.post("/api/admin/backups").json()["job_id"]
        # Somebody else asked for it; the page shows it when it opens, and nothing can be begun.
        page.goto(system.base_url + "/admin/backups")
        expect(page.locator("section.progress [data-state]")).to_have_text("queued")
        expect(page.get_by_role("button", name="Backup now")).to_be_disabled()
        # A lost connection is said, and forgotten when it is back.
        page.context.set_offline(True)
        expect(page.locator("#lost")).to_be_visible()
        page.wait_for_timeout(1500)
        page.context.set_offline(False)
        expect(page.locator("#lost")).to_be_hidden()
        operator.forgive("ERR_INTERNET_DISCONNECTED", "htmx:sendError", "htmx:afterRequest")
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#outcome")).to_contain_text("being cancelled")
        expect(page.locator("[data-state]").first).to_have_text("cancelled")
    finally:
        os.kill(worker, signal.SIGCONT)
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
    expect(notice).to_contain_text("What failed: backup at the step “dumping”")
    expect(notice).to_contain_text("Why: A backup needs about 9,000 bytes")
    expect(notice).to_contain_text("What to do: Make room")
    operator.look("failed-job")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url(re.compile(r"/admin/jobs/(?!" + job_id + ")"))
    assert ended(page) == "succeeded"


def test_registered_confirmed_promoted_and_signed_out(
    operator: Visitor, browser: Browser, system: System
) -> None:
    name = f"reader_{secrets.token_hex(3)}"
    person = visitor(browser, system.base_url)
    person.go("/account/register")
    person.page.fill("#user_name", name)
    person.page.fill("#email", f"{name}@sysndd.example")
    person.page.fill("#password", PASSWORD)
    person.page.locator("main form button").click()
    expect(person.page.get_by_role("heading", name="Look into your mailbox")).to_be_visible()

    link = mailed_link(system, f"{name}@sysndd.example", "confirm")
    # A mail scanner looks first; that uses nothing up.
    assert httpx.get(link).status_code == 200
    person.page.goto(link)
    assert "token" not in person.page.url
    person.page.get_by_role("button", name="Confirm my address").click()
    status = person.page.locator("[data-status]").get_attribute("data-status")
    page = operator.page
    page.goto(f"{system.base_url}/admin/users?search={name}")
    page.get_by_role("link", name=name).click()
    if status == "awaiting_approval":
        page.get_by_role("button", name="Approve").click()
    expect(page.locator("[data-state]")).to_have_text("Active")

    person.sign_in(name, PASSWORD)
    assert person.go("/admin").get_by_text("for administrators").is_visible()
    page.reload()
    expect(page.get_by_text("Nobody is signed in")).not_to_be_visible()
    page.get_by_label("Role").select_option("Curator")
    page.get_by_role("button", name="Change the role").click()
    expect(page.locator("#outcome")).to_contain_text("role is changed")
    person.go("/account")
    assert "/account/sign-in" in person.page.url
    person.sign_in(name, PASSWORD)
    page.reload()
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_text("Nobody is signed in")).to_be_visible()
    operator.look("user")
    person.go("/account")
    assert "/account/sign-in" in person.page.url

    person.go("/account/reset")
    person.page.fill("#email", f"{name}@sysndd.example")
    person.page.locator("main form button").click()
    person.page.goto(mailed_link(system, f"{name}@sysndd.example", "reset"))
    assert "token" not in person.page.url
    person.page.fill("#password", PASSWORD + " again")
    person.page.locator("main form button").click()
    expect(person.page.locator("#outcome")).to_contain_text("new password is set")
    person.sign_in(name, PASSWORD + " again")
    # The only complaint: the page for administrators was refused on purpose.
    person.forgive("403")
    assert not person.complaints, "\n".join(person.complaints)
    person.page.context.close()


def mailed_link(system: System, recipient: str, page: str) -> str:
    """Wait for the mail to somebody and return its link to a page."""
    mail_url = system.description["mail_url"]
    for _ in range(600):
        found = httpx.get(f"{mail_url}/api/v1/messages?limit=50").json()["messages"]
        for one in found:
            if recipient not in {to["Address"] for to in one["To"]}:
                continue
            text = httpx.get(f"{mail_url}/api/v1/message/{one['ID']}").json()["Text"]
            match = re.search(rf"https?://\S+/account/{page}\?token=\S+", text)
            if match:
                return (
                    system.base_url
                    + match.group(0).partition("/account")[1]
                    + (match.group(0).partition("/account")[2])
                )
        signal.sigtimedwait([], 0.1)
    raise AssertionError(f"no mail with a link to {page} came for {recipient}")


def test_the_mail_server_is_tested_sound_and_broken(operator: Visitor, system: System) -> None:
    page = operator.page
    operator.go("/admin/mail")
    page.get_by_role("button", name="Test the connection").click()
    expect(page.locator("[data-smtp]")).to_have_attribute("data-smtp", "ok")
    operator.look("mail-tested")
    page.get_by_role("button", name="Send me a test message").click()
    expect(page.locator(".heading [data-state]")).to_be_visible()
    for _ in range(100):
        if page.locator(".heading [data-state]").inner_text() == "sent":
            break
        page.wait_for_timeout(200)
        page.reload()
    expect(page.locator("#rendered")).to_contain_text("whether mail works")
    operator.look("mail-detail")

    catcher = system.pid("mail-catcher")
    os.kill(catcher, signal.SIGSTOP)
    try:
        operator.go("/admin/mail")
        page.get_by_role("button", name="Test the connection").click()
        broken = page.locator("[data-smtp]:not([data-smtp=ok])")
        expect(broken).to_be_visible(timeout=30_000)
        expect(broken).to_contain_text("What to do:")
        expect(page.locator("#smtp table")).to_contain_text("failed")
        operator.look("mail-broken")
    finally:
        os.kill(catcher, signal.SIGCONT)


def test_an_upload_is_sent_read_and_listed(
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
    assert ended(page) == "succeeded"
    operator.go("/admin/backups?kind=uploaded")
    expect(page.locator("#list tbody tr")).to_have_count(1)
    file.write_bytes(b"\x28\xb5\x2f\xfd this is no dump")
    operator.go("/admin/backups/upload")
    page.set_input_files("#file", file)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url(re.compile("/admin/jobs/"))
    assert ended(page) == "failed"
    expect(page.locator(".notice.fail")).to_contain_text("What to do:")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_every_page_in_both_sizes_and_schemes(
    browser: Browser, system: System, admin: httpx.Client, size: str, scheme: str
) -> None:
    if not admin.get("/api/admin/backups").json()["total"]:
        poll(admin, admin.post("/api/admin/backups"))
    backup = admin.get("/api/admin/backups").json()["data"][0]["name"]
    job = admin.get("/api/admin/jobs").json()["data"][0]["id"]
    window = visitor(browser, system.base_url, size, scheme)
    # Axe takes a second a page: once in each size and once in each scheme.
    rules = (size, scheme) in {("390", "light"), ("1440", "dark")}
    for name, path in OPEN_PAGES.items():
        window.go(path)
        window.look(f"{name}-{size}-{scheme}", rules=rules)
    window.sign_in(**system.description["admin"])
    pages = ADMIN_PAGES | {
        "backup": f"/admin/backups/{backup}",
        "delete": f"/admin/backups/{backup}/delete",
        "restore": f"/admin/backups/{backup}/restore",
        "job": f"/admin/jobs/{job}",
    }
    for name, path in pages.items():
        window.go(path)
        window.look(f"{name}-{size}-{scheme}", rules=rules)
    shown = window.page.locator("time").first
    # The reader's own zone, and UTC to hover over.
    assert (shown.get_attribute("title") or "").endswith(" UTC")
    assert not window.complaints, "\n".join(window.complaints)
    window.page.context.close()
