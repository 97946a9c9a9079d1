"""Restores in the browser: required consent, inspected tables and maintenance mode."""

import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect
from pymysql.cursors import Cursor

from tests.e2e.clicks import confirm_action, create_backup, open_confirmation, wait_for_job_end
from tests.support.browser import Visitor
from tests.support.system import System, poll

CONSENT = "NO ADMINISTRATOR"


CHIEF = "the_only_administrator"


@pytest.fixture
def backup_without_administrator(system: System, admin: httpx.Client) -> Iterator[str]:
    """A backup without an active Administrator; the live database has one again.

    Operators are disabled until the end of the test, because a restore never locks them out.
    """
    login, operators = CHIEF, f"`{system.description['database']['ops_name']}`.`operator`"
    with system.sql() as cursor:
        cursor.execute(
            "INSERT INTO `user` (user_name, email, password_hash, role, state, created_at)"
            f" SELECT %s, 'chief@sysndd.example', password_hash, 'Administrator', 'active',"
            f" created_at FROM {operators} WHERE user_name = %s",
            (login, system.description["admin"]["login"]),
        )
        with system.paused("backup-worker"):
            accepted = admin.post("/api/admin/backups")
            cursor.execute("UPDATE `user` SET role = 'Curator' WHERE role = 'Administrator'")
        job = (system.description["database"]["ops_name"], accepted.json()["job_id"])
        wait_for_end(cursor, *job)
        cursor.execute("UPDATE `user` SET role = 'Administrator' WHERE user_name = %s", (login,))
        name = str(poll(admin, accepted)["result"]["name"])
        cursor.execute(f"UPDATE {operators} SET state = 'disabled' WHERE state = 'active'")
        try:
            yield name
        finally:
            cursor.execute(f"UPDATE {operators} SET state = 'active' WHERE state = 'disabled'")
            cursor.execute("DELETE FROM `user` WHERE user_name = %s", (login,))


def wait_for_end(cursor: Cursor, ops: str, job_id: str) -> None:
    deadline = time.monotonic() + 60
    ended_at = None
    while ended_at is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        cursor.execute(f"SELECT finished_at FROM `{ops}`.job WHERE id = %s", (job_id,))
        ((ended_at,),) = cursor.fetchall()


def dialog_of(operator: Visitor, name: str) -> Page:
    page = operator.go(f"/admin/backups/{name}")
    page.get_by_role("button", name="Restore…").click()
    expect(page.locator("dialog[open]")).to_contain_text("A safety backup is taken first")
    return page


def test_a_backup_without_an_administrator_needs_explicit_consent(
    operator: Visitor, system: System, backup_without_administrator: str
) -> None:
    # Without a dry run the dialog does not ask for the consent. Then the job fails with advice.
    operator.sign_in(CHIEF, system.description["admin"]["password"])
    page = dialog_of(operator, backup_without_administrator)
    page.locator("dialog input[name=confirm]").fill("RESTORE")
    page.locator("dialog [data-gated]").click()
    assert wait_for_job_end(page) == "failed"
    notice = page.locator("section.progress .notice.fail")
    expect(notice).to_contain_text("no_administrator_in_backup")
    expect(notice).to_contain_text("type NO ADMINISTRATOR")
    assert administrators(system) == 1

    page = dialog_of(operator, backup_without_administrator)
    dialog = page.locator("dialog[open]")
    dialog.get_by_role("button", name="Dry run").click()
    consent = dialog.locator("input[name=accept_no_administrator]")
    expect(consent).to_be_visible()
    expect(dialog).to_contain_text("you would lose access")
    operator.check_page("restore-consent")
    button, first = dialog.locator("[data-gated]"), dialog.locator("input[name=confirm]")
    first.fill("RESTORE")
    for wrong in ("", "no administrator", "WITHOUT ADMINISTRATOR", CONSENT + " ", "RESTORE"):
        consent.fill(wrong)
        expect(button).to_be_disabled()
    first.fill("restore")
    consent.fill(CONSENT)
    expect(button).to_be_disabled()
    first.fill("RESTORE")
    expect(button).to_be_enabled()
    button.click()
    expect(page.locator("section.progress").first).to_contain_text("Restore")
    # The restore leaves no administrator. The page polls the job, so it redirects to the sign-in
    # page once the sessions have ended.
    wait_for_administrators(system, 0)
    page.wait_for_url("**/account/sign-in")
    operator.ignore_complaints("403", "401")

    # To revert: create an Administrator again, then undo the restore.
    with system.sql() as cursor:
        cursor.execute("UPDATE `user` SET role = 'Administrator' WHERE user_name = %s", (CHIEF,))
    operator.sign_in(CHIEF, system.description["admin"]["password"])
    operator.go("/admin/backups")
    page.get_by_role("link", name="Undo restore…").click()
    page.locator("dialog input[name=confirm]").fill("UNDO")
    page.locator("dialog [data-gated]").click()
    assert wait_for_job_end(page) == "succeeded"
    assert administrators(system) == 1


def administrators(system: System) -> int:
    with system.sql() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM `user` WHERE role = 'Administrator' AND state = 'active'"
        )
        return int(cursor.fetchall()[0][0])


def wait_for_administrators(system: System, number: int) -> None:
    deadline = time.monotonic() + 120
    while administrators(system) != number:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_one_table_is_inspected_and_dropped(operator: Visitor, system: System) -> None:
    page = operator.page
    operator.go("/admin/backups")
    name = create_backup(page)
    operator.go(f"/admin/backups/{name}")
    page.get_by_label("Inspect a table").select_option("user")
    page.get_by_role("button", name="Load table").click()
    # The table appears without a reload.
    row = page.locator("#inspections tbody tr")
    expect(row).to_contain_text("user")
    expect(row).not_to_contain_text("Loading")
    schema = row.locator("code").inner_text()
    with system.sql() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM `{schema}`.`user`")
        ((loaded,),) = cursor.fetchall()
        cursor.execute("SELECT COUNT(*) FROM `user`")
        ((live,),) = cursor.fetchall()
    assert loaded == live > 0
    operator.check_page("inspection")

    dialog = open_confirmation(page, "Delete inspection copy")
    expect(dialog).to_contain_text(schema)
    expect(dialog).to_contain_text("You can load the table again")
    dialog.get_by_role("button", name="Delete inspection copy").click()
    assert wait_for_job_end(page) == "succeeded"
    operator.go(f"/admin/backups/{name}")
    expect(page.locator("#inspections tbody tr")).to_have_count(0)
    with system.sql() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = %s", (schema,)
        )
        assert cursor.fetchall() == ((0,),)


def test_maintenance_mode_is_shown_and_refuses_writes(
    operator: Visitor, system: System, admin: httpx.Client
) -> None:
    page = operator.page
    operator.go("/admin/backups")
    name = create_backup(page)
    with system.sql() as cursor:
        # The lock delays the safety backup, so that the page can be checked during the restore.
        cursor.execute("LOCK TABLES review WRITE")
        answer = admin.post(f"/api/admin/backups/{name}/restore", json={"confirm": "RESTORE"})
        assert answer.status_code == 202, answer.text
        banner = page.get_by_text("A restore is in progress.")
        for _ in range(300):
            operator.go("/admin/users")
            if banner.count():
                break
            page.wait_for_timeout(200)
        expect(banner).to_be_visible()
        operator.check_page("maintenance")
        # Reads succeed; writes are refused with Retry-After.
        page.locator("#list tbody a").first.click()
        confirm_action(page, "Deactivate", "Deactivate")
        expect(page.locator("#outcome")).to_contain_text("maintenance")
        expect(page.locator("#outcome")).to_contain_text("Try again in")
        expect(page.locator("[data-state]")).to_have_text("Active")
        operator.check_page("maintenance-refused")
        operator.go("/admin/backups")
        expect(page.locator("section.progress")).to_contain_text("Read-only mode")
        cursor.execute("UNLOCK TABLES")
    operator.ignore_complaints("503")
    assert wait_for_job_end(page) == "succeeded"
    # The end of the job refreshes the list and its count without a reload.
    expect(page.locator("#undoable")).to_contain_text("can be undone")
    expect(page.get_by_role("button", name="Back up now")).to_be_enabled()
    operator.go("/admin/users")
    expect(banner).to_have_count(0)


def test_the_count_above_a_list_matches_the_list(operator: Visitor) -> None:
    page = operator.page
    operator.go("/admin/backups")
    create_backup(page)
    above = page.locator("#heading p").inner_text().split()[0]
    expect(page.locator("#list .pager")).to_contain_text(f"of {above} backup")


@pytest.fixture
def damaged_backup(system: System, admin: httpx.Client) -> Iterator[str]:
    """A backup with a table whose rows the server can no longer read.

    The state before is restored at the end, because a restored table must not disappear.
    """
    before = str(poll(admin, admin.post("/api/admin/backups"))["result"]["name"])
    with system.sql() as cursor:
        cursor.execute("CREATE TABLE measurement (id INT PRIMARY KEY, note VARCHAR(100))")
        cursor.execute("INSERT INTO measurement VALUES (1, 'one'), (2, 'two')")
        name = str(poll(admin, admin.post("/api/admin/backups"))["result"]["name"])
        cursor.execute("ALTER TABLE measurement DISCARD TABLESPACE")
    yield name
    body = {"confirm": "RESTORE", "accept": ["incomplete_safety_backup", "no_administrator"]}
    assert poll(admin, admin.post(f"/api/admin/backups/{before}/restore", json=body))["result"]
    assert admin.get("/api/health").json()["checks"]["schema"]["status"] == "pass"


def test_a_damaged_live_database_is_restored_with_a_typed_word(
    operator: Visitor, system: System, damaged_backup: str
) -> None:
    page = dialog_of(operator, damaged_backup)
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("The live database is damaged.")
    operator.check_page("restore-damaged")
    dialog.locator("input[name=confirm]").fill("RESTORE")
    button = dialog.locator("[data-gated]")
    expect(button).to_be_disabled()
    dialog.locator("input[name=accept_incomplete_safety_backup]").fill("INCOMPLETE")
    expect(button).to_be_enabled()
    button.click()
    assert wait_for_job_end(page) == "succeeded"
    expect(page.locator("section.progress")).to_contain_text(
        "It does not contain: table measurement."
    )
    page = operator.go("/admin/backups")
    page.get_by_role("row").filter(has_text="Incomplete").get_by_role("link").first.click()
    expect(page.locator(".notice.warn:not(.lost)")).to_contain_text(
        "table measurement: no rows were read"
    )
    operator.check_page("incomplete-backup")
    with system.sql() as cursor:
        cursor.execute("SELECT COUNT(*) FROM measurement")
        assert cursor.fetchall() == ((2,),)
