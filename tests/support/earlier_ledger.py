"""A schema that another tool migrated, with the ledger that SysNDD's R API left in it."""

from tests.support.migrator import Workspace

GENE = "CREATE TABLE IF NOT EXISTS gene (id INT NOT NULL PRIMARY KEY, symbol VARCHAR(20));\n"


NOTE = "ALTER TABLE gene ADD COLUMN note TEXT NULL;\n"


# As SysNDD's R API created it: MariaDB adds ON UPDATE CURRENT_TIMESTAMP to a TIMESTAMP by itself.
EARLIER = (
    "CREATE TABLE schema_version (filename VARCHAR(255) NOT NULL PRIMARY KEY,"
    " applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,"
    " success BOOLEAN NOT NULL DEFAULT TRUE) DEFAULT CHARSET = utf8mb4"
)


def create_schema_by_hand(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.write("002_note.sql", NOTE)
    workspace.write("003_more.sql", "CREATE TABLE more (id INT NOT NULL PRIMARY KEY);\n")
    workspace.server.execute(f"CREATE DATABASE `{workspace.app}` CHARACTER SET utf8mb4")
    workspace.sql(GENE)
    workspace.sql(NOTE)


def earlier_ledger(workspace: Workspace, *rows: tuple[str, str, int], table: str = EARLIER) -> None:
    create_schema_by_hand(workspace)
    workspace.sql(table)
    for row in rows:
        workspace.sql(
            "INSERT INTO schema_version (filename, applied_at, success) VALUES (%s, %s, %s)", row
        )


APPLIED = (("001_gene.sql", "2024-05-01 10:00:00", 1), ("002_note.sql", "2024-06-01 11:00:00", 1))
