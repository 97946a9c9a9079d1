"""``plan`` and ``lint`` measure what the server would do."""

import json
from pathlib import Path
from typing import Any

import pytest

from sysndd_core.db.schema_version import checksum
from tests.support.migrator import Workspace

REPOSITORY = Path(__file__).parents[4]
GENE = (
    "CREATE TABLE gene (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, symbol VARCHAR(20) NOT NULL,"
    " score INT NULL, KEY gene_score (score)) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;\n"
    "CREATE TABLE review (id INT NOT NULL PRIMARY KEY, gene_id INT NOT NULL,"
    " CONSTRAINT review_gene FOREIGN KEY (gene_id) REFERENCES gene (id)) ENGINE = InnoDB;\n"
    "CREATE VIEW symbols AS SELECT symbol FROM gene;\n"
    "CREATE TRIGGER upper BEFORE INSERT ON gene FOR EACH ROW SET NEW.symbol = UPPER(NEW.symbol);\n"
)


def filled(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    values = ", ".join(f"('g{n}', {n})" for n in range(500))
    workspace.sql(f"INSERT INTO gene (symbol, score) VALUES {values}")
    workspace.sql("ANALYZE TABLE gene")


def statements(workspace: Workspace) -> list[dict[str, Any]]:
    finished = workspace.run("plan", "--json")
    assert finished.code == 3, finished
    assert scratch_schemas(workspace) == []
    return [step for file in finished.json["pending"] for step in file["statements"]]


def scratch_schemas(workspace: Workspace) -> list[str]:
    rows = workspace.server.execute("SELECT schema_name FROM information_schema.schemata")
    names = {name for (name,) in rows if name.startswith(f"{workspace.app[:36]}_")}
    return sorted(names - {workspace.app, workspace.ops})


@pytest.mark.parametrize(
    ("statement", "lock"),
    [
        ("ALTER TABLE gene ADD COLUMN note TEXT NULL", {"INSTANT"}),
        ("ALTER TABLE gene ADD INDEX gene_symbol (symbol)", {"INPLACE"}),
        ("CREATE INDEX gene_symbol ON gene (symbol)", {"INPLACE"}),
        ("DROP INDEX gene_score ON gene", {"INPLACE", "INSTANT"}),
        ("ALTER TABLE gene MODIFY COLUMN score BIGINT NULL", {"COPY"}),
        ("ALTER TABLE gene ADD FULLTEXT INDEX words (symbol)", {"INPLACE_SHARED", "COPY"}),
        ("ALTER TABLE gene ADD COLUMN a INT, ALGORITHM=INPLACE, LOCK=NONE", {"INPLACE"}),
        ("ALTER TABLE review DROP FOREIGN KEY review_gene", {"INPLACE", "INSTANT"}),
        ("CREATE TABLE other (id INT PRIMARY KEY)", {"NEW"}),
        ("DROP VIEW symbols", {"DEFINITION"}),
        ("DROP TRIGGER upper", {"DEFINITION"}),
        ("UPDATE gene SET score = 1", {"ROWS"}),
        ("INSERT INTO gene (symbol) SELECT symbol FROM symbols", {"ROWS"}),
    ],
)
def test_each_statement_has_the_class_the_server_gives_it(
    workspace: Workspace, statement: str, lock: set[str]
) -> None:
    filled(workspace)
    before = workspace.sql("CHECKSUM TABLE gene"), workspace.sql("SHOW CREATE TABLE gene")
    workspace.write("002_change.sql", f"{statement};\n")
    (step,) = statements(workspace)
    assert step["lock"] in lock
    assert step["error"] is None
    if step["table"] == "gene":
        assert 300 <= step["rows"] <= 700
        assert step["bytes"] > 0
    assert (workspace.sql("CHECKSUM TABLE gene"), workspace.sql("SHOW CREATE TABLE gene")) == before


def test_a_prepared_guard_is_measured_by_its_prepared_text(workspace: Workspace) -> None:
    filled(workspace)
    guard = (
        "SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA ="
        " DATABASE() AND TABLE_NAME = 'gene' AND COLUMN_NAME = '{0}');\n"
        "SET @ddl = IF(@missing, 'ALTER TABLE gene MODIFY COLUMN score BIGINT NULL', 'DO 0');\n"
        "PREPARE s FROM @ddl;\nEXECUTE s;\nDEALLOCATE PREPARE s;\n"
    )
    workspace.write("002_guard.sql", guard.format("note") + guard.format("symbol"))
    (step,) = statements(workspace)
    assert (step["lock"], step["table"]) == ("COPY", "gene")
    assert step["sql"] == "ALTER TABLE gene MODIFY COLUMN score BIGINT NULL"


def test_later_statements_find_the_results_of_earlier_ones(workspace: Workspace) -> None:
    filled(workspace)
    workspace.write("002_a.sql", "ALTER TABLE gene ADD COLUMN a INT;\n")
    workspace.write(
        "003_b.sql", "ALTER TABLE gene ADD INDEX by_a (a);\nALTER TABLE gene ADD COLUMN a INT;\n"
    )
    steps = statements(workspace)
    assert [step["error"] is None for step in steps] == [True, True, False]
    assert "Duplicate column name 'a'" in steps[2]["error"]


def test_the_plan_in_words_with_warnings(workspace: Workspace) -> None:
    filled(workspace)
    workspace.write(
        "002_b.sql",
        "DROP TABLE review;\nALTER TABLE gene ADD COLUMN a INT;\n"
        f"UPDATE {workspace.app}.gene SET a = 1;\n",
    )
    finished = workspace.run("plan")
    assert finished.code == 3
    assert "application: 002_b.sql (pending)" in finished.out
    assert "INSTANT on gene, about" in finished.out
    assert "002_b.sql:1 destructive DROP TABLE: deletes the rows → " in finished.out
    assert f"not run, because it names the schema {workspace.app}" in finished.out
    assert "`up` would apply 1 file. Nothing was changed." in finished.out
    assert workspace.tables() == {"gene", "review", "symbols"}


def test_nothing_pending_and_a_changed_file(workspace: Workspace) -> None:
    filled(workspace)
    assert "Nothing to do" in workspace.run("plan").out
    workspace.write("001_gene.sql", GENE.replace("VARCHAR(20)", "VARCHAR(21)"))
    finished = workspace.run("plan")
    assert finished.code == 4
    assert "was changed after it was applied" in finished.out


def test_the_plan_is_stored_for_the_api(workspace: Workspace) -> None:
    def stored() -> list[tuple[str, str, str]]:
        rows = workspace.server.execute(
            "SELECT schema_name, filename, checksum, document"
            f" FROM `{workspace.ops}`.migration_plan"
        )
        locks = [[one["lock"] for one in json.loads(row[3])["statements"]] for row in rows]
        return [
            (f"{schema}/{name}", hashed, " ".join(lock))
            for (schema, name, hashed, _), lock in zip(rows, locks, strict=True)
        ]

    filled(workspace)
    text = "ALTER TABLE gene ADD COLUMN a INT;\n"
    workspace.write("002_a.sql", text)
    assert workspace.run("plan").code == 3
    assert stored() == [(f"{workspace.app}/002_a.sql", checksum(text.encode()), "INSTANT")]
    # The next plan replaces it, also if nothing is pending.
    workspace.write("003_b.sql", "ALTER TABLE gene MODIFY COLUMN score BIGINT NULL;\n")
    assert workspace.run("plan").code == 3
    assert [lock for _, _, lock in stored()] == ["INSTANT", "COPY"]
    workspace.up()
    assert workspace.run("plan").code == 0
    assert stored() == []


def test_an_empty_server_can_be_planned_for(workspace: Workspace) -> None:
    finished = workspace.run("plan", "--json", "--dir", str(REPOSITORY / "db" / "migrations"))
    assert finished.code == 3, finished
    steps = [step for file in finished.json["pending"] for step in file["statements"]]
    assert [step for step in steps if step["error"]] == []
    # 002 sends its nine columns, its indexes and its checks as one prepared ALTER each.
    altered = [step["lock"] for step in steps if step["sql"].startswith("ALTER TABLE gene")]
    assert len(altered) == 3
    assert "UNKNOWN" not in altered


def test_our_own_files_are_clean_under_lint(workspace: Workspace) -> None:
    finished = workspace.run("lint", "--dir", str(REPOSITORY / "db" / "migrations"))
    assert finished.code == 0, finished
    assert "by rule and by execution: no findings" in finished.out
    assert scratch_schemas(workspace) == []


def test_lint_by_execution_finds_what_no_rule_covers(workspace: Workspace) -> None:
    filled(workspace)
    workspace.write("002_a.sql", "ALTER TABLE gene\n  ADD COLUMN a NO_SUCH_TYPE;\nSELECT 1;\n")
    workspace.write("003_b.sql", "CREATE TABLE keyless AS SELECT 1 AS a;\n")
    workspace.write("004_c.sql", "ALTER TABLE gene MODIFY COLUMN score BIGINT NULL;\n")
    finished = workspace.run("lint", "--json", "--copy-rows", "100")
    assert finished.code == 8
    found = {(Path(f["file"]).name, f["rule"]): f for f in finished.json["findings"]}
    assert set(found) == {
        ("002_a.sql", "server-refuses"),
        ("003_b.sql", "missing-primary-key"),
        ("004_c.sql", "table-copy"),
    }
    assert "error" in found["002_a.sql", "server-refuses"]["message"]
    assert "about" in found["004_c.sql", "table-copy"]["message"]
    workspace.write(
        "004_c.sql",
        "-- lint: allow table-copy 2 s on the live table, in the maintenance window\n"
        "ALTER TABLE gene MODIFY COLUMN score BIGINT NULL;\n",
    )
    again = workspace.run("lint", "--copy-rows", "100")
    assert "table-copy" not in again.out
    assert scratch_schemas(workspace) == []


def test_what_the_other_flavour_alone_takes_is_found_by_rule_and_by_execution(
    workspace: Workspace,
) -> None:
    workspace.write("001_gene.sql", GENE)
    server = workspace.server
    wrong = {
        True: ("mysql-only", "SELECT JSON_OBJECT('a', 1)->>'$.a';\n"),
        False: ("mariadb-only", "ALTER TABLE gene ADD COLUMN IF NOT EXISTS a INT;\n"),
    }
    rule, statement = wrong[server.is_mariadb]
    workspace.write("002_wrong.sql", statement)
    url = f"mysql://{server.user}@{server.host}:{server.port}"
    finished = workspace.run(
        "lint",
        "--json",
        "--server",
        url,
        DB_PORT="1",
        DB_SOCKET="",
        VERIFY_SERVER_PASSWORD=server.password,
    )
    assert finished.code == 8
    found = {finding["rule"]: finding["message"] for finding in finished.json["findings"]}
    assert set(found) == {rule, "server-refuses"}
    assert "error 1064" in found["server-refuses"]


def test_lint_offline_needs_no_server(workspace: Workspace) -> None:
    workspace.write("001_a.sql", "INSERT IGNORE INTO gene VALUES (1);\n")
    finished = workspace.run("lint", "--offline", DB_PORT="1", DB_SOCKET="")
    assert finished.code == 8
    assert "001_a.sql:1 insert-ignore" in finished.out
    assert workspace.run("lint", DB_PORT="1", DB_SOCKET="").code == 69
