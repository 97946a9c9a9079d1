"""Traffic on the sites: consistent on an undisturbed site, and it notices every disturbance."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.servers import DatabaseServer
from tests.support.sites.mediawiki import MediaWiki
from tests.support.sites.models import ForeignSite, SiteDatabase
from tests.support.sites.report import Event, Outcome, TrafficReport
from tests.support.sites.traffic import running_traffic, stored_numbers
from tests.support.sites.wordpress import WordPress
from tests.support.sites.workloads import title

WRITES = 100
NO_SUCH_TABLE = 1146
DEADLOCK = 1213  # RENAME TABLE waits for one table of a transaction that waits for another one
KILLED = {1927, 2006, 2013, 4031}  # MariaDB: connection was killed; client: the server went away
ACCOUNT_LOCKED = {3118, 4151}  # MySQL, MariaDB


@pytest.fixture
def sites(
    wordpress: WordPress, mediawiki: MediaWiki, sysndd: SiteDatabase
) -> dict[str, SiteDatabase]:
    """All three sites, with a table of each that traffic changes."""
    return {"wp_postmeta": wordpress.database, "page": mediawiki.database, "entity": sysndd}


def test_traffic_on_three_sites_of_one_server_is_consistent(
    sites: dict[str, SiteDatabase], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        running = {
            site.kind: (site, stack.enter_context(running_traffic(site, tmp_path, writes=WRITES)))
            for site in sites.values()
        }
        for site, traffic in running.values():
            report = traffic.wait()
            assert report.errors == ()
            assert report.broken == ()
            assert len(report.having(Outcome.CONSISTENT)) == WRITES
            assert report.acknowledged == set(range(1, WRITES + 1))
            assert stored_numbers(site) == report.acknowledged


def test_the_sites_show_what_traffic_wrote(
    wordpress: WordPress, mediawiki: MediaWiki, tmp_path: Path
) -> None:
    sites: tuple[ForeignSite, ...] = (wordpress, mediawiki)
    for site in sites:
        with running_traffic(site.database, tmp_path, writes=3) as traffic:
            assert traffic.wait().errors == ()
        assert site.read(title(3)) == f"Text of {title(3)}"
    assert f"<h2>{title(3)}</h2>" in wordpress.front_page()


def test_a_later_run_continues_with_new_numbers(wordpress: WordPress, tmp_path: Path) -> None:
    reports = []
    for _ in range(2):
        with running_traffic(wordpress.database, tmp_path, writes=5) as traffic:
            reports.append(traffic.wait())
    assert [report.acknowledged for report in reports] == [set(range(1, 6)), set(range(6, 11))]


def test_one_older_table_is_noticed_on_each_site(
    sites: dict[str, SiteDatabase], database_server: DatabaseServer, tmp_path: Path
) -> None:
    for table, site in sites.items():
        with running_traffic(site, tmp_path) as traffic:
            traffic.wait_for_writes(5)
            with database_server.connect(site.schema) as connection:
                cursor = connection.cursor()
                cursor.execute(f"CREATE TABLE older LIKE `{table}`")
                cursor.execute(f"INSERT INTO older SELECT * FROM `{table}`")
                assert traffic.wait_for_writes(5).broken == ()
                cursor.execute("SET foreign_key_checks = 0")
                cursor.execute(f"RENAME TABLE `{table}` TO newer, older TO `{table}`")
            wait_until(lambda: bool(traffic.report().broken))


def test_a_missing_table_causes_errors_within_its_window(
    sites: dict[str, SiteDatabase], database_server: DatabaseServer, tmp_path: Path
) -> None:
    for table, site in sites.items():
        with running_traffic(site, tmp_path) as traffic:
            traffic.wait_for_writes(5)
            start = time.time()
            database_server.execute(f"RENAME TABLE `{table}` TO absent", schema=site.schema)
            wait_until(lambda: NO_SUCH_TABLE in codes(traffic.report()))
            database_server.execute(f"RENAME TABLE absent TO `{table}`", schema=site.schema)
            end = time.time()
            traffic.wait_for_writes(5)
            report = traffic.stop()
        assert codes(report) <= {NO_SUCH_TABLE, DEADLOCK}
        assert report.errors_outside(start, end) == ()
        assert report.broken == ()
        assert stored_numbers(site) == report.acknowledged
        assert report.acknowledged_before(start)
        assert report.acknowledged_after(end)


def test_a_locked_table_delays_a_write_without_an_error(
    wordpress: WordPress, database_server: DatabaseServer, tmp_path: Path
) -> None:
    with running_traffic(wordpress.database, tmp_path) as traffic:
        with database_server.connect(wordpress.schema) as connection:
            connection.cursor().execute("LOCK TABLES wp_posts WRITE")
            wait_until(lambda: waits_for_a_table(database_server, wordpress.account.user))
            unlocked = time.time()
        traffic.wait_for_writes(1)
        report = traffic.stop()
    assert report.errors == ()
    assert [event for event in report.events if event.started < unlocked < event.ended]


def test_a_locked_account_and_killed_connections_are_recorded(
    mediawiki: MediaWiki, database_server: DatabaseServer, tmp_path: Path
) -> None:
    user = mediawiki.account.user
    with running_traffic(mediawiki.database, tmp_path) as traffic:
        traffic.wait_for_writes(5)
        start = time.time()
        database_server.execute("ALTER USER %s@'%%' ACCOUNT LOCK", (user,))
        for (session,) in database_server.execute(
            "SELECT id FROM information_schema.processlist WHERE user = %s", (user,)
        ):
            database_server.execute(f"KILL {session}")
        wait_until(lambda: bool(codes(traffic.report()) & ACCOUNT_LOCKED))
        database_server.execute("ALTER USER %s@'%%' ACCOUNT UNLOCK", (user,))
        end = time.time()
        traffic.wait_for_writes(5)
        report = traffic.stop()
    assert codes(report) & ACCOUNT_LOCKED
    assert codes(report) <= ACCOUNT_LOCKED | KILLED
    assert report.errors_outside(start, end) == ()
    stored = stored_numbers(mediawiki.database)
    assert report.acknowledged <= stored <= report.acknowledged | report.unknown


def test_a_report_is_read_back_and_ignores_an_incomplete_line(tmp_path: Path) -> None:
    events = (
        Event(Outcome.ACKNOWLEDGED, 1, 10.0, 10.5),
        Event(Outcome.UNKNOWN, 2, 11.0, 12.0, 2013, "lost"),
        Event(Outcome.BROKEN, None, 13.0, 13.1, detail="{}"),
    )
    log = tmp_path / "log.jsonl"
    log.write_text("".join(f"{event.to_json()}\n" for event in events) + '{"outcome": "fai')
    report = TrafficReport.from_file(log)
    assert report.events == events
    assert report.acknowledged == {1}
    assert report.unknown == {2}
    assert report.errors_outside(11.5, 12.5) == ()
    assert report.errors_outside(12.5, 13) == (events[1],)
    assert report.broken == (events[2],)


def waits_for_a_table(server: DatabaseServer, user: str) -> bool:
    """Return whether a session of an account waits for a lock on a table."""
    return bool(
        server.execute(
            "SELECT id FROM information_schema.processlist"
            " WHERE user = %s AND state LIKE 'Waiting for table%%'",
            (user,),
        )
    )


def codes(report: TrafficReport) -> set[int | None]:
    """Return the codes of all errors."""
    return {event.code for event in report.errors}


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is met."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met within 30 s"
        time.sleep(0.02)
