"""The distribution's Chromium, driven by Playwright, and its complaints."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    Response,
    sync_playwright,
)

from tests.support.site import REPOSITORY

SIZES = {"390": {"width": 390, "height": 844}, "1440": {"width": 1440, "height": 900}}
SCHEMES = ("light", "dark")
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", REPOSITORY / ".run" / "screenshots"))
"""The folder for screenshots of pages; git ignores `.run`."""

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_STRICT = {"serious", "critical"}


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser; if it is missing, the error shows the command that installs it."""
    program = shutil.which("chromium")
    assert program is not None, "apt-get install -y --no-install-recommends chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield browser
        browser.close()


@dataclass
class Visitor:
    """The window of one visitor, and the problems in it.

    Attributes:
        page: Playwright's page.
        base_url: URL of the site; a request to another URL is a complaint.
        complaints: console errors, script errors, foreign requests, weak security policies.
        sizes: transferred bytes by URL, bodies as sent.
    """

    page: Page
    base_url: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("request", self._request)
        self.page.on("response", self._response)

    def go(self, path: str) -> Page:
        """Open a page of the site."""
        self.page.goto(self.base_url + path)
        return self.page

    def sign_in(self, login: str, password: str) -> None:
        """Sign in with the form."""
        self.go("/account/sign-in")
        self.page.fill("#login", login)
        self.page.fill("#password", password)
        self.page.click("main form button")
        self.page.wait_for_url(re.compile(r"/(admin|account)$"))

    def ignore_complaints(self, *words: str) -> None:
        """Drop complaints that a test caused on purpose."""
        self.complaints = [one for one in self.complaints if not any(word in one for word in words)]

    def check_page(self, name: str) -> None:
        """Check the width and, with axe, the accessibility of the open page; save a screenshot."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
        self._apply_rules(name)
        wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            self.complaints.append(f"{name}: {wide} px wider than the window")

    def _apply_rules(self, name: str) -> None:
        violations: list[dict[str, Any]] = Axe().run(self.page).response["violations"]
        for one in violations:
            if one["impact"] in _STRICT:
                where = [node["target"] for node in one["nodes"]][:3]
                self.complaints.append(f"{name}: {one['id']} ({one['impact']}) at {where}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        # No page of the site opens one, so a foreign script ran.
        self.complaints.append(f"script: {dialog.type} {dialog.message!r}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.base_url).netloc:
            self.complaints.append(f"foreign: {request.url}")

    def _response(self, response: Response) -> None:
        if "text/html" not in response.headers.get("content-type", ""):
            return
        policy = response.headers.get("content-security-policy", "")
        if "default-src 'none'" not in policy or "unsafe-" in policy:
            self.complaints.append(f"policy of {response.url}: {policy!r}")


def visitor(browser: Browser, base_url: str, size: str = "1440", scheme: str = "light") -> Visitor:
    """Open a window without cookies of other windows."""
    context = browser.new_context(
        viewport={"width": SIZES[size]["width"], "height": SIZES[size]["height"]},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        timezone_id="Asia/Tokyo",
        # The certificate is self-signed; other clients verify it.
        ignore_https_errors=base_url.startswith("https:"),
    )
    context.set_default_timeout(60_000)
    return Visitor(context.new_page(), base_url)
