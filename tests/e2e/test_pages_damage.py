"""The pages of an operator while tables, or the whole application schema, are missing."""

from itertools import product

from playwright.sync_api import Browser, expect

from tests.support.browser import SCHEMES, SIZES, visitor
from tests.support.system import System


def test_the_overview_lists_what_is_missing_and_links_to_the_restore(
    browser: Browser, private_system: System
) -> None:
    assert private_system.run is not None
    for arguments in (("backup",), ("verify", "latest")):
        done = private_system.run.admin(*arguments)
        assert done.returncode == 0, done.stderr
    with private_system.sql() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        cursor.execute("DROP TABLE gene, disease")
        cursor.execute("ALTER TABLE entity DISCARD TABLESPACE")
    check_pages(
        browser, private_system, "tables", "Tables are missing or unreadable", "gene is missing"
    )
    with private_system.sql() as cursor:
        cursor.execute(f"DROP DATABASE `{private_system.app}`")
    check_pages(
        browser, private_system, "schema", "The application schema is missing", "does not exist"
    )


def check_pages(browser: Browser, system: System, name: str, *words: str) -> None:
    """Open the overview, the migrations and the restore page in both sizes and color schemes."""
    for size, scheme in product(SIZES, SCHEMES):
        window = visitor(browser, system.base_url, size, scheme)
        window.sign_in(**system.description["admin"])
        page = window.go("/admin")
        damage = page.locator(".damage")
        for word in words:
            expect(damage).to_contain_text(word)
        window.check_page(f"damage-{name}-{size}-{scheme}")
        page = window.go("/admin/migrations")
        expect(page.locator("main")).to_contain_text("Do not run the migrator before the restore")
        window.check_page(f"damage-{name}-migrations-{size}-{scheme}")
        page = window.go("/admin")
        damage.get_by_role("button", name="Restore a verified backup").click()
        expect(page.locator("main h2")).to_contain_text("Restore manual_")
        assert window.complaints == []
        window.page.context.close()
