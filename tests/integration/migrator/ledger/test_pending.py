"""``sysndd_core.db.schema_version.pending`` on a ledger that the migrator wrote."""

from pathlib import Path

from sysndd_core.db.database import Database
from sysndd_core.db.schema_version import current_version, pending
from sysndd_core.settings.database import DatabaseSettings
from tests.support.migrator import Workspace, finish


async def test_pending_follows_the_ledger(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", "CREATE TABLE gene (id INT PRIMARY KEY);")
    settings = DatabaseSettings.model_validate(
        workspace.server.environ(name=workspace.app, ops_name=workspace.ops)
    )

    async def ask(database: Database) -> tuple[int, bool, str | None]:
        found = await pending(
            database, Path(workspace.directory), application=workspace.app, platform=workspace.ops
        )
        return len(found.pending), found.platform_behind, found.current

    async with Database(settings) as database:
        assert await ask(database) == (1, True, None)  # not even the schemas exist
        assert finish(workspace.start("up")).code == 0
        assert await ask(database) == (0, False, "001_gene.sql")
        async with database.transaction() as transaction:
            assert await current_version(transaction, application=workspace.app) == "001_gene.sql"
        workspace.write("002_bad.sql", "ALTER TABLE nowhere ADD COLUMN a INT;")
        workspace.write("003_next.sql", "SELECT 1;")
        assert finish(workspace.start("up")).code == 1
        assert await ask(database) == (2, False, "001_gene.sql")
