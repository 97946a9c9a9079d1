"""Effects, assertions and session cleanup of a file, drift, and progress of long statements."""

import signal
import statistics
import threading
import time

import pytest

from sysndd_migrator.server.session import LOCK_WAIT_SECONDS
from tests.support.migrator import Workspace, eventually, finish

GENE = "CREATE TABLE gene (id INT PRIMARY KEY, symbol VARCHAR(20) NOT NULL);\n"
AGAIN = GENE.replace("TABLE", "TABLE IF NOT EXISTS")


def journal(workspace: Workspace, filename: str) -> list[tuple[object, ...]]:
    rows = workspace.server.execute(
        f"SELECT kind, rows_changed, warnings, objects FROM `{workspace.ops}`.migration_journal"
        " WHERE schema_name = %s AND filename = %s ORDER BY position",
        (workspace.app, filename),
    )
    return list(rows)


def test_objects_rows_and_warnings_are_recorded(workspace: Workspace) -> None:
    workspace.write(
        "001_gene.sql",
        f"{GENE}INSERT INTO gene VALUES (1, 'a'), (2, 'b');\n"
        "ALTER TABLE gene ADD COLUMN note TEXT;\nCREATE INDEX by_symbol ON gene (symbol);\n"
        "CREATE VIEW symbols AS SELECT symbol FROM gene;\nDROP TABLE IF EXISTS never_there;\n",
    )
    workspace.up()
    assert journal(workspace, "001_gene.sql") == [
        ("definition", 0, 0, "table gene"),
        ("data", 2, 0, ""),
        ("definition", 0, 0, "table gene"),
        ("definition", 0, 0, "table gene"),
        ("definition", 0, 0, "view symbols"),
        ("definition", 0, 1, ""),
    ]


def test_the_journal_records_positions_and_a_hash_of_the_text(workspace: Workspace) -> None:
    rows = "INSERT INTO gene VALUES (1, 'a');\nINSERT INTO gene VALUES (2, 'b');\n"
    workspace.write("001_gene.sql", f"{GENE}{rows}")
    workspace.write("002_again.sql", f"{AGAIN}-- expect: no-op\n")
    workspace.up()
    found = workspace.server.execute(
        "SELECT filename, position, last_position, of_statements, LENGTH(statements_hash)"
        f" FROM `{workspace.ops}`.migration_journal WHERE schema_name = %s"
        " ORDER BY filename, position",
        (workspace.app,),
    )
    assert found == (
        ("001_gene.sql", 1, 1, 3, 64),
        ("001_gene.sql", 2, 3, 3, 64),
        ("002_again.sql", 1, 1, 1, 64),
    )


def test_a_file_that_changed_nothing_is_reported_by_up_and_status(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.write("002_again.sql", AGAIN)
    workspace.write("003_expected.sql", f"-- expect: no-op\n{AGAIN}")
    finished = workspace.up()
    assert "002_again.sql changed nothing" in finished.out
    assert "003_expected.sql changed nothing" not in finished.out
    status = workspace.run("status")
    assert status.code == 0
    assert "002_again.sql changed nothing" in status.out
    assert "003_expected.sql changed nothing" not in status.out
    assert len(workspace.run("status", "--json").json["without_effect"]) == 1


@pytest.mark.parametrize("body", [AGAIN, "UPDATE gene SET id = 1 WHERE id = 99;\n", "DO 1;\n"])
def test_strict_refuses_a_file_that_changed_nothing(workspace: Workspace, body: str) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.write("002_again.sql", body)
    finished = workspace.run("up", "--strict")
    assert finished.code == 1, finished
    assert "002_again.sql changed nothing" in finished.err
    assert workspace.ledger()["002_again.sql"][0] == 0
    assert workspace.run("resolve", "002_again.sql", "--from-statement", "1").code == 0
    workspace.write("002_again.sql", f"-- expect: no-op\n{body}")
    assert workspace.run("up", "--strict").code == 0


def test_assertions_that_hold_are_silent(workspace: Workspace) -> None:
    workspace.write(
        "001_gene.sql",
        f"{GENE}INSERT INTO gene VALUES (1, 'a');\n-- assert: SELECT COUNT(*) = 1 FROM gene;\n"
        "-- assert: SELECT symbol, id FROM gene\n",
    )
    workspace.up()


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ("SELECT COUNT(*) = 2 FROM gene", "is 0"),
        ("SELECT NULL", "is NULL"),
        ("SELECT id FROM gene WHERE id = 7", "it returned no row"),
        ("SELECT nowhere FROM gene", "error 1054"),
        ("SELECT 1, 0", "is 0"),
    ],
)
def test_an_assertion_that_fails_undoes_the_rows_and_names_its_line(
    workspace: Workspace, question: str, why: str
) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.write("002_row.sql", f"INSERT INTO gene VALUES (1, 'a');\n-- assert: {question}\n")
    finished = workspace.run("up")
    assert finished.code == 1, finished
    assert "002_row.sql:2: the assertion does not hold" in finished.err
    assert why in finished.err
    assert workspace.sql("SELECT COUNT(*) FROM gene") == ((0,),)
    assert workspace.ledger()["002_row.sql"][0] == 0


def test_an_invalid_directive_is_refused_before_anything_is_changed(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", f"{GENE}-- assert: DELETE FROM gene\n")
    finished = workspace.run("up")
    assert finished.code == 65
    assert "001_gene.sql:2:4: assert: must be followed by one SELECT" in finished.err


def test_text_inside_a_statement_is_not_a_directive(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", f"{GENE}INSERT INTO gene VALUES (1, 'a\n-- assert: x\n');\n")
    workspace.up()


def test_changed_session_variables_are_reported_and_reset(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", f"SET SESSION group_concat_max_len = 4242;\n{GENE}")
    workspace.write("002_copy.sql", "CREATE TABLE seen AS SELECT @@group_concat_max_len AS v;\n")
    finished = workspace.up()
    assert "001_gene.sql left session variables changed (group_concat_max_len = 4242)" in (
        finished.out
    )
    assert workspace.sql("SELECT v <> 4242 FROM seen") == ((1,),)


def test_drift_names_the_object_and_how_it_differs(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.write("002_other.sql", "CREATE TABLE other (id INT PRIMARY KEY);\n")
    workspace.up()
    assert workspace.run("status", "--json").json["drift"] == []
    workspace.sql("ALTER TABLE gene MODIFY symbol VARCHAR(30) NOT NULL")
    workspace.sql("CREATE TABLE by_hand (id INT)")
    workspace.sql("DROP TABLE other")
    first, second, third = workspace.run("status", "--json").json["drift"]
    assert "table by_hand was added" in first
    assert "table gene was changed: `symbol` varchar(20) NOT NULL → `symbol` varchar(30)" in second
    assert "table other was removed" in third
    assert "Drift: " in workspace.run("status").out


def test_a_run_does_not_hide_drift_until_it_is_accepted(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.sql("CREATE TABLE by_hand (id INT)")
    workspace.write("002_more.sql", "CREATE TABLE more (id INT PRIMARY KEY);\n")
    assert "table by_hand differs from the result of the last run" in workspace.up().out
    (drift,) = workspace.run("status", "--json").json["drift"]
    assert "by_hand" in drift
    assert workspace.run("up", "--accept-drift").code == 0
    assert workspace.run("status", "--json").json["drift"] == []


def test_the_changes_of_a_killed_run_are_not_drift(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.write("002_more.sql", "ALTER TABLE gene ADD COLUMN b INT;\nDO SLEEP(20);\n")
    process = workspace.start("up")
    thread = eventually(lambda: sleeping(workspace))
    process.send_signal(signal.SIGKILL)
    finish(process)
    workspace.server.execute(f"KILL {thread}")
    workspace.write("002_more.sql", "ALTER TABLE gene ADD COLUMN b INT;\nDO SLEEP(20);\n")
    assert workspace.run("resolve", "002_more.sql", "--applied").code == 0
    workspace.write("003_last.sql", "ALTER TABLE gene ADD COLUMN c INT;\n")
    workspace.up()
    assert workspace.run("status", "--json").json["drift"] == []


def sleeping(workspace: Workspace) -> int | None:
    rows = workspace.server.execute(
        "SELECT id FROM information_schema.processlist WHERE info LIKE 'DO SLEEP(20)%%'"
    )
    return int(rows[0][0]) if rows else None


def test_a_long_statement_reports_progress(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", f"{GENE}DO SLEEP(5);\n-- expect: no-op\n")
    finished = finish(workspace.start("up"))
    assert finished.code == 0, finished
    lines = [line for line in finished.err.splitlines() if '"statement_progressed"' in line]
    assert len(lines) >= 2
    assert all('"statement": 2' in line and '"of": 2' in line for line in lines)
    assert "elapsed" in lines[0]


def altering(workspace: Workspace) -> object:
    return workspace.server.execute(
        "SELECT id FROM information_schema.processlist WHERE info LIKE 'ALTER TABLE gene%%'"
    )


@pytest.mark.slow
def test_readers_never_wait_longer_than_the_timeout(workspace: Workspace) -> None:
    """An open transaction locks the table; an ALTER queues; readers continue to arrive."""
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.write("002_alter.sql", "ALTER TABLE gene ADD COLUMN b INT;\n")
    waits: list[float] = []
    stop = threading.Event()

    def read() -> None:
        with workspace.server.connect(workspace.app) as connection, connection.cursor() as cursor:
            while not stop.is_set():
                started = time.monotonic()
                cursor.execute("SELECT COUNT(*) FROM gene")
                cursor.fetchall()
                waits.append(time.monotonic() - started)
                time.sleep(0.02)

    with workspace.server.connect(workspace.app) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM gene")
        process = workspace.start("up")
        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        eventually(lambda: altering(workspace))
        time.sleep(LOCK_WAIT_SECONDS + 5)
        cursor.execute("COMMIT")
        finished = finish(process)
        stop.set()
        for reader in readers:
            reader.join()
    assert finished.code == 0, finished
    assert max(waits) < 6.5, max(waits)
    assert statistics.median(waits) < 1
    assert "table_lock_awaited" in finished.err
