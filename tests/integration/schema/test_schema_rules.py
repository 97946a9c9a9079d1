"""Rules for every table, and what the database itself rejects."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pymysql.err
import pytest

from tests.support.migrations import FILES
from tests.support.servers import DatabaseServer, Row

Run = Callable[..., tuple[Row, ...]]


@pytest.fixture
def run(database_server: DatabaseServer, migrated: str) -> Iterator[Run]:
    """Run statements in a migrated schema with a gene, a disease and a curator."""
    with database_server.connect(migrated) as connection, connection.cursor() as cursor:

        def run(sql: str, *arguments: object) -> tuple[Row, ...]:
            cursor.execute(sql, arguments)
            return tuple(cursor.fetchall())

        run("INSERT INTO `user` (user_name, email, role) VALUES ('c', 'c@example.org', 'Curator')")
        run("INSERT INTO gene (hgnc_id, symbol, name) VALUES ('HGNC:6990', 'MECP2', 'x')")
        run("INSERT INTO disease (disease_id, name) VALUES ('MONDO:0010726', 'Rett syndrome')")
        yield run


ENTITY = (
    "INSERT INTO entity (entity_id, hgnc_id, disease_id, inheritance_id, category, entry_user)"
    " SELECT %s, 'HGNC:6990', 'MONDO:0010726', 'HP:0001423', %s, MIN(user_id) FROM `user`"
)
REVIEW = (
    "INSERT INTO review (entity_id, synopsis, review_user, is_primary)"
    " SELECT 1, 'text', MIN(user_id), %s FROM `user`"
)


def test_every_table_is_innodb_utf8mb4_and_has_a_primary_key(
    database_server: DatabaseServer, migrated: str
) -> None:
    tables = database_server.execute(
        "SELECT t.TABLE_NAME, t.ENGINE, t.TABLE_COLLATION,"
        " SUM(c.CONSTRAINT_TYPE = 'PRIMARY KEY') FROM information_schema.TABLES t"
        " LEFT JOIN information_schema.TABLE_CONSTRAINTS c"
        " ON c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME"
        " WHERE t.TABLE_SCHEMA = %s AND t.TABLE_TYPE = 'BASE TABLE' GROUP BY 1, 2, 3",
        (migrated,),
    )
    assert len(tables) >= 10
    assert {row[1:] for row in tables} == {("InnoDB", "utf8mb4_unicode_ci", 1)}


def test_no_column_is_generated(database_server: DatabaseServer, migrated: str) -> None:
    """With one, CHECKSUM TABLE differs after a dump and restore of equal rows (MDEV-22943)."""
    found = database_server.execute(
        "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS"
        " WHERE TABLE_SCHEMA = %s AND GENERATION_EXPRESSION <> ''",
        (migrated,),
    )
    assert found == ()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_migration_uses_syntax_of_one_vendor_only(file: Path) -> None:
    code = re.sub(r"(?m)--(?: .*)?$", "", file.read_text(encoding="utf-8"))
    one_sided = (
        r"utf8mb4_(0900|uca1400)|\b(ADD|DROP|MODIFY|CHANGE)\s+(COLUMN|INDEX|KEY)?\s*IF\b"
        r"|CREATE\s+OR\s+REPLACE\b(?!\s+(?:SQL SECURITY|VIEW))|/\*[!+M]|\bRETURNING\b|\bSEQUENCE\b"
        r"|\bVALUES\s*\(\s*\w+\s*\)\s*;?\s*$|\)\s*AS\s+new\b|\bINSERT\s+IGNORE\b|\bINVISIBLE\b"
    )
    assert re.findall(one_sided, code, re.IGNORECASE) == []


@pytest.mark.parametrize("text", ["é", "日本", "🧬", "x'\\"])
def test_any_search_text_can_be_compared_with_any_identifier(run: Run, text: str) -> None:
    """With an ascii column, the result would be error 1267 instead of no rows."""
    for table, column in (
        *(("gene", "hgnc_id"), ("disease", "disease_id"), ("entity", "category")),
        *(("entity", "inheritance_id"), ("entity", "status"), ("user", "role"), ("user", "state")),
    ):
        assert run(f"SELECT 1 FROM `{table}` WHERE {column} = %s", text) == ()
        assert run(f"SELECT 1 FROM `{table}` WHERE {column} LIKE %s", f"%{text}%") == ()


@pytest.mark.parametrize(
    ("column", "value"), [("role", "administrator"), ("role", "Owner"), ("state", "Active")]
)
def test_unknown_roles_and_states_are_rejected(run: Run, column: str, value: str) -> None:
    with pytest.raises(pymysql.err.MySQLError, match=f"user_{column}_known"):
        run(f"UPDATE `user` SET {column} = %s", value)


def test_a_lookalike_user_name_or_address_is_rejected(run: Run) -> None:
    for name, email in (("C", "other@example.org"), ("other", "ç@example.org")):
        with pytest.raises(pymysql.err.IntegrityError, match="Duplicate"):
            run("INSERT INTO `user` (user_name, email) VALUES (%s, %s)", name, email)


def test_an_entity_is_unique_while_active_and_can_be_replaced(run: Run) -> None:
    run(ENTITY, 1, "Limited")
    with pytest.raises(pymysql.err.IntegrityError, match="entity_active_unique"):
        run(ENTITY, 2, "Definitive")

    run("UPDATE entity SET is_active = 0 WHERE entity_id = 1")
    run(ENTITY, 2, "Definitive")
    run("UPDATE entity SET replaced_by = 2 WHERE entity_id = 1")

    with pytest.raises(pymysql.err.MySQLError, match="entity_replaced_is_inactive"):
        run("UPDATE entity SET replaced_by = 1 WHERE entity_id = 2")
    assert run("SELECT entity_id, category, is_active FROM entity_view ORDER BY 1") == (
        (1, "Limited", 0),
        (2, "Definitive", 1),
    )


def test_only_changes_of_status_are_recorded(run: Run) -> None:
    run(ENTITY, 1, "Limited")
    run("UPDATE entity SET ndd_phenotype = 0")
    run("UPDATE entity SET status = 'approved', category = 'Moderate'")
    run("UPDATE entity SET is_active = 0")

    assert run(
        "SELECT old_status, new_status, old_category, new_category, old_is_active, new_is_active"
        " FROM entity_status_history ORDER BY history_id"
    ) == (
        (None, "draft", None, "Limited", None, 1),
        ("draft", "approved", "Limited", "Moderate", 1, 1),
        ("approved", "approved", "Moderate", "Moderate", 1, 0),
    )
    ((age,),) = run(
        "SELECT MAX(ABS(TIMESTAMPDIFF(SECOND, changed_at, UTC_TIMESTAMP(6))))"
        " FROM entity_status_history"
    )
    assert age in range(60)


def test_an_entity_has_at_most_one_primary_review(run: Run) -> None:
    run(ENTITY, 1, "Limited")
    for is_primary in (0, 0, 1):
        run(REVIEW, is_primary)
    with pytest.raises(pymysql.err.IntegrityError, match="review_primary_unique"):
        run(REVIEW, 1)
    run("UPDATE review SET is_primary = 0")
    run(REVIEW, 1)


def test_entities_are_counted_per_category(run: Run) -> None:
    run(ENTITY, 1, "Moderate")
    counts = (("Definitive", 0), ("Moderate", 1), ("Limited", 0), ("Refuted", 0))
    assert run("CALL count_entities_per_category(TRUE)") == counts

    run("UPDATE entity SET is_active = 0")
    assert ("Moderate", 0) in run("CALL count_entities_per_category(TRUE)")
    assert run("CALL count_entities_per_category(FALSE)") == counts
