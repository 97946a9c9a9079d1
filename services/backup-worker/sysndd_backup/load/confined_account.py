"""A dump is loaded by an account that may touch nothing but the schema it is loaded into.

A file may hold anything: ``USE live``, names of other schemas, GRANT, SET GLOBAL. The server itself
refuses those to such an account.
"""

import contextlib
import secrets
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from pydantic import SecretStr

from sysndd_backup.server.session import SchemaSession, open_session
from sysndd_core.errors import RestoreFailed
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.sql.identifiers import quote_name


@dataclass(frozen=True)
class LoadAccount:
    """An existing account with all privileges on ``<schema>_shadow_…`` and no others."""

    user: str
    password: SecretStr


@contextlib.asynccontextmanager
async def restricted_load_account(
    settings: DatabaseSettings, schema: str, account: LoadAccount | None
) -> AsyncIterator[DatabaseSettings]:
    """Yield settings whose account can change nothing but ``schema``.

    Args:
        settings: the worker's own account; ``settings.name`` is the live schema.
        schema: the scratch schema.
        account: an existing one; None to create one with a random password, dropped at the end.

    Raises:
        RestoreFailed: there is none, and the worker may not create one.
    """
    if account is not None:
        yield settings.model_copy(update={"user": account.user, "password": account.password})
        return
    # One name for each site: what a dead worker left is replaced, with a new password.
    user, password = f"sysndd_load_{zlib.crc32(settings.name.encode()):08x}", secrets.token_hex(24)
    name = f"'{user}'@'%'"
    async with open_session(settings) as session:
        try:
            await _create(session, name, password, schema)
        except RestoreFailed as error:
            raise RestoreFailed(
                "A backup is loaded by an account that may touch only its scratch schema. Give one"
                " by BACKUP_LOAD_USER, or let the worker's account CREATE USER with the grant"
                f" option. {error.detail}"
            ) from error
    try:
        yield settings.model_copy(update={"user": user, "password": SecretStr(password)})
    finally:
        async with open_session(settings) as session:
            await session.run(f"DROP USER IF EXISTS {name}")


async def _create(session: SchemaSession, name: str, password: str, schema: str) -> None:
    await session.run(f"DROP USER IF EXISTS {name}")
    await session.run(f"CREATE USER {name} IDENTIFIED BY '{password}'")
    # GRANT reads _ and % as patterns.
    pattern = quote_name(schema).replace("_", "\\_").replace("%", "\\%")
    await session.run(f"GRANT ALL PRIVILEGES ON {pattern}.* TO {name}")
