"""Email in the browser: the SMTP test, one email with its preview, cancel and resend."""

from playwright.sync_api import Page, expect

from tests.e2e.clicks import confirm_action, open_confirmation
from tests.support.browser import Visitor
from tests.support.system import System


def wait_for_state(page: Page, state: str) -> None:
    """Reload the page of an email until it has a state."""
    badge = page.locator(".heading [data-state]")
    expect(badge).to_be_visible()
    for _ in range(150):
        if badge.get_attribute("data-state") == state:
            return
        page.wait_for_timeout(200)
        page.reload()
    raise AssertionError(f"the mail is {badge.inner_text()}")


def test_the_smtp_test_reports_a_working_and_a_broken_server(
    operator: Visitor, system: System
) -> None:
    page = operator.page
    operator.go("/admin/mail")
    page.get_by_role("button", name="Test the connection").click()
    expect(page.locator("[data-smtp]")).to_have_attribute("data-smtp", "ok")
    operator.check_page("mail-tested")
    page.get_by_role("button", name="Send me a test email").click()
    wait_for_state(page, "sent")
    expect(page.locator("#rendered")).to_contain_text("to test email delivery")
    operator.check_page("mail-detail")

    with system.paused("mail-catcher"):
        operator.go("/admin/mail")
        page.get_by_role("button", name="Test the connection").click()
        expect(page.locator("#smtp")).to_contain_text("Testing the connection")
        broken = page.locator("[data-smtp]:not([data-smtp=ok])")
        expect(broken).to_be_visible(timeout=30_000)
        expect(broken).to_contain_text("What to do:")
        expect(page.locator("#smtp table")).to_contain_text("Failed")
        operator.check_page("mail-broken")


def test_an_email_is_cancelled_and_resent(operator: Visitor, system: System) -> None:
    page = operator.page
    with system.paused("mailer"):
        operator.go("/admin/mail")
        page.get_by_role("button", name="Send me a test email").click()
        wait_for_state(page, "queued")
        # A queued email is retried without a confirmation, because it is sent in any case.
        page.get_by_role("button", name="Send now").click()
        expect(page.locator("#outcome")).to_contain_text("will be sent now")
        dialog = open_confirmation(page, "Cancel")
        expect(dialog).to_contain_text("does not receive this email")
        operator.check_page("question-mail")
        dialog.get_by_role("button", name="Keep email").click()
        wait_for_state(page, "queued")
        confirm_action(page, "Cancel", "Cancel email")
        expect(page.locator("#outcome")).to_contain_text("Email cancelled")
        wait_for_state(page, "cancelled")
    # A cancelled email stays cancelled after the mailer resumes.
    page.wait_for_timeout(1000)
    page.reload()
    wait_for_state(page, "cancelled")
    confirm_action(page, "Resend", "Resend")
    expect(page.locator("#outcome")).to_contain_text("will be sent now")
    wait_for_state(page, "sent")
    expect(page.get_by_role("button", name="Resend")).to_have_count(0)


def test_resending_an_email_of_unknown_delivery_shows_a_warning_first(
    operator: Visitor, system: System
) -> None:
    page = operator.page
    operator.go("/admin/mail")
    page.get_by_role("button", name="Send me a test email").click()
    wait_for_state(page, "sent")
    mail_id = page.url.partition("/mail/")[2].partition("?")[0]
    with system.sql() as cursor:
        cursor.execute(
            f"UPDATE `{system.description['database']['ops_name']}`.mail SET state = 'held',"
            " phase = 'data', last_code = NULL, last_reply = 'No answer came after the content.'"
            " WHERE id = %s",
            (mail_id,),
        )
    page.reload()
    expect(page.locator("main")).to_contain_text("Delivery could not be confirmed")
    operator.check_page("mail-held")
    dialog = open_confirmation(page, "Resend")
    expect(dialog).to_contain_text("may have arrived already")
    expect(dialog).to_contain_text("can't be recalled")
    dialog.get_by_role("button", name="Resend").click()
    wait_for_state(page, "sent")
