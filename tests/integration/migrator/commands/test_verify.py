"""``verify``: which files cannot run twice, and that no scratch schema is left."""

import json
import signal
import time
from pathlib import Path

import pytest

from tests.support.migrator import Workspace, eventually, finish

REPOSITORY = Path(__file__).parents[4]
GENE = "CREATE TABLE IF NOT EXISTS gene (id INT NOT NULL PRIMARY KEY, symbol VARCHAR(20));\n"


def scratch_schemas(workspace: Workspace) -> list[str]:
    rows = workspace.server.execute("SELECT schema_name FROM information_schema.schemata")
    prefix = f"{workspace.app[:36]}_"
    names = {name for (name,) in rows if name.startswith(prefix)}
    return sorted(names - {workspace.app, workspace.ops})


def findings(workspace: Workspace) -> dict[str, list[str]]:
    """Return file → faults, and their reasons after a colon."""
    finished = workspace.run("verify", "--json")
    assert scratch_schemas(workspace) == []
    assert finished.code == (8 if finished.json["findings"] else 0), finished
    found: dict[str, list[str]] = {}
    for finding in finished.json["findings"]:
        name = Path(finding["file"]).name
        found.setdefault(name, []).append(f"{finding['fault']}: {finding['why']}")
    return found


def test_our_own_files_run_twice_without_harm(workspace: Workspace) -> None:
    finished = workspace.run("verify", "--dir", str(REPOSITORY / "db" / "migrations"))
    assert finished.code == 0, finished
    assert finished.out.endswith(": no findings.\n")
    assert scratch_schemas(workspace) == []
    # The live schemas were not created.
    rows = workspace.server.execute(
        "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = %s", (workspace.app,)
    )
    assert rows == ((0,),)


def test_files_that_change_more_the_second_time_are_named_with_the_difference(
    workspace: Workspace,
) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.write("002_column.sql", "ALTER TABLE gene ADD COLUMN note TEXT;\n")
    workspace.write(
        "003_rows.sql", "INSERT INTO gene (id) SELECT COALESCE(MAX(id), 0) + 1 FROM gene;\n"
    )
    workspace.write(
        "004_value.sql", "UPDATE gene SET symbol = CONCAT(COALESCE(symbol, ''), 'x');\n"
    )
    workspace.write("005_nothing.sql", "UPDATE gene SET symbol = 'y' WHERE id = 77;\n")
    workspace.write(
        "006_meant.sql", "-- expect: no-op\nUPDATE gene SET symbol = 'y' WHERE id = 77;\n"
    )
    workspace.write(
        "007_grows.sql",
        "SET @ddl = CONCAT('ALTER TABLE gene ADD COLUMN c', (SELECT COUNT(*) FROM"
        " information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'gene'),"
        " ' INT');\nPREPARE s FROM @ddl;\nEXECUTE s;\nDEALLOCATE PREPARE s;\n",
    )
    found = findings(workspace)
    assert set(found) == {
        f"00{n}_{w}.sql"
        for n, w in ((2, "column"), (3, "rows"), (4, "value"), (5, "nothing"), (7, "grows"))
    }
    assert "failed_the_second_time" in found["002_column.sql"][0]
    assert "Duplicate column name 'note' (error 1060)" in found["002_column.sql"][0]
    assert "table gene has 2 rows instead of 1" in found["003_rows.sql"][0]
    assert (
        "table gene has the same number of rows but different values" in found["004_value.sql"][0]
    )
    assert "no_effect" in found["005_nothing.sql"][0]
    assert (
        "changed_more_the_second_time: table gene was changed: nothing → `c4` int"
        in found["007_grows.sql"][0]
    )


def test_a_failing_file_ends_the_run_and_later_files_are_listed(workspace: Workspace) -> None:
    workspace.write("001_bad.sql", "ALTER TABLE nowhere ADD COLUMN c INT;\n")
    workspace.write("002_gene.sql", GENE)
    finished = workspace.run("verify")
    assert finished.code == 8
    assert "001_bad.sql failed → " in finished.out
    assert "error 1146" in finished.out
    assert "Not reached: 002_gene.sql" in finished.out
    assert scratch_schemas(workspace) == []


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("INSERT INTO `{app}`.gene VALUES (1, 'a')", "names the schema {app}"),
        ("SET @d = 'DROP TABLE {app} . gene'", "names the schema {app}"),
        ("USE {app}", "changes the default schema"),
        ("SET GLOBAL max_connections = 1000", "changes the server"),
        ("GRANT SELECT ON *.* TO nobody", "changes the server"),
        ("DROP DATABASE {app}", "changes the server"),
    ],
)
def test_a_statement_that_reaches_beyond_the_scratch_schema_is_not_run(
    workspace: Workspace, statement: str, expected: str
) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.write("002_beyond.sql", statement.format(app=workspace.app) + ";\n")
    finished = workspace.run("verify")
    assert finished.code == 4
    assert "002_beyond.sql:1: this statement " + expected.format(app=workspace.app) in finished.err
    assert workspace.sql("SELECT COUNT(*) FROM gene") == ((0,),)


def slow(workspace: Workspace) -> None:
    workspace.write("001_slow.sql", GENE + "DO SLEEP(30);\n")


def test_schemas_of_a_killed_run_are_dropped_by_the_next_but_not_those_of_a_running_one(
    workspace: Workspace,
) -> None:
    slow(workspace)
    killed, running = workspace.start("verify"), workspace.start("verify")
    try:
        eventually(lambda: len(scratch_schemas(workspace)) == 4)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert len(scratch_schemas(workspace)) == 4
        # The server notices at once that the client's socket is closed, also during SLEEP.
        workspace.write("001_slow.sql", GENE)

        def dropped() -> bool:
            assert workspace.run("verify").code == 0
            return len(scratch_schemas(workspace)) == 2

        eventually(dropped, timeout=60)
    finally:
        running.send_signal(signal.SIGTERM)
        finished = finish(running)
    assert finished.code == 143, finished
    assert scratch_schemas(workspace) == []


def test_a_timeout_drops_the_schemas_too(workspace: Workspace) -> None:
    slow(workspace)
    started = time.monotonic()
    finished = workspace.run("verify", "--timeout", "3", "--json")
    assert finished.code == 5, finished
    assert json.loads(finished.out)["error"]["code"] == "wait_timed_out"
    assert time.monotonic() - started < 25
    assert scratch_schemas(workspace) == []


@pytest.mark.parametrize("seconds", [0.01, 0.02, 0.03, 0.05, 0.08, 0.13, 0.21])
def test_a_timeout_while_the_schemas_are_created_drops_them_too(
    workspace: Workspace, seconds: float
) -> None:
    workspace.write("001_gene.sql", GENE)
    finished = workspace.run("verify", "--timeout", str(seconds))
    assert finished.code in {0, 5}, finished
    assert scratch_schemas(workspace) == []


@pytest.mark.parametrize("command", ["verify", "plan", "lint"])
def test_an_account_needs_privileges_on_the_scratch_names_and_no_more(
    workspace: Workspace, command: str
) -> None:
    workspace.write("001_gene.sql", GENE)
    name = f"{workspace.app}_w"
    server = workspace.server
    server.execute(f"CREATE USER {name}@'%%' IDENTIFIED BY 'x'", ())
    try:
        for schema in (workspace.app, workspace.ops):
            server.execute(f"CREATE DATABASE `{schema}`")
            server.execute(f"GRANT ALL ON `{schema}`.* TO {name}@'%%'", ())
        refused = workspace.run(command, DB_USER=name, DB_PASSWORD="x")
        assert refused.code == 77, refused
        assert "may not create the scratch schema" in refused.err
        pattern = workspace.app.replace("_", "\\_") + "\\_%%"
        server.execute(f"GRANT ALL ON `{pattern}`.* TO {name}@'%%'", ())
        allowed = workspace.run(command, DB_USER=name, DB_PASSWORD="x")
        assert allowed.code == (3 if command == "plan" else 0), allowed
    finally:
        server.execute(f"DROP USER {name}@'%%'", ())


def test_the_other_server_is_named_by_a_url_without_a_password(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    server = workspace.server
    url = f"mysql://{server.user}@{server.host}:{server.port}"
    # Only the URL leads to the server: nothing listens on the port of the settings.
    finished = workspace.run(
        "verify", "--server", url, DB_PORT="1", DB_SOCKET="", VERIFY_SERVER_PASSWORD=server.password
    )
    assert finished.code == 0, finished
    with_password = f"mysql://{server.user}:secret@{server.host}:{server.port}"
    refused = workspace.run("verify", "--server", with_password)
    assert refused.code == 2
    assert "VERIFY_SERVER_PASSWORD" in refused.err
    assert "secret" not in refused.err
    assert workspace.run("verify", "--server", "postgres://x@y").code == 2
