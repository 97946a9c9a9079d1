"""The development data set: identical on every run, loaded once, refused with other data."""

import os
import re
import subprocess
import sys

from tests.integration.schema.migrations import ROOT, fingerprint
from tests.support.servers import TestMariadb


def run_seed(server: TestMariadb, schema: str) -> "subprocess.CompletedProcess[str]":
    """Run ``python db/seed/load.py`` as ``make seed`` does."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("DB_")}
    settings |= server.environ(name=schema) | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)
    }
    return subprocess.run(
        [sys.executable, "db/seed/load.py"],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        check=False,
    )


def load_seed(server: TestMariadb, schema: str) -> str:
    """Load the data set and return what the loader printed."""
    done = run_seed(server, schema)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_second_load_changes_nothing(mariadb: TestMariadb, migrated: str) -> None:
    first = load_seed(mariadb, migrated)
    before = fingerprint(mariadb, migrated)
    second = load_seed(mariadb, migrated)

    assert first.startswith("seed: loaded user 10, gene 148, ")
    assert second.startswith("seed: already loaded, nothing changed (user 10, gene 148, ")
    assert fingerprint(mariadb, migrated) == before


def test_it_is_large_enough_and_known_genes_are_correct(
    mariadb: TestMariadb, migrated: str
) -> None:
    load_seed(mariadb, migrated)

    ((entities, shortest, wide),) = mariadb.execute(
        "SELECT (SELECT COUNT(*) FROM entity), MIN(CHAR_LENGTH(synopsis)),"
        " SUM(CHAR_LENGTH(synopsis) < LENGTH(synopsis)) FROM review",
        schema=migrated,
    )
    assert entities >= 5000
    assert shortest >= 200
    assert wide > 1000
    genes = mariadb.execute("SELECT symbol, hgnc_id FROM gene", schema=migrated)
    known = {"SCN1A": 10585, "MECP2": 6990, "ARID1B": 18040, "CDKL5": 11411, "SYNGAP1": 11497}
    assert {(symbol, f"HGNC:{number}") for symbol, number in known.items()} <= set(genes)
    assert mariadb.execute(
        "SELECT COUNT(*) FROM `user` WHERE password_hash IS NOT NULL OR role = 'Administrator'",
        schema=migrated,
    ) == ((0,),)


def test_existing_accounts_keep_their_numbers(mariadb: TestMariadb, migrated: str) -> None:
    mariadb.execute(
        "INSERT INTO `user` (user_name, email, role, state)"
        " VALUES ('admin', 'admin@example.org', 'Administrator', 'active')",
        schema=migrated,
    )
    assert "user 11," in load_seed(mariadb, migrated)
    assert mariadb.execute(
        "SELECT COUNT(*) FROM entity e JOIN `user` u ON u.user_id = e.entry_user"
        " WHERE u.role <> 'Curator'",
        schema=migrated,
    ) == ((0,),)


def test_a_schema_with_other_data_is_refused_and_not_changed(
    mariadb: TestMariadb, migrated: str
) -> None:
    mariadb.execute(
        "INSERT INTO gene (hgnc_id, symbol, name) VALUES ('HGNC:5', 'A1BG', 'x')", schema=migrated
    )
    before = fingerprint(mariadb, migrated)

    done = run_seed(mariadb, migrated)

    assert done.returncode == 1
    assert "contains other data" in done.stderr
    assert fingerprint(mariadb, migrated) == before


def test_a_failed_load_is_rolled_back(mariadb: TestMariadb, migrated: str) -> None:
    mariadb.execute(
        "DELETE FROM mode_of_inheritance WHERE inheritance_id = 'HP:0001419'", schema=migrated
    )
    before = fingerprint(mariadb, migrated)

    assert run_seed(mariadb, migrated).returncode == 1
    # AUTO_INCREMENT counters change, rows do not.
    assert fingerprint(mariadb, migrated) == before


def test_without_tables_it_names_the_migrator(mariadb: TestMariadb) -> None:
    with mariadb.temporary_schema("empty") as schema:
        done = run_seed(mariadb, schema)
    assert done.returncode == 1
    assert "run `sysndd-migrator up` first" in done.stderr


def test_the_sql_is_identical_on_every_run_and_contains_no_backslash() -> None:
    command = [sys.executable, "db/seed/generate.py"]
    first, second = (
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout for _ in range(2)
    )
    assert first == second
    assert b"\\" not in first
    assert re.findall(rb"INSERT INTO `(\w+)`", first)[0] == b"user"
