"""The pages against other sites' pages, and without their script, in a real browser."""

import http.server
import re
import threading

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import System, poll
from tests.support.browser import Visitor


class _Foreign(http.server.BaseHTTPRequestHandler):
    """Another site's page: it sends a form to ours as soon as it is open."""

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
        """Nothing that the tests' output needs."""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_site_can_send_nothing_in_somebodys_name(
    operator: Visitor, system: System, admin: httpx.Client, host: str
) -> None:
    # Another port is another origin of the same site: the cookie comes along. Another name is
    # another site.
    handler = type("Foreign", (_Foreign,), {"target": system.base_url})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        before = admin.get("/api/admin/jobs").json()["total"]
        operator.page.goto(f"http://{host}:{server.server_port}/")
        operator.page.wait_for_url(system.base_url + "/admin/backups")
        expect(operator.page.locator("body")).to_contain_text("cross_site_request")
        assert admin.get("/api/admin/jobs").json()["total"] == before
        operator.forgive("foreign:", "403", "policy of http")
    finally:
        server.shutdown()
        server.server_close()


def test_works_without_javascript(browser: Browser, system: System, admin: httpx.Client) -> None:
    if not admin.get("/api/admin/backups").json()["total"]:
        poll(admin, admin.post("/api/admin/backups"))
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(system.base_url + "/account/sign-in?next=/admin/backups")
    page.fill("#login", system.description["admin"]["login"])
    page.fill("#password", system.description["admin"]["password"])
    page.locator("main form button").click()
    page.wait_for_url("**/admin/backups")
    page.locator("#list tbody").get_by_role("link", name=re.compile("^Restore")).first.click()
    page.locator("input[name=confirm]").fill("restore")
    page.get_by_role("button", name="Restore").click()
    # The browser itself refuses the word by its pattern: still on the page of the question.
    assert page.url.endswith("/restore")
    assert "UTC" in page.locator("time").first.inner_text()
    context.close()
