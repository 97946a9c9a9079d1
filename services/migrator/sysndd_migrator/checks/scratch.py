"""Scratch schemas, in which files are run without effect on the live ones.

A scratch schema's name ends in a random token. The run that created it holds a named lock with
that token on a separate connection. If the run is killed, the server releases the lock, so the
next run recognizes the schema as abandoned and drops it.
"""

import contextlib
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

import pymysql.err

from sysndd_core.logging import get_logger
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.sql.identifiers import quote_name
from sysndd_migrator.errors import LockRefused, ServerUnavailable
from sysndd_migrator.server.session import Session, not_permitted, server_error

log = get_logger(__name__)

# With the longest purpose, the token and the platform's suffix, a name has at most 64 characters.
_NAME_PREFIX_LENGTH = 36
_TOKEN_BYTES = 6
_HOLD_SECONDS = 7 * 24 * 3600
_END_SECONDS = 10


class Purpose(StrEnum):
    """What a scratch schema is for; part of its name."""

    VERIFY = "verify"
    PLAN = "plan"
    LINT = "lint"
    BASELINE = "baseline"


@dataclass(frozen=True)
class Scratch:
    """A pair of scratch schemas.

    Attributes:
        settings: The live settings with the names of the scratch schemas.
        holder: The connection that holds the named lock; when it ends, they count as abandoned.
    """

    settings: DatabaseSettings
    holder: Session


@contextlib.asynccontextmanager
async def scratch_schemas(settings: DatabaseSettings, purpose: Purpose) -> AsyncIterator[Scratch]:
    """Create two empty schemas, and drop them at the end of the block.

    Args:
        settings: The live schemas; the scratch schemas' names start with theirs.
        purpose: Part of the names.

    Raises:
        NotPermitted: The account may not create schemas with such names.
        LockRefused: The server does not grant named locks.
        ServerUnavailable: No connection.
    """
    holder = await Session.open(settings)
    try:
        await holder.execute("SET SESSION wait_timeout = %s", (_HOLD_SECONDS,))
        await drop_abandoned(holder, settings.name)
        token = secrets.token_hex(_TOKEN_BYTES)
        if not await _try_hold(holder, token):
            raise LockRefused("The server did not grant a named lock. Nothing was changed.")
        name = f"{settings.name[:_NAME_PREFIX_LENGTH]}_{purpose}_{token}"
        names = (name, f"{name}_ops")
        changed = settings.model_copy(update={"name": names[0], "ops_name": names[1]})
        try:
            for schema in names:
                await _create(holder, schema)
            yield Scratch(changed, holder)
        finally:
            await _drop_pair(settings, holder, token, names)
    finally:
        holder.close()


async def _drop_pair(
    settings: DatabaseSettings, holder: Session, token: str, names: tuple[str, str]
) -> None:
    """Drop both schemas, over a new connection if a cancelled wait closed the holder's."""
    session = holder
    if holder.connection.closed:
        try:
            session = await Session.open(settings)
        except ServerUnavailable as error:
            log.warning("scratch_schema_drop_failed", schema=names[0], reason=error.detail)
            return
        # The server may still run the holder's last statement, which may create one of them. It
        # releases the lock when the holder's connection has ended.
        # If the server refuses, each drop below reports its own failure.
        with contextlib.suppress(LockRefused):
            await _try_hold(session, token, seconds=_END_SECONDS)
    for schema in names:
        await _drop(session, schema)
    session.close()


async def drop_abandoned(holder: Session, name: str) -> list[str]:
    """Drop the scratch schemas of runs that were killed.

    Args:
        holder: The session that runs the statements.
        name: Name of the live application schema.

    Returns:
        The names of the dropped schemas.
    """
    purposes = "|".join(Purpose)
    prefix = re.escape(name[:_NAME_PREFIX_LENGTH])
    pattern = re.compile(
        rf"{prefix}_(?:{purposes})_([0-9a-f]{{{2 * _TOKEN_BYTES}}})(?:_ops)?", re.IGNORECASE
    )
    rows = await holder.fetch_all("SELECT schema_name AS n FROM information_schema.schemata")
    dropped = []
    for schema in sorted(str(row["n"]) for row in rows):
        match = pattern.fullmatch(schema)
        if match and await _try_hold(holder, match[1]):
            if await _drop(holder, schema):
                dropped.append(schema)
            await holder.fetch_all("SELECT RELEASE_LOCK(%s)", (_lock(match[1]),))
    if dropped:
        log.warning("scratch_schemas_dropped", schemas=dropped)
    return dropped


def _lock(token: str) -> str:
    return f"sysndd-scratch:{token.lower()}"


async def _try_hold(holder: Session, token: str, *, seconds: int = 0) -> bool:
    """Take the named lock of a run, and wait for it at most for these seconds."""
    try:
        rows = await holder.fetch_all("SELECT GET_LOCK(%s, %s) AS got", (_lock(token), seconds))
    except pymysql.err.Error as error:
        number, reason = server_error(error)
        raise LockRefused(
            f"The server refuses GET_LOCK: {reason} (error {number}). Nothing was changed."
        ) from error
    return bool(rows[0]["got"])


async def _create(holder: Session, schema: str) -> None:
    try:
        # The runner's statement, so that the schema has the same defaults as a live one.
        await holder.execute(f"CREATE DATABASE {quote_name(schema)} CHARACTER SET utf8mb4")
    except pymysql.err.Error as error:
        what = f"create the scratch schema {schema} (grant ALL on schemas with such names)"
        raise not_permitted(error, what) or error from error


async def _drop(holder: Session, schema: str) -> bool:
    try:
        await holder.execute(f"DROP DATABASE IF EXISTS {quote_name(schema)}")
    except (pymysql.err.Error, OSError) as error:
        # A statement of a killed run may still be running in it; the next run tries again.
        log.warning("scratch_schema_drop_failed", schema=schema, reason=server_error(error)[1])
        return False
    return True
