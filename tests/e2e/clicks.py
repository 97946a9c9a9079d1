"""Steps that several tests of the pages perform in the browser."""

import re
import time

import httpx
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import Visitor
from tests.support.system import System

PASSWORD = "a walk along the river bank"


def wait_for_job_end(page: Page) -> str:
    """Wait for the job on the page to end; return its state."""
    badge = page.locator("section.progress [data-state]").first
    expect(badge).to_have_text(re.compile("Succeeded|Failed|Cancelled"), timeout=120_000)
    return badge.inner_text().lower()


def create_backup(page: Page) -> str:
    """Create a backup with the button and return its name."""
    page.goto(re.sub(r"(//[^/]+).*", r"\1/admin/backups", page.url))
    page.get_by_role("button", name="Back up now").click()
    bar = page.locator("section.progress progress")
    expect(bar).to_be_visible()
    assert wait_for_job_end(page) == "succeeded"
    expect(bar).to_have_attribute("value", "100")
    name = page.locator("section.progress h2 small").inner_text().strip()
    # The list below is refreshed when the job has ended.
    expect(page.locator("#list tbody").get_by_text(name)).to_be_visible()
    return name


def open_confirmation(page: Page, opener: str) -> Locator:
    """Press a button that asks for confirmation; return the dialog."""
    page.get_by_role("button", name=opener).first.click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("What will happen")
    expect(dialog).to_contain_text("What can be undone")
    return dialog


def confirm_action(page: Page, opener: str, button: str) -> None:
    """Press a button that asks for confirmation, and confirm."""
    open_confirmation(page, opener).get_by_role("button", name=button).click()


def register(person: Visitor, name: str) -> None:
    """Register an account with the form."""
    person.go("/account/register")
    person.page.fill("#user_name", name)
    person.page.fill("#email", f"{name}@sysndd.example")
    person.page.fill("#password", PASSWORD)
    person.page.locator("main form button").click()
    expect(person.page.get_by_role("heading", name="Check your email")).to_be_visible()


def open_account(person: Visitor, operator: Visitor, system: System, name: str) -> None:
    """Register, confirm and approve an account; the operator's window then shows it."""
    register(person, name)
    link = latest_link(system, f"{name}@sysndd.example", "confirm")
    # A mail scanner opens the link first; that must not use it up.
    assert httpx.get(link).status_code == 200
    person.page.goto(link)
    assert "token" not in person.page.url
    person.page.get_by_role("button", name="Confirm email address").click()
    status = person.page.locator("[data-status]").get_attribute("data-status")
    page = operator.go(f"/admin/users?search={name}")
    page.get_by_role("link", name=name).click()
    if status == "awaiting_approval":
        page.get_by_role("button", name="Approve").click()
    expect(page.locator("[data-state]")).to_have_text("Active")


def latest_link(system: System, recipient: str, page: str) -> str:
    """Wait for the latest email to an address that links to a page, and return the link."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for text in email_texts(system, recipient):
            match = re.search(rf"https?://[^/\s]+(/account/{page}\?token=\S+)", text)
            if match:
                return system.base_url + match.group(1)
        time.sleep(0.1)
    raise AssertionError(f"no mail with a link to {page} came for {recipient}")


def email_texts(system: System, recipient: str) -> list[str]:
    """Return the texts of the emails to an address, latest first."""
    mail_url = system.description["mail_url"]
    found = httpx.get(f"{mail_url}/api/v1/messages?limit=500").json()["messages"]
    return [
        httpx.get(f"{mail_url}/api/v1/message/{one['ID']}").json()["Text"]
        for one in found
        if recipient in {to["Address"] for to in one["To"]}
    ]
