"""``make pictures``: start a system, use it, and take the pictures of docs/pictures anew."""

import base64
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.e2e.clicks import create_backup, wait_for_job_end
from tests.support.browser import Visitor, chromium, visitor
from tests.support.local_run import REPOSITORY, LocalRun
from tests.support.system import System

PICTURES = REPOSITORY / "docs" / "pictures"
_QUALITY = 82
"""Percent, of WebP."""


def main() -> None:
    """Take all pictures."""
    expect.set_options(timeout=30_000)
    with tempfile.TemporaryDirectory(prefix="sysndd-pictures-") as folder:
        run = LocalRun(Path(folder))
        run.up()
        try:
            assert run.command("seed").returncode == 0
            with chromium() as browser:
                _take_all(browser, System(run.system, run))
        finally:
            run.command("reset", CONFIRM="yes")


def _take_all(browser: Browser, system: System) -> None:
    wide, phone = _operator(browser, system, "1440"), _operator(browser, system, "390")
    page = wide.page
    wide.go("/admin/backups")
    name = create_backup(page)
    _restore(wide, name)
    assert wait_for_job_end(page) == "succeeded"

    wide.go("/admin/mail")
    page.get_by_role("button", name="Test the connection").click()
    expect(page.locator("[data-smtp]")).to_have_attribute("data-smtp", "ok")
    _take(page, "mail")
    page.get_by_role("button", name="Send me a test email").click()
    page.wait_for_url("**/admin/mail/*")

    create_backup(page)
    with system.sql() as cursor:
        cursor.execute("DELETE FROM review_publication LIMIT 40")
        cursor.execute("UPDATE gene SET name = UPPER(name) LIMIT 25")
    _open_dialog(wide, name)
    page.locator("dialog[open]").get_by_role("button", name="Dry run").click()
    expect(page.locator("dialog[open]")).to_contain_text("The file is intact", timeout=60_000)
    _take(page, "restore")

    _restore(wide, name)
    _wait_for_loading(system)
    # The restore takes seconds: frozen, it can be photographed.
    with system.paused("backup-worker"):
        wide.go("/admin/backups")
        expect(page.locator("section.progress [data-state]").first).to_have_text("Running")
        _take(page, "backups")
        page.locator("section.progress a").first.click()
        page.wait_for_url("**/admin/jobs/*")
    assert wait_for_job_end(page) == "succeeded"
    page.reload()
    _take(page, "job")

    for visiting, picture in ((wide, "overview"), (phone, "phone")):
        visiting.go("/admin")
        _take(visiting.page, picture)


def _operator(browser: Browser, system: System, size: str) -> Visitor:
    operator = visitor(browser, system.base_url, size)
    operator.sign_in(**system.description["admin"])
    return operator


def _open_dialog(operator: Visitor, name: str) -> None:
    page = operator.go(f"/admin/backups/{name}")
    page.get_by_role("button", name="Restore…").click()
    expect(page.locator("dialog[open]")).to_contain_text("A safety backup is taken first")


def _restore(operator: Visitor, name: str) -> None:
    _open_dialog(operator, name)
    operator.page.locator("dialog input[name=confirm]").fill("RESTORE")
    operator.page.locator("dialog [data-gated]").click()


def _wait_for_loading(system: System) -> None:
    ops = system.description["database"]["ops_name"]
    deadline = time.monotonic() + 60
    with system.sql() as cursor:
        while not cursor.execute(f"SELECT 1 FROM `{ops}`.job WHERE step = 'loading'"):
            assert time.monotonic() < deadline, "the restore does not load"


def _take(page: Page, name: str) -> None:
    """Write the window as WebP, which Playwright does not offer (Page.captureScreenshot does)."""
    session = page.context.new_cdp_session(page)
    shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": _QUALITY})
    (PICTURES / f"{name}.webp").write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    main()
