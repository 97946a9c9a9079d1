"""Each rule of ``lint`` on statements that violate it and on similar ones that do not."""

import pytest

from sysndd_migrator.checks.lint_rules import check
from sysndd_migrator.files.script import Script


def rules(text: str) -> list[tuple[int, str]]:
    """Return (line, rule) of the findings."""
    found = check(Script(1, "001_x.sql", "dir/001_x.sql", text.encode()))
    return [(finding.line, finding.rule) for finding in found]


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("ALTER TABLE g ADD COLUMN IF NOT EXISTS a INT", "mariadb-only"),
        ("ALTER TABLE g ADD IF NOT EXISTS a INT", "mariadb-only"),
        ("ALTER TABLE g ADD INDEX IF NOT EXISTS i (a)", "mariadb-only"),
        ("ALTER TABLE g DROP INDEX IF EXISTS i", "mariadb-only"),
        ("ALTER TABLE IF EXISTS g ADD COLUMN a INT", "mariadb-only"),
        ("CREATE INDEX IF NOT EXISTS i ON g (a)", "mariadb-only"),
        ("DROP INDEX IF EXISTS i ON g", "mariadb-only"),
        ("CREATE OR REPLACE TABLE g (id INT PRIMARY KEY)", "mariadb-only"),
        ("CREATE OR REPLACE TRIGGER t BEFORE INSERT ON g FOR EACH ROW SET @a = 1", "mariadb-only"),
        ("EXECUTE IMMEDIATE 'SELECT 1'", "mariadb-only"),
        ("CREATE SEQUENCE s", "mariadb-only"),
        ("INSERT INTO g VALUES (1) RETURNING id", "mariadb-only"),
        ("CREATE TABLE g (id UUID NOT NULL PRIMARY KEY)", "mariadb-only"),
        ("CREATE TABLE g (id INT PRIMARY KEY) COLLATE utf8mb4_uca1400_ai_ci", "mariadb-only"),
        ("SET @d = 'ALTER TABLE g ADD COLUMN IF NOT EXISTS a INT'", "mariadb-only"),
        ("CREATE TABLE g (id INT PRIMARY KEY) COLLATE utf8mb4_0900_ai_ci", "mysql-only"),
        ("SET NAMES utf8mb4 COLLATE utf8mb4_de_pb_0900_as_cs", "mysql-only"),
        ("CREATE TABLE g (id INT PRIMARY KEY, KEY k ((id + 1)))", "mysql-only"),
        ("INSERT INTO g VALUES (1) AS n ON DUPLICATE KEY UPDATE a = n.a", "mysql-only"),
        ("SELECT d->>'$.a' FROM g", "mysql-only"),
        ("CREATE TABLE g (id INT, a INT)", "missing-primary-key"),
        ("DROP TABLE g", "destructive"),
        ("DROP TABLE IF EXISTS g", "destructive"),
        ("TRUNCATE g", "destructive"),
        ("ALTER TABLE g DROP COLUMN a", "destructive"),
        ("ALTER TABLE g ADD b INT, DROP a", "destructive"),
        ("DELETE FROM g", "destructive"),
        ("SET @d = IF(@x, 'ALTER TABLE g DROP COLUMN a', 'DO 0')", "destructive"),
        ("SET @clause = 'DROP COLUMN a'", "destructive"),
        ("RENAME TABLE g TO h", "rename"),
        ("ALTER TABLE g RENAME TO h", "rename"),
        ("ALTER TABLE g RENAME COLUMN a TO b", "rename"),
        ("ALTER TABLE g CHANGE COLUMN a b INT", "rename"),
        ("INSERT IGNORE INTO g VALUES (1)", "insert-ignore"),
        ("/*!50000 INSERT IGNORE INTO g VALUES (1) */", "insert-ignore"),
        ("USE other", "other-schema"),
        ("GRANT SELECT ON g TO x", "other-schema"),
        ("SELECT 'never closed", "ambiguous-file"),
    ],
)
def test_a_violation_is_found(statement: str, rule: str) -> None:
    assert (1, rule) in rules(f"{statement};\n")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE IF NOT EXISTS g (id INT NOT NULL, PRIMARY KEY (id))"
        " COLLATE utf8mb4_unicode_ci",
        "CREATE TABLE g (uuid CHAR(36) PRIMARY KEY COMMENT 'IF NOT EXISTS in the text')",
        "CREATE TABLE g LIKE h",
        "CREATE TEMPORARY TABLE g (id INT)",
        "CREATE OR REPLACE VIEW v AS SELECT 1 AS a",
        "DROP VIEW IF EXISTS v",
        "DROP TRIGGER IF EXISTS t",
        "DROP TEMPORARY TABLE IF EXISTS g",
        "ALTER TABLE g ADD COLUMN a INT, ADD INDEX i (a)",
        "ALTER TABLE g DROP INDEX i, DROP FOREIGN KEY f, DROP PRIMARY KEY",
        "ALTER TABLE g ALTER COLUMN a DROP DEFAULT",
        "ALTER TABLE g RENAME INDEX i TO j",
        "ALTER TABLE g CHANGE COLUMN `a` `a` INT NOT NULL",
        "DELETE FROM g WHERE a = 1",
        "INSERT INTO g VALUES ('INSERT IGNORE', 'DROP TABLE g', 'utf8mb4_0900_ai_ci')",
        "INSERT INTO g VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a)",
        "SET @said = 'we drop by'",
        "SELECT 1 /* DROP TABLE g */ -- TRUNCATE g",
    ],
)
def test_a_valid_statement_has_no_finding(statement: str) -> None:
    assert rules(f"{statement};\n") == []


def test_the_line_is_that_of_the_violation_not_of_the_statement() -> None:
    assert rules("SELECT 1;\n\nALTER TABLE g\n  ADD a INT,\n  DROP COLUMN b;\n") == [
        (5, "destructive")
    ]


def test_a_comment_with_a_reason_allows_a_rule_for_the_next_statement_only() -> None:
    text = (
        "-- lint: allow destructive unused since 1.4\nDROP TABLE a;\nDROP TABLE b;\n"
        "-- lint: allow rename not the rule it breaks\nDROP TABLE c;\n"
    )
    assert rules(text) == [(3, "destructive"), (5, "destructive")]


def test_an_allowance_needs_a_reason_and_a_rule_that_exists() -> None:
    text = "-- lint: allow destructive\nDROP TABLE a;\n-- lint: allow drops because\nSELECT 1;\n"
    assert rules(text) == [(1, "allowance"), (2, "destructive"), (3, "allowance")]


def test_a_finding_is_one_line_with_what_to_write_instead() -> None:
    (finding,) = check(Script(1, "001_x.sql", "d/001_x.sql", b"INSERT IGNORE INTO g VALUES (1);"))
    shown = str(finding)
    assert shown.startswith("d/001_x.sql:1 insert-ignore INSERT IGNORE: hides every error")
    assert " → INSERT … SELECT … WHERE NOT EXISTS" in shown
    assert "\n" not in shown
