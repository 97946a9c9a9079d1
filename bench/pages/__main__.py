"""``make bench WHAT=pages``: the first load of every page in Chromium, on a system with much data.

The benchmark starts a separate system behind its proxy, with 1,000 backups, 10,000 jobs, emails and
audit events, and 1,000 accounts. The browser's caches are disabled, so that each load transfers the
page, style sheets, scripts and icons. The time runs from the start of the navigation to the end of
its ``load`` event, as measured by Navigation Timing. The size is that of all responses with their
headers. The pages alternate, so that a slow second of the machine affects any of them. The load
average is printed, because the figures of a busy machine mean little.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pymysql
from playwright.sync_api import Page
from pymysql.cursors import Cursor

from bench.pages.filling import fill_backups, fill_tables
from tests.support.addresses import Address, every_page, existing_objects
from tests.support.browser import chromium, visitor
from tests.support.local_run import LocalRun

LONGEST_MS = 300
HEAVIEST_BYTES = 150_000


@dataclass
class Loads:
    """Measurements of one page: milliseconds to the first byte and to the end, and bytes."""

    answered: list[float] = field(default_factory=list)
    loaded: list[float] = field(default_factory=list)
    weight: int = 0


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="sysndd-bench-") as folder:
        run = LocalRun(Path(folder) / "run")
        try:
            run.up()
            found = _measure(run.system, options)
        finally:
            run.command("reset", CONFIRM="yes")
    return _print_table(found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--backups", type=int, default=1_000)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


def _measure(system: dict[str, Any], options: argparse.Namespace) -> dict[Address, Loads]:
    backup = _filled(system, options)
    database, admin = system["database"], system["admin"]
    with chromium() as browser, _cursor(database) as cursor:
        window = visitor(browser, system["base_url"])
        window.sign_in(**admin)
        weights = _without_caches(window.page)
        names = {"app": database["name"], "ops": database["ops_name"], "login": admin["login"]}
        with existing_objects(cursor, **names) as values:
            pages = every_page(values | {"name": backup})
            found = {page: Loads() for page in pages}
            # The first round is not counted: a process that has just started reads its files.
            for number in range(options.rounds + 1):
                load = os.getloadavg()[0]
                print(f"round {number} of {options.rounds}, load {load:.1f} …", file=sys.stderr)
                for page in pages:
                    loads = found[page] if number else Loads()
                    _load(window.page, weights, system["base_url"] + page.path, loads)
    return found


def _filled(system: dict[str, Any], options: argparse.Namespace) -> str:
    """Fill the system; return the name of a backup."""
    database = system["database"]
    with httpx.Client(base_url=system["base_url"], timeout=60) as client:
        token = client.post("/api/auth/login", json=system["admin"]).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        job = client.post("/api/admin/backups").json()
        while client.get(job["status_url"]).json()["finished_at"] is None:
            time.sleep(0.1)
    with _cursor(database) as cursor:
        fill_tables(cursor, app=database["name"], ops=database["ops_name"], number=options.jobs)
    return fill_backups(Path(system["backup_dir"]), options.backups)


@contextlib.contextmanager
def _cursor(database: dict[str, Any]) -> Iterator[Cursor]:
    with (
        pymysql.connect(
            host=database["host"],
            port=database["port"],
            user=database["user"],
            password=database["password"],
            autocommit=True,
        ) as connection,
        connection.cursor() as cursor,
    ):
        yield cursor


def _load(window: Page, weights: list[int], address: str, loads: Loads) -> None:
    """Open a page in a window without caches."""
    weights.clear()
    answer = window.goto(address, wait_until="load")
    assert answer is not None
    assert answer.status == 200, address
    window.wait_for_function("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
    answered, loaded = window.evaluate(
        "(({responseStart, loadEventEnd}) => [responseStart, loadEventEnd])"
        "(performance.getEntriesByType('navigation')[0])"
    )
    loads.answered.append(answered)
    loads.loaded.append(loaded)
    loads.weight = max(loads.weight, sum(weights))


def _without_caches(window: Page) -> list[int]:
    """Disable a window's caches; return the list that receives the size of each response."""
    weights: list[int] = []
    session = window.context.new_cdp_session(window)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    session.on(
        "Network.loadingFinished", lambda event: weights.append(int(event["encodedDataLength"]))
    )
    return weights


def _print_table(found: dict[Address, Loads]) -> int:
    print("| page | first byte, ms | loaded, ms | slowest of all, ms | over the wire, kB |")
    print("|---|---:|---:|---:|---:|")
    for page, loads in sorted(found.items(), key=lambda one: -statistics.median(one[1].loaded)):
        print(
            f"| {page.name} | {statistics.median(loads.answered):.0f} |"
            f" {statistics.median(loads.loaded):.0f} | {max(loads.loaded):.0f} |"
            f" {loads.weight / 1000:.1f} |"
        )
    slowest = max(statistics.median(loads.loaded) for loads in found.values())
    heaviest = max(loads.weight for loads in found.values())
    print(f"\nSlowest page {slowest:.0f} ms (median), heaviest {heaviest / 1000:.1f} kB.")
    return 0 if slowest < LONGEST_MS and heaviest < HEAVIEST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
