"""How a file's statements are grouped by how they commit."""

import pytest

from sysndd_migrator.files.splitter import split
from sysndd_migrator.files.units import Kind, kind_of, uncommitted, units_of, uses_temporary_tables


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("CREATE TABLE t (i INT)", Kind.DEFINITION),
        ("alter table t add column a int", Kind.DEFINITION),
        (
            "/*!50003 CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1 */",
            Kind.DEFINITION,
        ),
        ("GRANT SELECT ON x.* TO y", Kind.DEFINITION),
        ("TRUNCATE t", Kind.DEFINITION),
        ("INSERT INTO t VALUES (1)", Kind.DATA),
        ("INSERT INTO t SELECT 1 INTO @x", Kind.DATA),
        ("with a as (select 1) update t, a set b = 1", Kind.DATA),
        ("(SELECT 1) UNION (SELECT 2)", Kind.DATA),
        ("SELECT 1", Kind.DATA),
        ("SELECT COUNT(*) INTO @n FROM t", Kind.SESSION),
        ("SET @a = 1", Kind.SESSION),
        ("/*!40101 SET NAMES utf8mb4 */", Kind.SESSION),
        ("SET SESSION sql_mode = ''", Kind.SESSION),
        ("USE other", Kind.SESSION),
        ("PREPARE s FROM @a", Kind.SESSION),
        ("DEALLOCATE PREPARE s", Kind.SESSION),
        ("DROP PREPARE s", Kind.SESSION),
        ("CREATE TEMPORARY TABLE t (i INT)", Kind.SESSION),
        ("SET GLOBAL max_connections = 5", Kind.OPAQUE),
        ("SET PASSWORD FOR x = 'y'", Kind.OPAQUE),
        ("SET STATEMENT max_statement_time = 1 FOR DELETE FROM t", Kind.OPAQUE),
        ("EXECUTE s", Kind.OPAQUE),
        ("CALL p()", Kind.OPAQUE),
        ("DO SLEEP(1)", Kind.OPAQUE),
        ("BEGIN NOT ATOMIC SELECT 1", Kind.OPAQUE),
    ],
)
def test_kinds(text: str, kind: Kind) -> None:
    (statement,) = split(text.encode())
    assert kind_of(statement) is kind


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("", []),
        ("INSERT INTO t VALUES (1); UPDATE t SET a = 1; DELETE FROM t", [("data", 1, 3)]),
        (
            "CREATE TABLE t (i INT); INSERT INTO t VALUES (1); ALTER TABLE t ADD b INT",
            [("definition", 1, 1), ("data", 2, 2), ("definition", 3, 3)],
        ),
        (
            "BEGIN; INSERT INTO t VALUES (1); SET @a = 1; COMMIT; SELECT 1",
            [("transaction", 1, 4), ("data", 5, 5)],
        ),
        (
            "START TRANSACTION; INSERT INTO t VALUES (1); CREATE TABLE u (i INT); COMMIT",
            [("transaction", 1, 2), ("definition", 3, 3), ("opaque", 4, 4)],
        ),
        (
            "LOCK TABLES t WRITE; INSERT INTO t VALUES (1); UNLOCK TABLES; SELECT 2",
            [("tables_locked", 1, 3), ("data", 4, 4)],
        ),
        ("INSERT INTO t VALUES (1); BEGIN; COMMIT", [("data", 1, 1), ("transaction", 2, 3)]),
        ("SET @a = 1; SET @b = 2", [("session", 1, 1), ("session", 2, 2)]),
    ],
)
def test_grouping(text: str, units: list[tuple[str, int, int]]) -> None:
    found = [(unit.kind.value, unit.first, unit.last) for unit in units_of(split(text.encode()))]
    assert found == units


def test_every_statement_is_in_exactly_one_unit() -> None:
    statements = split(
        b"BEGIN; SELECT 1; LOCK TABLES t READ; COMMIT; UNLOCK TABLES; SET @a=1; DO 1"
    )
    units = list(units_of(statements))
    assert [statement for unit in units for statement in unit.statements] == list(statements)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("BEGIN; COMMIT", None),
        ("SELECT 1;\nBEGIN;\nINSERT INTO t VALUES (1)", 2),
        ("START TRANSACTION READ ONLY;\nSELECT 1;\nROLLBACK", None),
    ],
)
def test_a_transaction_left_open_is_found(text: str, line: int | None) -> None:
    opened = uncommitted(units_of(split(text.encode())))
    assert (opened.line if opened else None) == line


def test_temporary_tables_are_found() -> None:
    assert uses_temporary_tables(split(b"CREATE TEMPORARY TABLE t (i INT)"))
    assert not uses_temporary_tables(split(b"SELECT 'CREATE TEMPORARY TABLE'"))
