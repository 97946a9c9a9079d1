"""Kills, replicas, locked tables and lost locks: the result is the same."""

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pymysql.cursors import DictCursor

from sysndd_core.db.site import check_attached
from sysndd_core.settings.database import DatabaseSettings
from sysndd_migrator.server.session import LOCK_WAIT_SECONDS
from tests.support.migrator import Workspace, eventually, finish

GENE = "CREATE TABLE gene (id INT PRIMARY KEY, symbol VARCHAR(20) NOT NULL);\n"


def test_eight_replicas_at_once_send_each_definition_once(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", f"{GENE}CREATE TABLE disease (id INT PRIMARY KEY);\n")
    workspace.write("002_rows.sql", "INSERT INTO gene VALUES (1, 'a');\nDO SLEEP(0.3);\n")
    workspace.write("003_alter.sql", "ALTER TABLE gene ADD COLUMN note TEXT;\n")
    with workspace.server.general_log() as statements:
        replicas = [workspace.start("up", "--json") for _ in range(8)]
        finished = [finish(replica) for replica in replicas]
        sent = statements()
    assert [replica.code for replica in finished] == [0] * 8, finished
    for text in (
        "CREATE TABLE gene",
        "CREATE TABLE disease",
        "INSERT INTO gene",
        "ALTER TABLE gene",
    ):
        assert sum(statement.startswith(text) for statement in sent) == 1, text
    applied = [
        file["filename"]
        for replica in finished
        for file in replica.json["applied"]
        if file["schema"] == workspace.app
    ]
    assert sorted(applied) == ["001_gene.sql", "002_rows.sql", "003_alter.sql"]


async def test_a_first_run_between_two_questions_is_not_somebody_elses(
    workspace: Workspace,
) -> None:
    workspace.write("001_gene.sql", GENE)
    with workspace.server.connect() as connection:
        runner = MigratedAfterTheFirstQuery(workspace, connection.cursor(DictCursor))
        settings = DatabaseSettings(name=workspace.app, ops_name=workspace.ops)
        await check_attached(runner, settings)
    assert columns(workspace) == ["id", "symbol"]


class MigratedAfterTheFirstQuery:
    """Runs queries; another migrator applies everything between the first and the second."""

    def __init__(self, workspace: Workspace, cursor: DictCursor) -> None:
        self._workspace = workspace
        self._cursor = cursor
        self._migrated = False

    async def fetch_all(
        self, sql: str, arguments: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        self._cursor.execute(sql, arguments)
        rows = list(self._cursor.fetchall())
        if not self._migrated:
            self._migrated = True
            assert finish(self._workspace.start("up")).code == 0
        return rows


def test_an_alter_of_a_killed_migrator_is_completed_by_the_next(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.write(
        "002_alter.sql",
        "SET SESSION lock_wait_timeout = 60;\nALTER TABLE gene ADD COLUMN b INT;\n"
        "ALTER TABLE gene ADD COLUMN c INT;\n",
    )
    with workspace.server.general_log() as statements:
        with workspace.server.connect(workspace.app) as reader, reader.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT * FROM gene")
            first = workspace.start("up")
            eventually(lambda: waiting_statement(workspace, "ALTER TABLE gene ADD COLUMN b"))
            first.send_signal(signal.SIGKILL)
            finish(first)
            # The server does not notice: the killed client's ALTER is still queued, with its lock.
            second = workspace.start("up")
            time.sleep(1)
            assert second.poll() is None
            cursor.execute("COMMIT")
        finished = finish(second)
        sent = statements()
    assert finished.code == 0, finished
    assert columns(workspace) == ["id", "symbol", "b", "c"]
    assert workspace.ledger()["002_alter.sql"] == (1, None)
    assert sum(text.startswith("ALTER TABLE gene ADD COLUMN c") for text in sent) == 1


def test_killed_between_guard_and_execute_the_session_is_rebuilt(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.write(
        "002_guard.sql",
        "ALTER TABLE gene ADD COLUMN first INT;\n"
        "SET @ddl = 'ALTER TABLE gene ADD COLUMN note TEXT';\nPREPARE change_it FROM @ddl;\n"
        "DO SLEEP(20);\nEXECUTE change_it;\nDEALLOCATE PREPARE change_it;\n",
    )
    process = workspace.start("up")
    thread = eventually(lambda: waiting_statement(workspace, "DO SLEEP"))
    process.send_signal(signal.SIGKILL)
    finish(process)
    workspace.server.execute(f"KILL {thread}")
    workspace.sql(
        f"UPDATE `{workspace.ops}`.migration_journal SET finished_at = UTC_TIMESTAMP(6)"
        " WHERE filename = '002_guard.sql' AND position = 4"
    )
    workspace.up()
    assert columns(workspace) == ["id", "symbol", "first", "note"]


def test_a_call_killed_halfway_needs_manual_resolution(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.write(
        "002_call.sql",
        "DELIMITER $$\nCREATE PROCEDURE p() BEGIN ALTER TABLE gene ADD COLUMN half INT;"
        " DO SLEEP(20); ALTER TABLE gene ADD COLUMN whole INT; END$$\nDELIMITER ;\nCALL p();\n",
    )
    process = workspace.start("up")
    thread = eventually(lambda: waiting_statement(workspace, "DO SLEEP"))
    process.send_signal(signal.SIGKILL)
    finish(process)
    workspace.server.execute(f"KILL {thread}")
    finished = workspace.run("up")
    assert finished.code == 4
    assert "the last run was killed inside statement 2" in finished.err
    workspace.sql("ALTER TABLE gene ADD COLUMN whole INT")
    assert workspace.run("resolve", "002_call.sql", "--from-statement", "3").code == 0
    workspace.up()
    assert columns(workspace) == ["id", "symbol", "half", "whole"]


def test_a_run_is_resumed_after_the_server_was_killed_and_restarted(
    workspace: Workspace, private_database_server: object
) -> None:
    if workspace.server is not private_database_server:
        pytest.fail("this test stops the server: run it without TEST_DATABASE_URL")
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.write(
        "002_more.sql",
        "ALTER TABLE gene ADD COLUMN b INT;\nINSERT INTO gene VALUES (1, 'a', 1);\n"
        "DO SLEEP(3);\nALTER TABLE gene ADD COLUMN c INT;\n",
    )
    process = workspace.start("up")
    eventually(lambda: waiting_statement(workspace, "DO SLEEP"))
    workspace.server.kill()
    finished = finish(process)
    workspace.server.start()
    assert finished.code == 69, finished
    assert "the connection was lost at statement 3" in finished.err
    workspace.up()
    assert columns(workspace) == ["id", "symbol", "b", "c"]
    assert workspace.sql("SELECT COUNT(*) FROM gene") == ((1,),)


def test_a_lost_lock_stops_before_the_next_statement(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", f"{GENE}DO RELEASE_ALL_LOCKS();\nDROP TABLE gene;\n")
    finished = workspace.run("up")
    assert finished.code == 7, finished
    assert "no longer held by this connection; no connection holds it" in finished.err
    assert workspace.tables() == {"gene"}
    success, error = workspace.ledger()["001_gene.sql"]
    assert (success, error) == (0, None)


def test_a_lost_connection_is_resumed_and_no_failure(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", f"{GENE}DO SLEEP(5);\nALTER TABLE gene ADD COLUMN b INT;\n")
    process = workspace.start("up")
    thread = eventually(lambda: waiting_statement(workspace, "DO SLEEP"))
    workspace.server.execute(f"KILL {thread}")
    finished = finish(process)
    assert finished.code == 69, finished
    # The server answers the client before it has ended the connection and released its lock.
    eventually(lambda: workspace.lock_holder() is None)
    workspace.write("001_gene.sql", f"{GENE}DO SLEEP(5);\nALTER TABLE gene ADD COLUMN b INT;\n")
    assert "interrupted" in workspace.run("status").out
    workspace.up()
    assert columns(workspace) == ["id", "symbol", "b"]


def test_sigterm_ends_the_statement_at_the_server_and_the_next_run_resumes(
    workspace: Workspace,
) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.write(
        "002_alter.sql",
        "SET SESSION lock_wait_timeout = 60;\nALTER TABLE gene ADD COLUMN b INT;\n",
    )
    with workspace.server.connect(workspace.app) as reader, reader.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM gene")
        process = workspace.start("up")
        eventually(lambda: waiting_statement(workspace, "ALTER TABLE gene"))
        process.send_signal(signal.SIGTERM)
        finished = finish(process, timeout=10)
        assert finished.code == 143, finished
        assert "002_alter.sql: statement 2 was stopped on request" in finished.err
        eventually(lambda: not waiting_statement(workspace, "ALTER TABLE gene"))
        assert workspace.lock_holder() is None
    workspace.up()
    assert columns(workspace) == ["id", "symbol", "b"]


def waiting_for_the_lock(workspace: Workspace) -> bool:
    return bool(
        workspace.server.execute(
            "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT GET_LOCK%%'"
        )
    )


def test_sigterm_while_waiting_for_the_lock(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", f"{GENE}DO SLEEP(60);\nDROP TABLE gene;\n")
    first = workspace.start("up")
    eventually(workspace.lock_holder)
    second = workspace.start("up")
    eventually(lambda: waiting_for_the_lock(workspace))
    second.send_signal(signal.SIGTERM)
    finished = finish(second, timeout=10)
    assert finished.code == 143, finished
    first.send_signal(signal.SIGTERM)
    assert finish(first, timeout=10).code == 143


def test_a_blocked_statement_names_the_blocker_retries_and_does_not_block_readers(
    workspace: Workspace,
) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.write(
        "002_alter.sql", "SET SESSION lock_wait_timeout = 1;\nALTER TABLE gene ADD COLUMN b INT;\n"
    )
    with workspace.server.connect(workspace.app) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO gene VALUES (1, 'a')")
        cursor.execute("SELECT CONNECTION_ID()")
        (blocker,) = cursor.fetchone() or (None,)
        process = workspace.start("up")
        eventually(lambda: waiting_statement(workspace, "ALTER TABLE gene"))
        started = time.monotonic()
        workspace.sql("SELECT COUNT(*) FROM gene")
        waited = time.monotonic() - started
        time.sleep(2)
        cursor.execute("COMMIT")
    finished = finish(process)
    assert finished.code == 0, finished
    assert waited < 1.5
    assert f"connection {blocker} of {workspace.server.user}@" in finished.err
    assert columns(workspace) == ["id", "symbol", "b"]


def test_rows_stay_when_the_table_of_the_definition_after_them_is_locked(
    workspace: Workspace,
) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.write(
        "002_rows.sql", "INSERT INTO gene VALUES (1, 'a');\nALTER TABLE gene ADD COLUMN b INT;\n"
    )
    with workspace.server.connect(workspace.app) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM gene")
        process = workspace.start("up")
        eventually(lambda: workspace.sql("SELECT 1 FROM gene"))
        time.sleep(LOCK_WAIT_SECONDS + 2)
        assert process.poll() is None
        cursor.execute("COMMIT")
    finished = finish(process)
    assert finished.code == 0, finished
    assert "table_lock_awaited" in finished.err
    assert workspace.sql("SELECT id, b FROM gene") == ((1, None),)


def test_a_definition_whose_record_is_blocked_is_not_sent_again(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.write(
        "002_alter.sql",
        "SET SESSION innodb_lock_wait_timeout = 1;\nALTER TABLE gene ADD COLUMN b INT;\n",
    )
    with workspace.server.connect(workspace.app) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM gene")
        process = workspace.start("up")
        eventually(lambda: waiting_statement(workspace, "ALTER TABLE gene"))
        with workspace.server.connect(workspace.ops) as other, other.cursor() as records:
            records.execute("BEGIN")
            records.execute(
                "SELECT * FROM migration_journal WHERE filename = '002_alter.sql' FOR UPDATE"
            )
            cursor.execute("COMMIT")
            finished = finish(process)
    assert finished.code == 69, finished
    assert "statement 2 was done, but could not be recorded" in finished.err
    workspace.up()
    assert columns(workspace) == ["id", "symbol", "b"]
    assert workspace.journal("002_alter.sql") == [(2, True)]


def test_a_file_after_the_killed_one_does_not_count_as_done(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", f"{GENE}DO SLEEP(30);\n")
    workspace.write("002_other.sql", "CREATE TABLE other (id INT PRIMARY KEY);\n")
    process = workspace.start("up")
    thread = eventually(lambda: waiting_statement(workspace, "DO SLEEP"))
    process.send_signal(signal.SIGKILL)
    finish(process)
    workspace.server.execute(f"KILL {thread}")
    assert workspace.journal("002_other.sql") == []
    workspace.write("001_gene.sql", f"{GENE}DO SLEEP(0);\n")
    assert workspace.run("resolve", "001_gene.sql", "--from-statement", "2").code == 0
    workspace.sql("CREATE TABLE other (made_by_hand INT PRIMARY KEY)")
    finished = workspace.run("up")
    assert finished.code == 1, finished
    assert "002_other.sql:1: statement 1 of 1 failed" in finished.err
    assert workspace.ledger()["001_gene.sql"] == (1, None)


def test_an_older_ledger_of_a_restored_schema_starts_a_new_run(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", f"{GENE}INSERT INTO gene VALUES (1, 'a');\n")
    workspace.up()
    workspace.sql("DROP TABLE gene")
    workspace.sql("DELETE FROM schema_version")
    workspace.up()
    assert workspace.sql("SELECT COUNT(*) FROM gene") == ((1,),)


def waiting_statement(workspace: Workspace, text: str) -> int | None:
    """Return the connection that runs a statement with this start."""
    rows = workspace.server.execute(
        "SELECT id FROM information_schema.processlist WHERE info LIKE %s", (f"{text}%",)
    )
    return int(rows[0][0]) if rows else None


def columns(workspace: Workspace, table: str = "gene") -> list[str]:
    rows = workspace.sql(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position",
        (table,),
    )
    return [name for (name,) in rows]


def process_of(
    workspace: Workspace, thread: int, processes: "list[subprocess.Popen[str]]"
) -> "subprocess.Popen[str]":
    """Return the process at the other end of a server's connection, by its port and socket."""
    ((host,),) = workspace.server.execute(
        "SELECT host FROM information_schema.processlist WHERE id = %s", (thread,)
    )
    wanted = int(host.rsplit(":", 1)[1])
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    fields = [line.split() for line in lines]
    sockets = {f"socket:[{field[9]}]" for field in fields if int(field[1][-4:], 16) == wanted}
    for process in processes:
        for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
            if descriptor.is_symlink() and str(descriptor.readlink()) in sockets:
                return process
    raise AssertionError(f"no process has connection {thread}")


@pytest.mark.slow
def test_eight_replicas_with_the_holder_killed_during_alter(workspace: Workspace) -> None:
    doubled = "INSERT INTO gene (symbol) SELECT symbol FROM gene;\n" * 18
    workspace.write(
        "001_gene.sql",
        "CREATE TABLE gene (id INT AUTO_INCREMENT PRIMARY KEY, symbol VARCHAR(20) NOT NULL);\n"
        f"INSERT INTO gene (symbol) VALUES ('a');\n{doubled}",
    )
    workspace.write("002_alter.sql", "ALTER TABLE gene ADD COLUMN note TEXT, ALGORITHM=COPY;\n")
    workspace.write("003_more.sql", "CREATE TABLE more (id INT PRIMARY KEY);\n")
    with workspace.server.general_log() as statements:
        replicas = [workspace.start("up") for _ in range(8)]
        thread = eventually(lambda: waiting_statement(workspace, "ALTER TABLE gene"), timeout=60)
        holder = process_of(workspace, thread, replicas)
        holder.send_signal(signal.SIGKILL)
        finished = [finish(replica, timeout=120) for replica in replicas]
        sent = statements()
    codes = sorted(replica.code for replica in finished)
    assert codes == [-signal.SIGKILL] + [0] * 7, finished
    for text in ("CREATE TABLE gene", "ALTER TABLE gene", "CREATE TABLE more"):
        assert sum(statement.startswith(text) for statement in sent) == 1, text
    assert columns(workspace) == ["id", "symbol", "note"]
    assert workspace.sql("SELECT COUNT(*) FROM gene") == ((2**18,),)
