"""The development data set is reproducible, loaded once, and refused if other data exists."""

import re
import subprocess
import sys

from tests.support.migrations import ROOT, fingerprint
from tests.support.seed import load_seed, run_seed
from tests.support.servers import DatabaseServer


def test_the_seed_is_loaded_once(database_server: DatabaseServer, migrated: str) -> None:
    first = load_seed(database_server, migrated)
    before = fingerprint(database_server, migrated)
    second = load_seed(database_server, migrated)

    assert first.startswith("seed: loaded user 10, gene 148, ")
    assert second.startswith("seed: already loaded, nothing changed (user 10, gene 148, ")
    assert fingerprint(database_server, migrated) == before


def test_the_seed_is_large_and_has_correct_identifiers_of_known_genes(
    database_server: DatabaseServer, migrated: str
) -> None:
    load_seed(database_server, migrated)

    ((entities, shortest, wide),) = database_server.execute(
        "SELECT (SELECT COUNT(*) FROM entity), MIN(CHAR_LENGTH(synopsis)),"
        " SUM(CHAR_LENGTH(synopsis) < LENGTH(synopsis)) FROM review",
        schema=migrated,
    )
    assert entities >= 5000
    assert shortest >= 200
    assert wide > 1000
    genes = database_server.execute("SELECT symbol, hgnc_id FROM gene", schema=migrated)
    known = {"SCN1A": 10585, "MECP2": 6990, "ARID1B": 18040, "CDKL5": 11411, "SYNGAP1": 11497}
    assert {(symbol, f"HGNC:{number}") for symbol, number in known.items()} <= set(genes)
    assert database_server.execute(
        "SELECT COUNT(*) FROM `user` WHERE password_hash IS NOT NULL OR role = 'Administrator'",
        schema=migrated,
    ) == ((0,),)


def test_existing_accounts_keep_their_ids(database_server: DatabaseServer, migrated: str) -> None:
    database_server.execute(
        "INSERT INTO `user` (user_name, email, role, state)"
        " VALUES ('admin', 'admin@example.org', 'Administrator', 'active')",
        schema=migrated,
    )
    assert "user 11," in load_seed(database_server, migrated)
    assert database_server.execute(
        "SELECT COUNT(*) FROM entity e JOIN `user` u ON u.user_id = e.entry_user"
        " WHERE u.role <> 'Curator'",
        schema=migrated,
    ) == ((0,),)


def test_a_schema_with_other_data_is_refused_and_unchanged(
    database_server: DatabaseServer, migrated: str
) -> None:
    database_server.execute(
        "INSERT INTO gene (hgnc_id, symbol, name) VALUES ('HGNC:5', 'A1BG', 'x')", schema=migrated
    )
    before = fingerprint(database_server, migrated)

    done = run_seed(database_server, migrated)

    assert done.returncode == 1
    assert "contains other data" in done.stderr
    assert fingerprint(database_server, migrated) == before


def test_a_failed_load_is_rolled_back(database_server: DatabaseServer, migrated: str) -> None:
    database_server.execute(
        "DELETE FROM mode_of_inheritance WHERE inheritance_id = 'HP:0001419'", schema=migrated
    )
    before = fingerprint(database_server, migrated)

    assert run_seed(database_server, migrated).returncode == 1
    # AUTO_INCREMENT counters advance, but no rows remain.
    assert fingerprint(database_server, migrated) == before


def test_without_tables_the_error_names_the_migrator(database_server: DatabaseServer) -> None:
    with database_server.temporary_schema("empty") as schema:
        done = run_seed(database_server, schema)
    assert done.returncode == 1
    assert "run `sysndd-migrator up` first" in done.stderr


def test_the_generated_sql_is_reproducible_and_contains_no_backslash() -> None:
    command = [sys.executable, "db/seed/generate.py"]
    first, second = (
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout for _ in range(2)
    )
    assert first == second
    assert b"\\" not in first
    assert re.findall(rb"INSERT INTO `(\w+)`", first)[0] == b"user"
