"""The pages in unusual states: empty lists, pending migrations, drift and a database outage."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Visitor
from tests.support.system import System, window_without_complaints

PENDING = "901_gene_note.sql"
STATEMENTS = (
    "ALTER TABLE gene ADD COLUMN note TEXT NULL;\n"
    "ALTER TABLE gene MODIFY COLUMN note VARCHAR(500) NULL;\n"
    "CREATE TABLE <b>later</b> (id INT PRIMARY KEY);\n"
)


@pytest.fixture
def operator(browser: Browser, private_system: System) -> Iterator[Visitor]:
    """The administrator's window on the separate system."""
    with window_without_complaints(browser, private_system) as window:
        window.sign_in(**private_system.description["admin"])
        yield window


def test_an_empty_page_explains_what_will_appear_there(operator: Visitor) -> None:
    for path, words in {
        "/admin/backups": "No backups yet",
        "/admin/jobs": "No jobs yet",
        "/admin/mail": "No emails yet",
        "/admin/backups?search=nothing-like-it": "No matching backups",
        "/admin/jobs?state=failed": "No matching jobs",
        "/admin/users?search=nobody-like-that": "No matching users",
        "/admin/audit?actor=nobody-like-that": "No matching events",
        "/admin/restores/undo": "Nothing to undo.",
    }.items():
        page = operator.go(path)
        expect(page.locator("main")).to_contain_text(words)
        operator.check_page(
            "empty-" + path.removeprefix("/admin/").partition("?")[0].replace("/", "-")
        )
    # No confirmation is requested for an impossible action.
    page = operator.go("/admin/restores/undo")
    expect(page.locator("main input")).to_have_count(0)
    page = operator.go("/admin/jobs/no-such-job")
    expect(page.locator("main")).to_contain_text("may have been deleted")
    operator.check_page("not-found")
    operator.ignore_complaints("404")


def test_a_pending_migration_shows_its_plan_and_a_changed_file_is_named(
    operator: Visitor, private_system: System
) -> None:
    assert private_system.run is not None
    directory = Path(private_system.description["migrations"])
    page = operator.go("/admin/migrations")
    expect(page.locator("#plan")).to_have_count(0)
    expect(page.locator("#drift")).to_have_count(0)

    file = directory / PENDING
    file.write_text(STATEMENTS, encoding="utf-8")
    page = operator.go("/admin/migrations")
    plan = page.locator("#plan")
    expect(page.locator("main")).to_contain_text("1 migration(s) pending")
    expect(plan).to_contain_text(PENDING)
    # The plan has not been measured: the page explains how, and shows the file's text.
    expect(plan.locator("#unmeasured")).to_contain_text("sysndd-migrator plan")
    expect(plan.locator("pre")).to_contain_text("CREATE TABLE <b>later</b>")
    operator.check_page("migrations-pending")

    assert private_system.run.migrator("plan").returncode == 3
    page = operator.go("/admin/migrations")
    expect(plan.locator("#unmeasured")).to_have_count(0)
    rows = plan.locator("tbody tr")
    expect(rows.nth(0)).to_contain_text("INSTANT")
    expect(rows.nth(0)).to_contain_text("reads and writes continue")
    expect(rows.nth(1)).to_contain_text("COPY")
    expect(rows.nth(1)).to_contain_text("writes wait until it is done")
    # The page predicts the failure, and escapes the server's message.
    expect(rows.nth(2)).to_contain_text("On an empty clone:")
    expect(plan.locator("b")).to_have_count(0)
    operator.check_page("migrations-plan")

    # An edited file has not been measured.
    file.write_text(STATEMENTS.replace("<b>later</b>", "later"), encoding="utf-8")
    page = operator.go("/admin/migrations")
    expect(plan.locator("#unmeasured")).to_be_visible()
    done = private_system.run.migrator("up")
    assert done.returncode == 0, done.stdout
    page = operator.go("/admin/migrations")
    expect(page.locator("#plan")).to_have_count(0)
    row = page.get_by_role("row", name=PENDING)
    expect(row).to_contain_text("Applied")
    expect(row).to_contain_text("3 statements")

    file.write_text(file.read_text() + "SELECT 1;\n", encoding="utf-8")
    page = operator.go("/admin/migrations")
    expect(page.locator("#drift")).to_contain_text(f"{PENDING}: the file was modified")
    expect(row).to_contain_text("File modified")
    operator.check_page("migrations-changed")
    text = file.read_text()
    file.unlink()
    page = operator.go("/admin/migrations")
    expect(page.locator("#drift")).to_contain_text(f"{PENDING} was applied but its file is missing")
    file.write_text(text, encoding="utf-8")


def test_a_change_without_a_migration_is_named_until_it_is_reverted(
    operator: Visitor, private_system: System
) -> None:
    with private_system.sql() as cursor:
        cursor.execute("ALTER TABLE gene ADD COLUMN by_hand INT NULL")
        page = operator.go("/admin/migrations")
        drift = page.locator("#drift")
        expect(drift).to_contain_text("gene")
        expect(drift).to_contain_text("by_hand")
        expect(drift).to_contain_text("sysndd-migrator status")
        operator.check_page("migrations-drift")
        cursor.execute("ALTER TABLE gene DROP COLUMN by_hand")
    # The check runs again, so a reverted change is no longer reported.
    page = operator.go("/admin/migrations")
    expect(page.locator("main")).not_to_contain_text("by_hand")


def test_a_database_outage_is_shown_and_cleared_on_recovery(
    operator: Visitor, private_system: System
) -> None:
    page = operator.go("/admin")
    expect(page.locator(".verdict")).to_be_visible()
    with private_system.paused("mariadb"):
        # The overview refreshes every ten seconds and marks data that is older.
        expect(page.locator("#lost")).to_be_visible()
        expect(page.locator(".verdict")).to_be_visible()
        operator.check_page("lost")
        # A page that cannot be rendered shows the reason and that no data is lost.
        page.goto(private_system.base_url + "/admin/users")
        expect(page.locator("main")).to_contain_text("No data was lost.")
        operator.check_page("database-away")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Users")).to_be_visible()
    operator.ignore_complaints("503", "500")
