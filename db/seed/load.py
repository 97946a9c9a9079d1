"""Load the development data set into the application schema, once.

Reads DB_HOST, DB_PORT, DB_SOCKET, DB_USER, DB_PASSWORD and DB_NAME (or their *_FILE) as every
service does. Everything goes into one transaction. On a schema that holds the data already it says so
and ends with 0; on one that holds other genes, diseases or entities it refuses and ends with 1.
"""

import asyncio
import os
import sys
from pathlib import Path

import aiomysql
import pymysql.err

from sysndd_core.db.database import connect, errors_mapped
from sysndd_core.errors import SchemaChanging, SysnddError
from sysndd_core.settings.base import Settings
from sysndd_core.settings.base import load as load_settings
from sysndd_core.settings.database import DatabaseSettings

# Run as a file, Python knows this folder only; the package is found from the repository's root.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from db.seed.dataset import DataSet, data_set
from db.seed.generate import IS_LOADED, statements

# Held while looking and loading, so that of two loaders one loads and the other finds it loaded.
_LOCK = "sysndd_seed"


class SeedSettings(Settings):
    """What the loader reads."""

    database: DatabaseSettings


class SeedRefused(SysnddError):
    """The schema holds rows that are not the seed's."""

    code = "seed_refused"
    title = "The seed was not loaded"


def main() -> int:
    """Load the data set into the schema that the environment names.

    Returns:
        0 when the data are there afterwards, 1 otherwise.
    """
    try:
        settings = load_settings(SeedSettings, os.environ)
        message = asyncio.run(load_seed(settings.database))
    except SchemaChanging:
        sys.stderr.write("seed: a table is missing; run the migrator first: sysndd-migrator up\n")
        return 1
    except (SysnddError, pymysql.err.Error) as error:
        sys.stderr.write(f"seed: {error}\n")
        return 1
    sys.stdout.write(f"seed: {message}\n")
    return 0


async def load_seed(settings: DatabaseSettings) -> str:
    """Load the data set unless it is there.

    Args:
        settings: the server and, by ``name``, the application schema.

    Returns:
        A sentence with the number of rows in each table.

    Raises:
        SeedRefused: the schema holds other data.
        DatabaseUnavailable, SchemaChanging: no server, or the migrator has not run.
    """
    data = data_set()
    connection = await connect(settings, schema=settings.name)
    try:
        with errors_mapped():
            async with connection.cursor() as cursor:
                return await _load_once(cursor, data)
    finally:
        # Ends the transaction of a failed run as well: the server rolls back, and frees the lock.
        connection.close()


async def _load_once(cursor: aiomysql.Cursor, data: DataSet) -> str:
    await cursor.execute("SELECT GET_LOCK(%s, 60) AS held", (_LOCK,))
    if (await cursor.fetchone())["held"] != 1:
        raise SeedRefused("another loader has been at work for a minute")
    await cursor.execute(f"SELECT {IS_LOADED} AS loaded")
    if (await cursor.fetchone())["loaded"]:
        await _recognise(cursor, data)
        return f"already there, nothing changed ({await _counts(cursor, data)})"
    await cursor.execute("START TRANSACTION")
    for statement in statements(data):
        await cursor.execute(statement)
    await cursor.execute("COMMIT")
    return f"loaded {await _counts(cursor, data)}"


async def _recognise(cursor: aiomysql.Cursor, data: DataSet) -> None:
    """Raise SeedRefused unless the genes of the seed are among those that are there."""
    genes = next(table for table in data.tables if table.name == "gene")
    symbols = [row[genes.columns.index("symbol")] for row in genes.rows]
    marks = ", ".join(["%s"] * len(symbols))
    await cursor.execute(f"SELECT COUNT(*) AS found FROM gene WHERE symbol IN ({marks})", symbols)
    found = (await cursor.fetchone())["found"]
    await cursor.execute("SELECT COUNT(*) AS found FROM entity")
    entities = (await cursor.fetchone())["found"]
    if found < len(symbols) or not entities:
        raise SeedRefused(
            f"the schema holds other data ({found} of {len(symbols)} genes, {entities} entities); "
            "seed an empty one"
        )


async def _counts(cursor: aiomysql.Cursor, data: DataSet) -> str:
    parts = []
    for table in data.tables:
        await cursor.execute(f"SELECT COUNT(*) AS found FROM `{table.name}`")
        parts.append(f"{table.name} {(await cursor.fetchone())['found']}")
    return ", ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
