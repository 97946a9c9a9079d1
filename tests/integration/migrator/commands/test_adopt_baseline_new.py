"""``adopt``, ``baseline`` and ``new``."""

import re

import pytest

from tests.support.earlier_ledger import (
    APPLIED,
    GENE,
    create_schema_by_hand,
    earlier_ledger,
)
from tests.support.migrator import Workspace


def test_adopt_keeps_rows_and_times_and_applies_nothing(workspace: Workspace) -> None:
    earlier_ledger(workspace, *APPLIED)
    assert workspace.run("up").code == 4
    finished = workspace.run("adopt", "--json")
    assert finished.code == 0, finished
    assert finished.json["adopted"] == ["001_gene.sql", "002_note.sql"]
    assert "checksum" in finished.json["columns_added"]
    rows = workspace.sql(
        "SELECT filename, CAST(applied_at AS CHAR), success, checksum, statements, applied_by"
        " FROM schema_version ORDER BY filename"
    )
    assert [row[:3] for row in rows] == [
        (name, f"{at}.000000", success) for name, at, success in APPLIED
    ]
    assert all(row[3].startswith("sha256:") and row[4] == 1 for row in rows)
    assert all(row[5].startswith("adopted by ") for row in rows)
    applied = workspace.up().out
    assert "Applied 003_more.sql" in applied
    assert "001_gene.sql" not in applied
    status = workspace.run("status")
    assert status.code == 0
    assert "001_gene.sql  applied 2024-05-01 10:00:00 UTC (adopted by " in status.out
    assert "Nothing to take over" in workspace.run("adopt").out


def test_a_timestamp_of_the_earlier_table_keeps_its_instant(workspace: Workspace) -> None:
    earlier_ledger(workspace)
    workspace.sql(
        "INSERT INTO schema_version VALUES ('001_gene.sql', FROM_UNIXTIME(1714557600), 1)"
    )
    ((zone,),) = workspace.server.execute("SELECT @@GLOBAL.time_zone")
    workspace.server.execute("SET GLOBAL time_zone = '+05:00'")
    try:
        assert workspace.run("adopt").code == 0
    finally:
        workspace.server.execute("SET GLOBAL time_zone = %s", (zone,))
    assert workspace.sql("SELECT CAST(applied_at AS CHAR) FROM schema_version") == (
        ("2024-05-01 10:00:00.000000",),
    )


def test_adopt_of_a_table_with_an_id_and_a_missing_file(workspace: Workspace) -> None:
    earlier_ledger(
        workspace,
        *APPLIED,
        ("000_gone.sql", "2024-04-01 00:00:00", 1),
        table="CREATE TABLE schema_version (id INT AUTO_INCREMENT PRIMARY KEY,"
        " filename VARCHAR(255) NOT NULL, applied_at DATETIME NOT NULL, success BOOLEAN NOT NULL,"
        " who VARCHAR(20) NULL)",
    )
    finished = workspace.run("adopt")
    assert finished.code == 0, finished
    assert "Took over 2 files" in finished.out
    assert "Not in the directory: 000_gone.sql" in finished.out
    workspace.up()
    assert workspace.run("status").code == 0
    assert workspace.sql("SELECT COUNT(*) FROM schema_version") == ((4,),)


def test_a_failure_of_the_earlier_tool_needs_manual_resolution(workspace: Workspace) -> None:
    earlier_ledger(workspace, APPLIED[0], ("002_note.sql", "2024-06-01 11:00:00", 0))
    finished = workspace.run("adopt")
    assert "resolve 002_note.sql --applied" in finished.out
    assert workspace.run("up").code == 4
    assert workspace.run("resolve", "002_note.sql", "--applied").code == 0
    workspace.up()
    assert workspace.run("status").code == 0


def test_adopt_resumes_after_a_kill(workspace: Workspace) -> None:
    earlier_ledger(workspace, *APPLIED)
    assert workspace.run("adopt").code == 0
    # The state between the ALTER and the checksums.
    workspace.sql(
        "UPDATE schema_version SET checksum = '', statements_checksum = '', tool_version = ''"
    )
    assert workspace.run("up").code == 4
    assert workspace.run("adopt", "--json").json["adopted"] == ["001_gene.sql", "002_note.sql"]
    workspace.up()


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("CREATE TABLE schema_version (version INT PRIMARY KEY)", "has no column filename"),
        (
            "CREATE TABLE schema_version (filename VARCHAR(255) NOT NULL,"
            " applied_at TIMESTAMP NULL,"
            " success BOOLEAN, batch INT NOT NULL)",
            "columns without a default (batch)",
        ),
    ],
)
def test_adopt_refuses_tables_of_another_kind(
    workspace: Workspace, table: str, expected: str
) -> None:
    create_schema_by_hand(workspace)
    workspace.sql(table)
    before = workspace.sql("SHOW CREATE TABLE schema_version")
    finished = workspace.run("adopt")
    assert finished.code == 4
    assert expected in finished.err
    assert workspace.sql("SHOW CREATE TABLE schema_version") == before


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("001_gene.sql", None, 1), "001_gene.sql has no applied_at"),
        (("001_gene.sql", "2024-05-01", None), "001_gene.sql has no success"),
        (("001_géne.sql", "2024-05-01", 1), "is not the name of a migration"),
    ],
)
def test_adopt_refuses_incomplete_rows(
    workspace: Workspace, row: tuple[str, str, int], expected: str
) -> None:
    table = (
        "CREATE TABLE schema_version (filename VARCHAR(255) PRIMARY KEY, applied_at DATETIME NULL,"
        " success BOOLEAN NULL) DEFAULT CHARSET = utf8mb4"
    )
    earlier_ledger(workspace, row, table=table)
    finished = workspace.run("adopt")
    assert finished.code == 4
    assert expected in finished.err
    assert "Nothing was changed" in finished.err


def test_adopt_without_such_a_table_names_the_other_commands(workspace: Workspace) -> None:
    create_schema_by_hand(workspace)
    finished = workspace.run("adopt")
    assert finished.code == 4
    assert "baseline FILE" in finished.err


def test_baseline_records_existing_files_and_up_applies_the_rest(workspace: Workspace) -> None:
    create_schema_by_hand(workspace)
    finished = workspace.run("baseline", "002_note.sql")
    assert finished.code == 0, finished
    assert "Recorded 2 files as applied, after a check of the schema" in finished.out
    rows = workspace.sql("SELECT filename, success, applied_by FROM schema_version ORDER BY 1")
    assert [row[:2] for row in rows] == [("001_gene.sql", 1), ("002_note.sql", 1)]
    assert all(row[2].startswith("baseline by ") for row in rows)
    assert "002_note.sql" not in workspace.up().out
    assert workspace.run("status").code == 0
    assert workspace.run("baseline", "002_note.sql").code == 4
    assert scratch_schemas(workspace) == []


def test_baseline_refuses_a_schema_that_differs_from_the_files(workspace: Workspace) -> None:
    create_schema_by_hand(workspace)
    workspace.sql("ALTER TABLE gene MODIFY COLUMN symbol VARCHAR(99)")
    finished = workspace.run("baseline", "003_more.sql", "--json")
    assert finished.code == 4
    differences = finished.json["error"]["differences"]
    assert len(differences) == 2
    assert "varchar(20)" in differences[0]
    assert "varchar(99)" in differences[0]
    assert differences[1] == "table more is missing"
    assert "schema_version" not in {name for (name,) in workspace.sql("SHOW TABLES")}
    accepted = workspace.run("baseline", "003_more.sql", "--accept-differences")
    assert accepted.code == 0, accepted
    assert "table more is missing" in accepted.out


def test_baseline_of_an_empty_database_names_the_other_command(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    assert "Run `sysndd-migrator up`" in workspace.run("baseline", "001_gene.sql").err
    assert workspace.run("baseline", "009_none.sql").code == 66


def test_new_writes_the_next_number_and_valid_patterns(workspace: Workspace) -> None:
    workspace.write("009_gene.sql", GENE)
    finished = workspace.run("new", "Add", "gene note!", "--json")
    assert finished.code == 0, finished
    path = workspace.directory / "010_add_gene_note.sql"
    assert finished.json["file"] == str(path)
    # Every pattern of the template works: remove the comment signs and run it.
    text = re.sub(
        r"^-- (?=[A-Z) ]|--)(?!A |Rows|What|Must|\(for|010)", "", path.read_text(), flags=re.M
    )
    head = "CREATE TABLE IF NOT EXISTS example"
    path.write_text(text[text.index(head) :])
    verified = workspace.run("verify")
    assert verified.code == 0, (verified, path.read_text())
    assert workspace.run("new", "...").code == 4
    assert workspace.run("new", "x", "--dir", "/nonexistent").code == 66


def scratch_schemas(workspace: Workspace) -> list[str]:
    rows = workspace.server.execute(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name REGEXP %s",
        (f"^{workspace.app[:36]}_(verify|plan|lint|baseline)_",),
    )
    return [name for (name,) in rows]
