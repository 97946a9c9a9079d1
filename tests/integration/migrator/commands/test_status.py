"""``status``: every state of a file, as text and as JSON."""

from tests.support.migrator import Workspace

GENE = "CREATE TABLE gene (id INT NOT NULL PRIMARY KEY, symbol VARCHAR(20));\n"


def test_each_state_is_reported_with_a_remedy(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.write("002_gone.sql", "CREATE TABLE gone (id INT NOT NULL PRIMARY KEY);\n")
    workspace.write("003_edited.sql", "INSERT INTO gene VALUES (1, 'a');\n")
    workspace.write("005_comments.sql", "INSERT INTO gene VALUES (2, 'b');\n")
    workspace.up()
    (workspace.directory / "002_gone.sql").unlink()
    workspace.write("003_edited.sql", "INSERT INTO gene VALUES (1, 'A');\n")
    workspace.write("004_late.sql", "INSERT INTO gene VALUES (3, 'c');\n")
    workspace.write("005_comments.sql", "-- explained\nINSERT INTO gene VALUES (2, 'b');\n")
    workspace.write("006_one.sql", "SELECT 1;\n")
    workspace.write("006_two.sql", "SELECT 2;\n")
    workspace.write("007_next.sql", "SELECT 3;\n")
    finished = workspace.run("status", "--json")
    assert finished.code == 4
    files = {f["filename"]: f for f in finished.json["files"] if f["source"] == "application"}
    assert {name: file["state"] for name, file in files.items()} == {
        "001_gene.sql": "applied",
        "002_gone.sql": "missing",
        "003_edited.sql": "changed",
        "004_late.sql": "out_of_order",
        "005_comments.sql": "cosmetic_change",
        "006_one.sql": "duplicate_number",
        "006_two.sql": "duplicate_number",
        "007_next.sql": "pending",
    }
    applied = files["001_gene.sql"]
    assert applied["checksum"].startswith("sha256:")
    assert applied["applied_at"].endswith("Z")
    assert applied["duration_ms"] >= 0
    assert applied["failed"] is None
    text = workspace.run("status").out
    assert "sha256 " in text
    assert "Restore its text" in text
    assert "next free number" in text


def test_a_failure_is_reported_in_parts_with_the_command_to_run(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.write("002_bad.sql", "SELECT 1;\n\nALTER TABLE gen\n  ADD COLUMN a INT;\n")
    assert workspace.run("up").code == 1
    finished = workspace.run("status", "--json")
    assert finished.code == 4
    (file,) = [f for f in finished.json["files"] if f["state"] == "failed"]
    assert file["failed"] == {
        "line": 3,
        "statement": 2,
        "sql": "ALTER TABLE gen ADD COLUMN a INT",
        "errno": 1146,
        "error": f"Table '{workspace.app}.gen' doesn't exist",
        "resume_at": 2,
    }
    assert "resolve 002_bad.sql --from-statement 2`" in file["remark"]


def test_the_schema_of_a_development_version_is_refused(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    assert workspace.run("up").code == 0
    workspace.sql(f"UPDATE `{workspace.ops}`.schema_version SET tool_version = '0.1.0'")
    finished = workspace.run("up", "--json")
    assert finished.code == 4
    assert finished.json["error"]["code"] == "unreleased_schema"
    assert "make reset" in finished.json["error"]["detail"]
