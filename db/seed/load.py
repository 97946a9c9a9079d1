"""Load the development data set into the application schema, once.

The settings are DB_HOST, DB_PORT, DB_SOCKET, DB_USER, DB_PASSWORD and DB_NAME (or their *_FILE), as
for every service. The rows are inserted in one transaction. If the schema contains the data set
already, the exit code is 0; if it contains other genes, diseases or entities, 1.
"""

import asyncio
import os
import sys
from pathlib import Path

import aiomysql
import pymysql.err

from sysndd_core.db.database import connect, errors_mapped
from sysndd_core.errors import SchemaDamaged, SysnddError
from sysndd_core.settings.base import Settings
from sysndd_core.settings.base import load as load_settings
from sysndd_core.settings.database import DatabaseSettings

# Python adds only this folder to the path; the package is imported from the repository's root.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from db.seed.dataset import DataSet, data_set
from db.seed.generate import IS_LOADED, statements

# Held during the check and the load, so that only one of two loaders inserts the rows.
_LOCK = "sysndd_seed"


class SeedSettings(Settings):
    """The settings groups of the loader."""

    database: DatabaseSettings


class SeedRefused(SysnddError):
    """The schema contains rows that are not part of the data set."""

    code = "seed_refused"
    title = "The seed was not loaded"


def main() -> int:
    """Load the data set into the schema that the environment names.

    Returns:
        0 if the schema contains the data set afterwards, 1 otherwise.
    """
    try:
        settings = load_settings(SeedSettings, os.environ)
        message = asyncio.run(load_seed(settings.database))
    except SchemaDamaged:
        sys.stderr.write("seed: a table is missing; run `sysndd-migrator up` first\n")
        return 1
    except (SysnddError, pymysql.err.Error) as error:
        sys.stderr.write(f"seed: {error}\n")
        return 1
    sys.stdout.write(f"seed: {message}\n")
    return 0


async def load_seed(settings: DatabaseSettings) -> str:
    """Load the data set unless the schema contains it.

    Args:
        settings: The server and the application schema.

    Returns:
        A sentence with the number of rows in each table.

    Raises:
        SeedRefused: The schema contains other data.
        DatabaseUnavailable: No connection.
        SchemaDamaged: A table is missing.
    """
    data = data_set()
    connection = await connect(settings, schema=settings.name)
    try:
        with errors_mapped():
            async with connection.cursor() as cursor:
                return await _load_once(cursor, data)
    finally:
        # If the load failed, the server rolls back its transaction and releases the lock.
        connection.close()


async def _load_once(cursor: aiomysql.Cursor, data: DataSet) -> str:
    await cursor.execute("SELECT GET_LOCK(%s, 60) AS held", (_LOCK,))
    if (await cursor.fetchone())["held"] != 1:
        raise SeedRefused("another loader held the lock for 60 seconds")
    await cursor.execute(f"SELECT {IS_LOADED} AS loaded")
    if (await cursor.fetchone())["loaded"]:
        await _require_seed(cursor, data)
        return f"already loaded, nothing changed ({await _counts(cursor, data)})"
    await cursor.execute("START TRANSACTION")
    for statement in statements(data):
        await cursor.execute(statement)
    await cursor.execute("COMMIT")
    return f"loaded {await _counts(cursor, data)}"


async def _require_seed(cursor: aiomysql.Cursor, data: DataSet) -> None:
    """Raise SeedRefused unless the schema contains the genes of the data set."""
    genes = next(table for table in data.tables if table.name == "gene")
    symbols = [row[genes.columns.index("symbol")] for row in genes.rows]
    marks = ", ".join(["%s"] * len(symbols))
    await cursor.execute(f"SELECT COUNT(*) AS found FROM gene WHERE symbol IN ({marks})", symbols)
    found = (await cursor.fetchone())["found"]
    await cursor.execute("SELECT COUNT(*) AS found FROM entity")
    entities = (await cursor.fetchone())["found"]
    if found < len(symbols) or not entities:
        raise SeedRefused(
            f"the schema contains other data ({found} of {len(symbols)} genes, {entities} "
            "entities); use an empty schema"
        )


async def _counts(cursor: aiomysql.Cursor, data: DataSet) -> str:
    parts = []
    for table in data.tables:
        await cursor.execute(f"SELECT COUNT(*) AS found FROM `{table.name}`")
        parts.append(f"{table.name} {(await cursor.fetchone())['found']}")
    return ", ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
