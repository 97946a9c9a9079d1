"""The commands of docs/runbooks/damaged-database.md, on each kind of damage that it names."""

import asyncio
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.http import Api
from tests.support.runbooks import commands
from tests.support.site import REPOSITORY, Site
from tests.support.workers import PACKAGES, checksums, service_process

_IN_THE_CONTAINER = "docker compose exec -T api sysndd-admin "

DAMAGES = {
    "view": ("DROP TABLE base", "view of_base: 1356: ", "It does not contain:\n  view of_base"),
    "tablespace": (
        "ALTER TABLE base DISCARD TABLESPACE",
        "table base: 1814: ",
        "table base: no rows were read: 1814",
    ),
    "schema": ("DROP DATABASE `{app}`", "base: no table → 2", "There is no safety backup"),
}


def _run(site: Site, command: str) -> str:
    assert command.startswith(_IN_THE_CONTAINER), command
    arguments = shlex.split(command.removeprefix(_IN_THE_CONTAINER))
    paths = os.pathsep.join(str(REPOSITORY / package) for package in PACKAGES)
    done = subprocess.run(
        [sys.executable, "-m", "sysndd_api.cli.main", *arguments],
        env={**os.environ, **site.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("case", DAMAGES.values(), ids=DAMAGES)
async def test_the_runbook_restores_over_the_damage(
    api: Api, site: Site, tmp_path: Path, case: tuple[str, str, str]
) -> None:
    damage, announced, reported = case
    for statement in (
        "CREATE TABLE base (id INT PRIMARY KEY)",
        "INSERT INTO base VALUES (1), (2)",
        "CREATE VIEW of_base AS SELECT id FROM base",
    ):
        site.server.execute(statement, schema=site.app)
    before = checksums(site, site.app)
    dry_run, restore, backup = commands("damaged-database.md", "Restore over a damaged database")
    with service_process("sysndd_backup", site, tmp_path):

        async def run(command: str) -> str:
            return await asyncio.to_thread(_run, site, command)

        await run(backup)
        site.server.execute(damage.format(app=site.app), schema=site.app)
        shown = await run(dry_run)
        assert announced in shown
        assert "A restore requires --accept incomplete_safety_backup." in shown
        shown = await run(restore)
        assert "Restored manual_" in shown
        assert reported in shown
        assert " tables, " in await run(backup)
    assert checksums(site, site.app) == before
