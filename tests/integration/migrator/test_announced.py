"""Definitions that are recorded as begun before their turn: taken back, or known never to have run."""

import signal
import time

import pytest

from sysndd_migrator.session import LOCK_WAIT_SECONDS
from tests.integration.migrator.conftest import Workspace, eventually, finish

OTHER = "CREATE TABLE other (id INT PRIMARY KEY);\n"
SLOW_ROWS = "INSERT INTO gene SELECT 1 FROM (SELECT SLEEP(3)) AS pause;\n"


def journal(workspace: Workspace, filename: str) -> list[tuple[object, ...]]:
    return list(
        workspace.server.execute(
            f"SELECT position, finished_at IS NOT NULL FROM `{workspace.ops}`.migration_journal"
            " WHERE schema_name = %s AND filename = %s ORDER BY position",
            (workspace.app, filename),
        )
    )


def test_a_definition_costs_no_commit_of_its_own_behind_rows(workspace: Workspace) -> None:
    for number in range(1, 6):
        workspace.write(
            f"00{number}_gene.sql",
            f"CREATE TABLE gene_{number} (id INT PRIMARY KEY);\nINSERT INTO gene_{number} VALUES (1);\n"
            f"ALTER TABLE gene_{number} ADD COLUMN note INT;\n",
        )
    with workspace.server.general_log() as statements:
        workspace.up()
        sent = statements()
    first = next(at for at, text in enumerate(sent) if text.startswith("CREATE TABLE gene_2"))
    last = next(at for at, text in enumerate(sent) if text.startswith("CREATE TABLE gene_5"))
    # The definition behind the rows commits them itself.
    assert [text for text in sent[first:last] if text.startswith("COMMIT")] == []
    for number in range(1, 6):
        assert journal(workspace, f"00{number}_gene.sql") == [(1, 1), (2, 1), (3, 1)]


@pytest.mark.parametrize("refused", ["DROP COLUMN nothing", "ADD COLUMN"])
def test_rows_stay_when_the_definition_that_was_to_commit_them_is_refused(
    workspace: Workspace, refused: str
) -> None:
    """A refusal of the syntax comes before the server has committed what is open."""
    workspace.write(
        "001_gene.sql",
        "CREATE TABLE gene (id INT PRIMARY KEY);\nINSERT INTO gene VALUES (1);\n"
        f"ALTER TABLE gene {refused};\n",
    )
    failed = workspace.run("up")
    assert failed.code == 1
    assert "statement 3" in failed.err
    assert workspace.sql("SELECT id FROM gene") == ((1,),)
    assert journal(workspace, "001_gene.sql") == [(1, 1), (2, 1), (3, 0)]
    workspace.write(
        "001_gene.sql",
        "CREATE TABLE gene (id INT PRIMARY KEY);\nINSERT INTO gene VALUES (1);\n"
        "ALTER TABLE gene ADD COLUMN note INT;\n",
    )
    assert workspace.run("resolve", "001_gene.sql", "--from-statement", "3").code == 0
    workspace.up()
    assert workspace.sql("SELECT id, note FROM gene") == ((1, None),)


def test_rows_stay_when_the_table_of_the_definition_behind_them_is_locked(
    workspace: Workspace,
) -> None:
    workspace.write("001_gene.sql", OTHER)
    workspace.up()
    workspace.write("002_rows.sql", "INSERT INTO other VALUES (1);\nALTER TABLE other ADD x INT;\n")
    with workspace.server.connect(workspace.app) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM other")
        process = workspace.start("up")
        eventually(lambda: workspace.sql("SELECT 1 FROM other"))
        time.sleep(LOCK_WAIT_SECONDS + 2)
        assert process.poll() is None
        cursor.execute("COMMIT")
    finished = finish(process)
    assert finished.code == 0, finished
    assert "waiting_for_table" in finished.err
    assert workspace.sql("SELECT id, x FROM other") == ((1, None),)


def test_what_was_announced_is_taken_back_when_the_file_before_it_fails(
    workspace: Workspace,
) -> None:
    workspace.write(
        "001_gene.sql",
        "CREATE TABLE gene (id INT PRIMARY KEY);\nINSERT INTO gene VALUES (1);\n"
        "ALTER TABLE gene ADD COLUMN id INT;\n",
    )
    workspace.write("002_other.sql", OTHER)
    assert workspace.run("up").code == 1
    assert journal(workspace, "002_other.sql") == []
    assert set(workspace.ledger()) == {"001_gene.sql"}
    workspace.write("002_other.sql", OTHER.replace("id INT", "id BIGINT"))
    workspace.write("001_gene.sql", "CREATE TABLE gene (id INT PRIMARY KEY);\nDO 1;\nDO 2;\n")
    assert workspace.run("resolve", "001_gene.sql", "--applied").code == 0
    workspace.up()
    assert workspace.tables() == {"gene", "other"}


def test_after_a_kill_what_was_only_announced_is_not_taken_for_done(workspace: Workspace) -> None:
    workspace.write(
        "001_gene.sql",
        "CREATE TABLE gene (id INT PRIMARY KEY);\n"
        f"{SLOW_ROWS}ALTER TABLE gene ADD COLUMN note INT;\n",
    )
    workspace.write("002_other.sql", OTHER)
    process = workspace.start("up")
    eventually(lambda: thread_of(workspace, "INSERT INTO gene"))
    with workspace.server.connect(workspace.app) as reader, reader.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM gene")
        thread = eventually(lambda: thread_of(workspace, "ALTER TABLE gene"))
        process.send_signal(signal.SIGKILL)
        finish(process)
        workspace.server.execute(f"KILL {thread}")
        eventually(lambda: not thread_of(workspace, "ALTER TABLE gene"))
    assert journal(workspace, "002_other.sql") == [(1, 0)], "it was not announced at all"
    workspace.sql("CREATE TABLE other (made_by_hand INT PRIMARY KEY)")
    finished = workspace.run("up")
    assert finished.code == 1, finished
    assert "002_other.sql:1: statement 1 of 1 failed" in finished.err
    assert workspace.ledger()["001_gene.sql"] == (1, None)
    workspace.sql("DROP TABLE other")
    assert workspace.run("resolve", "002_other.sql", "--from-statement", "1").code == 0
    workspace.up()


def thread_of(workspace: Workspace, statement: str) -> int | None:
    rows = workspace.server.execute(
        f"SELECT id FROM information_schema.processlist WHERE info LIKE '{statement}%%'"
    )
    return int(rows[0][0]) if rows else None
