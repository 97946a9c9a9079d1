"""Accounts in the browser: what owners and administrators do."""

import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.clicks import (
    PASSWORD,
    confirm_action,
    email_texts,
    latest_link,
    open_account,
    open_confirmation,
)
from tests.support.browser import Visitor, visitor
from tests.support.system import System, window_without_complaints


@pytest.fixture
def person(browser: Browser, system: System) -> Iterator[Visitor]:
    """A second visitor's window; the test fails if the window had complaints."""
    with window_without_complaints(browser, system) as window:
        yield window


def new_name() -> str:
    return f"reader_{secrets.token_hex(3)}"


def test_an_account_is_registered_confirmed_given_a_role_and_signed_out(
    operator: Visitor, person: Visitor, system: System
) -> None:
    name = new_name()
    open_account(person, operator, system, name)
    page = operator.page
    person.sign_in(name, PASSWORD)
    assert person.go("/admin").get_by_text("Your role does not include this page").is_visible()
    page.reload()
    expect(page.get_by_text("No active sessions")).not_to_be_visible()
    page.get_by_label("New role").select_option("Curator")
    confirm_action(page, "Change role", "Change role")
    expect(page.locator("#outcome")).to_contain_text("Role changed")
    person.go("/account")
    assert "/account/sign-in" in person.page.url
    person.sign_in(name, PASSWORD)
    page.reload()
    confirm_action(page, "Sign out everywhere", "Sign out everywhere")
    expect(page.get_by_text("No active sessions")).to_be_visible()
    operator.check_page("user")
    person.go("/account")
    assert "/account/sign-in" in person.page.url

    person.go("/account/reset")
    person.page.fill("#email", f"{name}@sysndd.example")
    person.page.locator("main form button").click()
    person.page.goto(latest_link(system, f"{name}@sysndd.example", "reset"))
    assert "token" not in person.page.url
    person.page.fill("#password", PASSWORD + " again")
    person.page.locator("main form button").click()
    expect(person.page.locator("#outcome")).to_contain_text("Password changed")
    person.sign_in(name, PASSWORD + " again")
    # The only expected complaint: access to the page for administrators was denied.
    person.ignore_complaints("403")


def test_an_account_is_promoted_to_administrator_and_demoted(
    operator: Visitor, person: Visitor, system: System
) -> None:
    name = new_name()
    open_account(person, operator, system, name)
    page = operator.page
    page.get_by_label("New role").select_option("Administrator")
    dialog = open_confirmation(page, "Change role")
    expect(dialog).to_contain_text("restore and delete backups")
    expect(dialog).to_contain_text("All administrators are notified by email")
    operator.check_page("question-administrator")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    page.reload()
    expect(page.locator("[data-role]")).not_to_have_text("Administrator")

    page.get_by_label("New role").select_option("Administrator")
    confirm_action(page, "Change role", "Change role")
    expect(page.locator("#outcome")).to_contain_text("Role changed")
    expect(page.locator("[data-role]")).to_have_text("Administrator")
    assert "Administrator" not in page.get_by_label("New role").locator("option").all_inner_texts()
    person.sign_in(name, PASSWORD)
    expect(person.go("/admin").get_by_role("heading", name="Overview")).to_be_visible()
    # The email to every Administrator names the account and who promoted it.
    for _ in range(100):
        texts = [text for text in email_texts(system, f"{name}@sysndd.example") if "dmin" in text]
        if texts:
            break
        page.wait_for_timeout(200)
    assert name in texts[0]
    assert system.description["admin"]["login"] in texts[0]

    page.get_by_label("New role").select_option("Viewer")
    dialog = open_confirmation(page, "Change role")
    expect(dialog).to_contain_text("changes from Administrator to Viewer")
    expect(dialog).to_contain_text("1 active session ends immediately.")
    dialog.get_by_role("button", name="Change role").click()
    expect(page.locator("#outcome")).to_contain_text("Role changed")
    person.go("/admin")
    assert "/account/sign-in" in person.page.url


def test_an_account_is_deactivated_and_reactivated(
    operator: Visitor, person: Visitor, system: System
) -> None:
    name = new_name()
    open_account(person, operator, system, name)
    person.sign_in(name, PASSWORD)
    page = operator.page
    dialog = open_confirmation(page, "Deactivate")
    expect(dialog).to_contain_text("1 active session ends immediately.")
    expect(dialog).to_contain_text("You can reactivate the account")
    operator.check_page("question-deactivate")
    dialog.get_by_role("button", name="Deactivate").click()
    expect(page.locator("[data-state]")).to_have_text("Deactivated")
    person.go("/account")
    assert "/account/sign-in" in person.page.url
    person.page.fill("#login", name)
    person.page.fill("#password", PASSWORD)
    person.page.locator("main form button").click()
    expect(person.page.locator("#outcome")).to_contain_text("invalid_credentials")
    person.ignore_complaints("401")
    page.get_by_role("button", name="Reactivate").click()
    expect(page.locator("[data-state]")).to_have_text("Active")
    person.sign_in(name, PASSWORD)


def test_an_email_change_is_confirmed_at_both_addresses(
    operator: Visitor, person: Visitor, system: System
) -> None:
    name = new_name()
    open_account(person, operator, system, name)
    person.sign_in(name, PASSWORD)
    old, new = f"{name}@sysndd.example", f"{name}@lab.example"
    page = person.go("/account")
    page.fill("#new_email", new)
    page.fill("#em_password", PASSWORD)
    page.get_by_role("button", name="Change email").click()
    expect(page.locator("#outcome")).to_contain_text("sent a link to both addresses")
    for mailbox, status in ((new, "waiting"), (old, "changed")):
        expect(person.go("/account").locator(".heading")).to_contain_text(old)
        page.goto(latest_link(system, mailbox, "email"))
        assert "token" not in page.url
        page.get_by_role("button", name="Confirm the change").click()
        expect(page.locator("[data-status]")).to_have_attribute("data-status", status)
        person.check_page(f"address-{status}")
    expect(person.go("/account").locator(".heading")).to_contain_text(new)
    # The next sign-in uses the new address.
    confirm_action(page, "Sign out everywhere", "Sign out everywhere")
    expect(page.locator("#outcome")).to_contain_text("signed out")
    person.sign_in(new, PASSWORD)


def test_an_account_ends_one_of_its_sessions(
    operator: Visitor, person: Visitor, browser: Browser, system: System
) -> None:
    name = new_name()
    open_account(person, operator, system, name)
    person.sign_in(name, PASSWORD)
    other = visitor(browser, system.base_url, "390")
    other.sign_in(name, PASSWORD)
    page = other.go("/account")
    expect(page.locator("tbody tr")).to_have_count(2)
    row = page.locator("tbody tr").filter(has_not_text="This device")
    row.get_by_role("button").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("Your other sessions stay active.")
    other.check_page("question-session")
    dialog.get_by_role("button", name="End session").click()
    expect(page.locator("#outcome")).to_contain_text("Sessions ended.")
    expect(page.locator("tbody tr")).to_have_count(1)
    person.go("/account")
    assert "/account/sign-in" in person.page.url
    assert not other.complaints, "\n".join(other.complaints)
    other.page.context.close()
