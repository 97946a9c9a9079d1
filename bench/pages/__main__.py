"""``make bench WHAT=pages``: the first load of every page, in Chromium, with the data of years.

Runs a separate system behind its proxy, with 1,000 backups, 10,000 jobs, emails and audit log
entries, and 1,000 accounts. The caches of the browser are off, so each load transfers the page,
style sheets, scripts and images. The duration is from the start of the navigation to the end of
the ``load`` event, as reported by Navigation Timing. The size includes the headers of all
responses. The pages alternate, so that other load on the machine affects all of them. The load
average is printed, because the figures are not reliable on a busy machine.
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

from bench.pages.dataset import fill_backups, fill_tables
from tests.support.addresses import Address, every_page, existing_objects
from tests.support.browser import chromium, visitor
from tests.support.local_run import LocalRun

MAX_LOAD_MS = 300
MAX_BYTES = 150_000


@dataclass
class Loads:
    """The loads of one page.

    Attributes:
        first_byte: Milliseconds to the first byte of the response.
        loaded: Milliseconds to the end of the load.
        size: Maximum number of bytes transferred.
    """

    first_byte: list[float] = field(default_factory=list)
    loaded: list[float] = field(default_factory=list)
    size: int = 0


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="sysndd-bench-") as folder:
        run = LocalRun(Path(folder) / "run")
        try:
            run.up()
            results = _measure(run.system, options)
        finally:
            run.command("reset", CONFIRM="yes")
    return _print_table(results)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--backups", type=int, default=1_000)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


def _measure(system: dict[str, Any], options: argparse.Namespace) -> dict[Address, Loads]:
    backup = _fill(system, options)
    database, admin = system["database"], system["admin"]
    with chromium() as browser, _cursor(database) as cursor:
        window = visitor(browser, system["base_url"])
        window.sign_in(**admin)
        sizes = _disable_caches(window.page)
        names = {"app": database["name"], "ops": database["ops_name"], "login": admin["login"]}
        with existing_objects(cursor, **names) as values:
            pages = every_page(values | {"name": backup})
            results = {page: Loads() for page in pages}
            # Round 0 is not counted, because the new processes still read their files.
            for number in range(options.rounds + 1):
                load = os.getloadavg()[0]
                print(f"round {number} of {options.rounds}, load {load:.1f} …", file=sys.stderr)
                for page in pages:
                    loads = results[page] if number else Loads()
                    _load(window.page, sizes, system["base_url"] + page.path, loads)
    return results


def _fill(system: dict[str, Any], options: argparse.Namespace) -> str:
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


def _load(window: Page, sizes: list[int], address: str, loads: Loads) -> None:
    """Open a page and record its load.

    Args:
        window: Window without caches.
        sizes: The list of ``_disable_caches``.
        address: URL of the page.
        loads: Result to extend.
    """
    sizes.clear()
    response = window.goto(address, wait_until="load")
    assert response is not None
    assert response.status == 200, address
    window.wait_for_function("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
    first_byte, loaded = window.evaluate(
        "(({responseStart, loadEventEnd}) => [responseStart, loadEventEnd])"
        "(performance.getEntriesByType('navigation')[0])"
    )
    loads.first_byte.append(first_byte)
    loads.loaded.append(loaded)
    loads.size = max(loads.size, sum(sizes))


def _disable_caches(window: Page) -> list[int]:
    """Disable the caches; return the list to which the size of each response is appended."""
    sizes: list[int] = []
    session = window.context.new_cdp_session(window)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    session.on(
        "Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"]))
    )
    return sizes


def _print_table(results: dict[Address, Loads]) -> int:
    print("| page | first byte, ms | loaded, ms | slowest, ms | transferred, kB |")
    print("|---|---:|---:|---:|---:|")
    for page, loads in sorted(results.items(), key=lambda one: -statistics.median(one[1].loaded)):
        print(
            f"| {page.name} | {statistics.median(loads.first_byte):.0f} |"
            f" {statistics.median(loads.loaded):.0f} | {max(loads.loaded):.0f} |"
            f" {loads.size / 1000:.1f} |"
        )
    slowest = max(statistics.median(loads.loaded) for loads in results.values())
    largest = max(loads.size for loads in results.values())
    print(f"\nSlowest page: {slowest:.0f} ms (median). Largest page: {largest / 1000:.1f} kB.")
    return 0 if slowest < MAX_LOAD_MS and largest < MAX_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
