"""The pages in a real browser: cross-site requests, no JavaScript, keyboard only."""

import http.server
import re
import threading

import httpx
import pytest
from playwright.sync_api import Browser, Route, expect

from tests.support.browser import Visitor
from tests.support.system import System, poll


class _Foreign(http.server.BaseHTTPRequestHandler):
    """A page of another site that submits a form to the API as soon as it opens."""

    target = ""

    def do_GET(self) -> None:
        body = (
            f'<form method="post" action="{self.target}/admin/backups"></form>'
            "<script>document.forms[0].submit()</script>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Suppress the request log."""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_cross_site_requests_are_rejected(
    operator: Visitor, system: System, admin: httpx.Client, host: str
) -> None:
    # Another port is another origin of the same site, so the browser sends the cookie. Another
    # name is another site.
    handler = type("Foreign", (_Foreign,), {"target": system.base_url})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        before = admin.get("/api/admin/jobs").json()["total"]
        operator.page.goto(f"http://{host}:{server.server_port}/")
        operator.page.wait_for_url(system.base_url + "/admin/backups")
        expect(operator.page.locator("body")).to_contain_text("cross_site_request")
        assert admin.get("/api/admin/jobs").json()["total"] == before
        operator.ignore_complaints("foreign:", "403", "policy of http")
    finally:
        server.shutdown()
        server.server_close()


def test_a_late_style_sheet_does_not_violate_the_content_security_policy(
    operator: Visitor, system: System
) -> None:
    page = operator.go("/admin/backups")

    def hold_back(route: Route) -> None:
        page.wait_for_timeout(400)
        route.continue_()

    sheets = page.locator("link[rel=stylesheet]").evaluate_all("all => all.map(one => one.href)")
    assert sheets
    for late in sheets:
        page.route(late, hold_back)
        page.reload(wait_until="commit")
        for _ in range(10):
            page.evaluate("document.body && document.body.offsetHeight")
            page.wait_for_timeout(100)
        page.unroute(late)
    page.wait_for_load_state()


def test_the_pages_work_without_javascript(
    browser: Browser, system: System, admin: httpx.Client
) -> None:
    if not admin.get("/api/admin/backups").json()["total"]:
        poll(admin, admin.post("/api/admin/backups"))
    context = browser.new_context(
        java_script_enabled=False, ignore_https_errors=system.base_url.startswith("https:")
    )
    page = context.new_page()
    page.goto(system.base_url + "/account/sign-in?next=/admin/backups")
    page.fill("#login", system.description["admin"]["login"])
    page.fill("#password", system.description["admin"]["password"])
    page.locator("main form button").click()
    page.wait_for_url("**/admin/backups")
    page.locator("#list tbody").get_by_role("link", name=re.compile("^Restore")).first.click()
    page.locator("input[name=confirm]").fill("restore")
    page.get_by_role("button", name="Restore").click()
    # The browser rejects the confirmation by its pattern: the page stays open.
    assert page.url.endswith("/restore")
    assert "UTC" in page.locator("time").first.inner_text()
    page.get_by_role("button", name="Dry run").click()
    page.wait_for_url("**/admin/jobs/*")
    for _ in range(100):
        if page.locator("[data-dry-run]").count():
            break
        page.wait_for_timeout(200)
        page.reload()
    expect(page.locator("[data-dry-run]")).to_contain_text("The file is intact.")
    # Without JavaScript, a confirmation is a separate page.
    page.goto(system.base_url + "/account")
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(page.locator("main")).to_contain_text("What can be undone")
    page.get_by_role("button", name="Sign out everywhere").click()
    page.wait_for_url("**/account/sign-in*")
    context.close()


def test_a_restore_can_be_requested_with_the_keyboard_alone(
    operator: Visitor, admin: httpx.Client
) -> None:
    if not admin.get("/api/admin/backups").json()["total"]:
        poll(admin, admin.post("/api/admin/backups"))
    name = admin.get("/api/admin/backups").json()["data"][0]["name"]
    page = operator.go(f"/admin/backups/{name}")
    keys = page.keyboard
    # The first tab stop skips the navigation.
    keys.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to main content")
    keys.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for _ in range(12):
        keys.press("Tab")
        if page.locator(":focus").inner_text() == "Restore…":
            break
    opener = page.get_by_role("button", name="Restore…")
    expect(opener).to_be_focused()
    # The space bar activates the button; the focus is then on the confirmation field.
    keys.press("Space")
    dialog = page.locator("dialog[open]")
    expect(dialog.locator("input[name=confirm]")).to_be_focused()
    expect(dialog.locator("[data-gated]")).to_be_disabled()
    keys.type("RESTORE")
    expect(dialog.locator("[data-gated]")).to_be_enabled()
    # Nothing behind the dialog can be focused, and Escape returns the focus to the button.
    for _ in range(8):
        keys.press("Tab")
        inside = page.evaluate(
            "document.activeElement === document.body"
            " || document.getElementById('dialog').contains(document.activeElement)"
        )
        assert inside
    keys.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()


def test_a_slow_request_shows_that_it_is_in_progress(
    operator: Visitor, system: System, admin: httpx.Client
) -> None:
    if not admin.get("/api/admin/backups").json()["total"]:
        poll(admin, admin.post("/api/admin/backups"))
    name = admin.get("/api/admin/backups").json()["data"][0]["name"]
    page = operator.go(f"/admin/backups/{name}")
    with system.sql() as cursor:
        # Its rows cannot be counted while another session holds a write lock.
        cursor.execute("LOCK TABLES review WRITE")
        page.get_by_role("button", name="Restore…").click()
        dialog = page.locator("dialog[open]")
        expect(dialog).to_contain_text("Counting the rows of each table")
        operator.check_page("waiting")
        cursor.execute("UNLOCK TABLES")
    expect(dialog).to_contain_text("A safety backup is taken first")
    expect(dialog.locator("input[name=confirm]")).to_be_focused()
