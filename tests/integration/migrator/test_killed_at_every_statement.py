"""SIGKILL of the migrator before and in every statement it sends; then it is called again.

What comes after a statement is what comes before the next one. No moment is a matter of time: the
process kills itself at the number of a statement, its own ones to ledger and journal among them.
"""

from pathlib import Path

from tests.support.earlier_ledger import APPLIED, earlier_ledger
from tests.support.killed_migrator import KILLS, SEED, killed_at, moments
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
"""Definitions, rows, a guarded definition, a transaction of its own, and definitions around rows."""


def test_up(workspace: Workspace, tmp_path: Path) -> None:
    for name, text in FILES.items():
        workspace.write(name, text)
    log = tmp_path / "killed.log"
    chosen = moments(["up"], workspace.environ, log, kills=KILLS, seed=SEED)
    undisturbed = workspace.state()
    for moment in chosen:
        workspace.drop()
        killed_at(moment, ["up"], workspace.environ, log)
        finished = workspace.run("up")
        assert finished.code == 0, f"{moment}: {finished}"
        assert workspace.state() == undisturbed, moment
        assert workspace.run("status").code == 0, moment  # not for drift either


def test_adopt_loses_no_row_and_no_time(workspace: Workspace, tmp_path: Path) -> None:
    earlier_ledger(workspace, *APPLIED)
    log = tmp_path / "killed.log"
    for moment in moments(["adopt"], workspace.environ, log, kills=KILLS, seed=SEED):
        workspace.drop()
        earlier_ledger(workspace, *APPLIED)
        killed_at(moment, ["adopt"], workspace.environ, log)
        rows = workspace.sql("SELECT filename, applied_at, success FROM schema_version ORDER BY 1")
        assert [(name, str(at), success) for name, at, success in rows] == list(APPLIED), moment
        finished = workspace.run("adopt")
        assert finished.code == 0, f"{moment}: {finished}"
        workspace.up()
        assert workspace.run("status").code == 0, moment
