"""Exchanges the live tables for those of a shadow schema.

All tables move in ONE ``RENAME TABLE``, which the server does as a whole or not at all. What can't
be renamed from schema to schema (views, triggers, routines, events) is scripted by the dump client
before, dropped, and made again after.
"""

import asyncio
import contextlib
import io
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO

import aiomysql

from sysndd_backup.backup import BackupTools
from sysndd_backup.clients import ClientRun, Process
from sysndd_backup.loading import Load
from sysndd_backup.server import Inventory, quoted, take_inventory
from sysndd_core.database import connect
from sysndd_core.errors import RestoreFailed

_LOCK_SECONDS = 5
_LOCK_TRIES = 12
_LOCK_WAIT_TIMEOUT = 1205


@dataclass(frozen=True)
class Programs:
    """The views, triggers, routines and events of one schema, as SQL without schema names."""

    script: bytes


async def script_programs(tools: BackupTools, schema: str) -> Programs:
    """Write out what can't be renamed.

    Raises:
        RestoreFailed: the dump client failed; nothing was changed.
    """
    objects = await take_inventory(tools.database, schema)
    only_programs = ["--no-data", "--no-create-info", "--skip-triggers", "--routines", "--events"]
    only_triggers = ["--no-data", "--no-create-info", "--triggers"]
    # Routines come first because views may call them, triggers last because they are on tables.
    parts = [await _dump(tools, [*only_programs, schema])]
    if objects.views:
        parts.append(await _dump(tools, ["--no-data", "--skip-triggers", schema, *objects.views]))
    parts.append(await _dump(tools, [*only_triggers, schema]))
    return Programs(b"\n".join(parts))


async def exchange(
    tools: BackupTools, *, live: str, incoming: str, outgoing: str, programs: Programs
) -> None:
    """Move the tables of ``live`` to ``outgoing`` and those of ``incoming`` to ``live``.

    Args:
        tools: server and client programs.
        live, incoming, outgoing: plain schema names; ``outgoing`` is empty.
        programs: of the incoming schema, to be made in ``live``.

    Raises:
        RestoreFailed: at the first statement that the server refused.
    """
    there = await take_inventory(tools.database, live)
    coming = await take_inventory(tools.database, incoming)
    moves = [(live, outgoing, table) for table in there.tables]
    moves += [(incoming, live, table) for table in coming.tables]
    renames = ", ".join(
        f"{quoted(old)}.{quoted(table)} TO {quoted(new)}.{quoted(table)}"
        for old, new, table in moves
    )
    async with _session(tools) as connection:
        # A table that has triggers can't change its schema.
        await _drop_triggers(connection, incoming)
        await _drop_programs(connection, live, there)
        await _run_patiently(connection, f"RENAME TABLE {renames}")
    await _load_programs(tools, live, programs)


async def replace_programs(tools: BackupTools, schema: str, programs: Programs) -> None:
    """Put a schema's views, triggers, routines and events back as they were scripted.

    Raises:
        RestoreFailed: at the first statement that the server refused.
    """
    async with _session(tools) as connection:
        await _drop_programs(connection, schema, await take_inventory(tools.database, schema))
    await _load_programs(tools, schema, programs)


async def recreate_schema(tools: BackupTools, schema: str) -> None:
    """Make an empty schema of that name, dropping what an earlier run left.

    Raises:
        RestoreFailed: the account may not.
    """
    async with _session(tools) as connection:
        await _run_patiently(connection, f"DROP DATABASE IF EXISTS {quoted(schema)}")
        await _run_patiently(connection, f"CREATE DATABASE {quoted(schema)} CHARACTER SET utf8mb4")


async def drop_schema(tools: BackupTools, schema: str) -> None:
    """Drop a schema that only a restore uses.

    Raises:
        RestoreFailed: the server refused.
    """
    async with _session(tools) as connection:
        await _run_patiently(connection, f"DROP DATABASE IF EXISTS {quoted(schema)}")


@contextlib.asynccontextmanager
async def _session(tools: BackupTools) -> AsyncIterator[aiomysql.Connection]:
    connection = await connect(
        tools.database.settings, init_command=f"lock_wait_timeout = {_LOCK_SECONDS}, sql_notes = 0"
    )
    try:
        yield connection
    finally:
        connection.close()


async def _load_programs(tools: BackupTools, schema: str, programs: Programs) -> None:
    load = Load(tools.database.settings, tools.clients, schema)
    await load.run(lambda: io.BytesIO(programs.script))


async def _dump(tools: BackupTools, arguments: list[str]) -> bytes:
    vendor_only = ["--set-gtid-purged=OFF"] if tools.server.vendor == "MySQL" else []
    options = ["--no-tablespaces", "--default-character-set=utf8mb4", "--skip-dump-date"]
    client = ClientRun(
        tools.database.settings,
        tools.clients.dump,
        [*options, *vendor_only, *arguments],
        stdout=subprocess.PIPE,
    )
    script, ended = await asyncio.to_thread(client.run, _read_all)
    if ended.exit_code != 0:
        raise RestoreFailed(f"Views and triggers could not be written out: {ended.complaint}")
    return script


def _read_all(process: Process) -> bytes:
    stream: IO[bytes] | None = process.stdout
    assert stream is not None
    return stream.read()


async def _drop_triggers(connection: aiomysql.Connection, schema: str) -> None:
    async with connection.cursor() as cursor:
        await cursor.execute(
            "SELECT trigger_name AS name FROM information_schema.triggers"
            " WHERE trigger_schema = %s",
            (schema,),
        )
        names = [row["name"] for row in await cursor.fetchall()]
    for name in names:
        await _run_patiently(connection, f"DROP TRIGGER {quoted(schema)}.{quoted(name)}")


async def _drop_programs(connection: aiomysql.Connection, schema: str, objects: Inventory) -> None:
    await _drop_triggers(connection, schema)
    drops = [("VIEW", name) for name in objects.views]
    drops += list(objects.routines)
    drops += [("EVENT", name) for name in objects.events]
    for kind, name in drops:
        await _run_patiently(connection, f"DROP {kind} {quoted(schema)}.{quoted(name)}")


async def _run_patiently(connection: aiomysql.Connection, statement: str) -> None:
    """Run a statement that needs every reader out of the way for a moment.

    A short lock wait, many times: waiting once for long would queue every later reader behind us.
    """
    for attempt in range(1, _LOCK_TRIES + 1):
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(statement)
        except aiomysql.OperationalError as error:
            if error.args[0] != _LOCK_WAIT_TIMEOUT or attempt == _LOCK_TRIES:
                raise RestoreFailed(f"The server refused {statement[:60]}: {error}") from error
            await asyncio.sleep(0.2)
        except aiomysql.Error as error:
            raise RestoreFailed(f"The server refused {statement[:60]}: {error}") from error
        else:
            return
