"""The account that loads a dump, with privileges on the scratch schema only.

A dump may contain any statement, such as ``USE`` of another schema, GRANT or SET GLOBAL. The server
denies these to the account.
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
    """An existing account with privileges on the schemas ``<schema>_shadow_…`` only."""

    user: str
    password: SecretStr


@contextlib.asynccontextmanager
async def restricted_load_account(
    settings: DatabaseSettings, schema: str, account: LoadAccount | None
) -> AsyncIterator[DatabaseSettings]:
    """Yield settings with an account that can change only ``schema``.

    Args:
        settings: The worker's account; ``settings.name`` is the application schema.
        schema: Name of the scratch schema, not quoted.
        account: An existing account; None to create one with a random password and drop it at the
            end.

    Raises:
        RestoreFailed: The worker's account cannot create an account.
    """
    if account is not None:
        yield settings.model_copy(update={"user": account.user, "password": account.password})
        return
    # One name for each site, so that the account of a stopped worker is replaced.
    user, password = f"sysndd_load_{zlib.crc32(settings.name.encode()):08x}", secrets.token_hex(24)
    name = f"'{user}'@'%'"
    async with open_session(settings) as session:
        try:
            await _create(session, name, password, schema)
        except RestoreFailed as error:
            raise RestoreFailed(
                "The account that loads the backup could not be created. Set BACKUP_LOAD_USER to an"
                f" account with all privileges on {settings.name}_shadow_%, or grant CREATE USER"
                f" and GRANT OPTION to the account {settings.user}. {error.detail}"
            ) from error
    try:
        yield settings.model_copy(update={"user": user, "password": SecretStr(password)})
    finally:
        async with open_session(settings) as session:
            await session.run(f"DROP USER IF EXISTS {name}")


async def _create(session: SchemaSession, name: str, password: str, schema: str) -> None:
    await session.run(f"DROP USER IF EXISTS {name}")
    await session.run(f"CREATE USER {name} IDENTIFIED BY '{password}'")
    # In GRANT, _ and % are wildcards.
    pattern = quote_name(schema).replace("_", "\\_").replace("%", "\\%")
    await session.run(f"GRANT ALL PRIVILEGES ON {pattern}.* TO {name}")
