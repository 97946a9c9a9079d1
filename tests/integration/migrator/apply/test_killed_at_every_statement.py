"""SIGKILL of the migrator before and during every statement that it sends; then it runs again.

After a statement is before the next one. No kill depends on time: the process kills itself at the
number of a statement, including its own statements about ledger and journal.
"""

from pathlib import Path

from tests.support.earlier_ledger import APPLIED, earlier_ledger
from tests.support.killed_migrator import KILLS, SEED, kill_points, killed_at
from tests.support.migrator import Workspace

FILES = {
    "001_gene.sql": "CREATE TABLE gene (id INT PRIMARY KEY, symbol VARCHAR(20) NOT NULL);\n"
    "CREATE TABLE tally (n INT NOT NULL);\nINSERT INTO tally VALUES (0);\n",
    "002_rows.sql": "INSERT INTO gene VALUES (1, 'a');\nUPDATE tally SET n = n + 1;\n",
    "003_mixed.sql": "ALTER TABLE gene ADD COLUMN c INT;\nUPDATE tally SET n = n + 1;\n"
    "SET @ddl = 'ALTER TABLE gene ADD COLUMN d INT';\nPREPARE change_it FROM @ddl;\n"
    "EXECUTE change_it;\nDEALLOCATE PREPARE change_it;\n"
    "START TRANSACTION;\nINSERT INTO gene VALUES (2, 'b', 2, 2);\nUPDATE tally SET n = n + 1;\n"
    "COMMIT;\nCREATE INDEX by_c ON gene (c);\n"
    "-- assert: SELECT COUNT(*) = 1 FROM gene WHERE id = 2\n",
    "004_plain.sql": "CREATE TABLE plain (id INT PRIMARY KEY);\nINSERT INTO plain VALUES (1);\n"
    "UPDATE tally SET n = n + 1;\nALTER TABLE plain ADD COLUMN note VARCHAR(10);\n",
}
"""Definitions, rows, a guarded definition, a transaction, and definitions before and after rows."""


def test_up(workspace: Workspace, tmp_path: Path) -> None:
    for name, text in FILES.items():
        workspace.write(name, text)
    log = tmp_path / "killed.log"
    chosen = kill_points(["up"], workspace.environ, log, kills=KILLS, seed=SEED)
    undisturbed = workspace.state()
    for point in chosen:
        workspace.drop()
        killed_at(point, ["up"], workspace.environ, log)
        finished = workspace.run("up")
        assert finished.code == 0, f"{point}: {finished}"
        assert workspace.state() == undisturbed, point
        assert workspace.run("status").code == 0, point  # no drift either


def test_adopt_loses_no_row_and_no_time(workspace: Workspace, tmp_path: Path) -> None:
    earlier_ledger(workspace, *APPLIED)
    log = tmp_path / "killed.log"
    for point in kill_points(["adopt"], workspace.environ, log, kills=KILLS, seed=SEED):
        workspace.drop()
        earlier_ledger(workspace, *APPLIED)
        killed_at(point, ["adopt"], workspace.environ, log)
        rows = workspace.sql("SELECT filename, applied_at, success FROM schema_version ORDER BY 1")
        assert [(name, str(at), success) for name, at, success in rows] == list(APPLIED), point
        finished = workspace.run("adopt")
        assert finished.code == 0, f"{point}: {finished}"
        workspace.up()
        assert workspace.run("status").code == 0, point
