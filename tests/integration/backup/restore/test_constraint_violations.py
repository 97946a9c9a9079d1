"""Data that violates its constraints, which the live database accepted."""

import json
from collections.abc import AsyncIterator

import pytest

from sysndd_backup.jobs import BackupPolicy
from sysndd_core.backups.manifest import Verification
from sysndd_core.jobs.models import Consent, CreateBackup, DryRunRestore, RestoreBackup
from tests.support.site import Site
from tests.support.workers import BackupBench, backup_bench

VIOLATIONS = {
    "an orphan": (
        (
            "CREATE TABLE parent (id INT PRIMARY KEY)",
            "CREATE TABLE child (id INT PRIMARY KEY,"
            " CONSTRAINT of_parent FOREIGN KEY (id) REFERENCES parent (id))",
            "INSERT INTO child VALUES (1)",
        ),
        "The foreign key of_parent of child is violated",
    ),
    "a parent that does not exist": (
        (
            "CREATE TABLE child (id INT PRIMARY KEY,"
            " CONSTRAINT of_nothing FOREIGN KEY (id) REFERENCES nothing (id))",
            "INSERT INTO child VALUES (1)",
        ),
        "The foreign key of_nothing of child refers to nothing, which does not exist.",
    ),
}
MARIADB_ONLY = {
    "a check": (
        (
            "CREATE TABLE child (id INT PRIMARY KEY, share INT)",
            "INSERT INTO child VALUES (1, 101)",
            "SET check_constraint_checks = 0",
            "ALTER TABLE child ADD CONSTRAINT percent CHECK (share % 1 = 0 AND share <= 100)",
        ),
        "The check percent of child is violated: ",
    ),
}
"""MySQL checks all rows when a CHECK is added, and when rows are inserted."""


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    async with backup_bench(site) as bench:
        bench.policy = BackupPolicy()
        yield bench


@pytest.mark.parametrize("name", [*VIOLATIONS, *MARIADB_ONLY])
async def test_what_live_accepted_is_restored_with_consent(bench: BackupBench, name: str) -> None:
    site, mariadb = bench.site, bench.tools.server.vendor == "MariaDB"
    cases = VIOLATIONS | (MARIADB_ONLY if mariadb else dict.fromkeys(MARIADB_ONLY, ((), "")))
    statements, message = cases[name]
    with site.server.connect(site.app) as connection, connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        for statement in statements:
            cursor.execute(statement)
    before, definitions = bench.checksums(), foreign_keys(site)
    row = await bench.run(CreateBackup())
    assert row["state"] == "succeeded", row["error"]
    (manifest,) = bench.store.manifests()
    assert manifest.verification is Verification.VERIFIED
    assert [text.startswith(message) for text in manifest.constraint_violations] == [
        True for _ in statements[:1]
    ]
    dry_run = await bench.run(DryRunRestore(name=manifest.name))
    required = json.loads(dry_run["result"])["required_consents"]
    assert (Consent.CONSTRAINT_VIOLATIONS in required) == bool(statements)

    site.server.execute("DROP TABLE IF EXISTS child", schema=site.app)
    damaged = bench.checksums()
    others = tuple(one for one in Consent if one is not Consent.CONSTRAINT_VIOLATIONS)
    row = await bench.run(RestoreBackup(name=manifest.name, accept=others))
    if statements:
        assert (row["state"], row["error_code"]) == ("failed", "constraint_violations")
        assert message in row["error"]
        assert "--accept constraint_violations" in row["error"]
        assert bench.checksums() == damaged
        row = await bench.run(RestoreBackup(name=manifest.name, accept=tuple(Consent)))
    assert row["state"] == "succeeded", row["error"]
    assert bench.checksums() == before
    # The server would make such a key refer to a scratch schema.
    kept = [key for key in definitions if key[1] != "of_nothing"]
    assert foreign_keys(site) == kept
    warnings = json.loads(row["result"])["warnings"]
    assert ["of_nothing of child was left out" in text for text in warnings] == [
        True for _ in definitions[len(kept) :]
    ]
    # The restored database can be backed up, verified and restored again.
    row = await bench.run(CreateBackup())
    assert row["state"] == "succeeded", row["error"]


def foreign_keys(site: Site) -> list[tuple[object, ...]]:
    """Return the foreign keys of a site, with the schemas that they refer to."""
    return list(
        site.server.execute(
            "SELECT table_name, constraint_name, referenced_table_schema, referenced_table_name"
            " FROM information_schema.key_column_usage WHERE table_schema = %s"
            " AND referenced_table_name IS NOT NULL ORDER BY 1, 2",
            (site.app,),
        )
    )
