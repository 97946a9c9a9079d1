"""A dump is loaded by an account that may touch nothing but the schema it is loaded into.

A file may hold anything: ``USE live``, names of other schemas, GRANT, SET GLOBAL. The server itself
refuses those to such an account. As it may not speak for others either, the DEFINER of views,
triggers, routines and events is taken out on the way; a restore makes them again as the worker's.
"""

import contextlib
import re
import secrets
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from pydantic import SecretStr

from sysndd_backup.load.trigger_header import LONGEST, begins_open, unqualified
from sysndd_backup.server.server import quoted, requalified
from sysndd_backup.server.session import SchemaSession, open_session
from sysndd_core.errors import RestoreFailed
from sysndd_core.settings.database import DatabaseSettings


@dataclass(frozen=True)
class LoadAccount:
    """An account that is there already, with all rights on ``<schema>_shadow_…`` and no others."""

    user: str
    password: SecretStr


@contextlib.asynccontextmanager
async def confined(
    settings: DatabaseSettings, schema: str, account: LoadAccount | None
) -> AsyncIterator[DatabaseSettings]:
    """Give settings by which only ``schema`` can be changed.

    Args:
        settings: the worker's own account; ``settings.name`` is the live schema.
        schema: the scratch schema.
        account: one that is there already; None to make one, with a random password, for now.

    Raises:
        RestoreFailed: there is none, and the worker may not make one.
    """
    if account is not None:
        yield settings.model_copy(update={"user": account.user, "password": account.password})
        return
    # One name for each site: what a dead worker left is replaced, with a new password.
    user, password = f"sysndd_load_{zlib.crc32(settings.name.encode()):08x}", secrets.token_hex(24)
    name = f"'{user}'@'%'"
    async with open_session(settings) as session:
        try:
            await _make(session, name, password, schema)
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


async def _make(session: SchemaSession, name: str, password: str, schema: str) -> None:
    await session.run(f"DROP USER IF EXISTS {name}")
    await session.run(f"CREATE USER {name} IDENTIFIED BY '{password}'")
    # GRANT reads _ and % as patterns.
    pattern = quoted(schema).replace("_", "\\_").replace("%", "\\%")
    await session.run(f"GRANT ALL PRIVILEGES ON {pattern}.* TO {name}")


_NAME = rb"`(?:[^`\n]|``)*`@`(?:[^`\n]|``)*`"
_DEFINER = re.compile(
    # As the clients write them, at the start of a line: no line inside of data starts like that,
    # because line breaks in values are escaped.
    rb"^(CREATE )DEFINER=" + _NAME + rb" |"
    rb"^(/\*!500(?:03|01) CREATE\*/ |/\*!50106 CREATE\*/ )/\*!\d+ DEFINER=" + _NAME + rb"\s*\*/ |"
    rb"^(/\*!50013 )DEFINER=" + _NAME + rb" ",
    re.MULTILINE,
)


_EVENT = re.compile(
    rb"^(/\*!50106 CREATE\*/ [^\n]*?EVENT `((?:[^`\n]|``)*)` ON SCHEDULE [^\n]*?"
    rb" ON COMPLETION (?:NOT )?PRESERVE )ENABLE\b",
    re.MULTILINE,
)
_VIEW = re.compile(rb"^/\*!50001 VIEW .*$", re.MULTILINE)


class WithoutDefiners:
    """Takes DEFINER clauses out of a stream of SQL, and leads views and triggers to its own schema.

    The server may write the schema's name before a function that a view calls, and an author before
    a trigger and its table; nothing else of a dump has it.

    Args:
        schema: name of the schema that was dumped.
        into: name of the schema that it is loaded into.
    """

    def __init__(self, schema: str, into: str) -> None:
        self._schema = schema
        self._into = into
        self.enabled_events: set[str] = set()
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; return what is certain by now."""
        data = self._rest + chunk
        end = data.rfind(b"\n") + 1
        # The head of a trigger may have several lines.
        open_head = begins_open(data[:end][-LONGEST:])
        if open_head is not None:
            end = max(0, end - LONGEST) + open_head
        self._rest = data[end:]
        return self._rewritten(data[:end])

    def finish(self) -> bytes:
        """Return what follows the last line break."""
        return self._rewritten(self._rest)

    def _rewritten(self, lines: bytes) -> bytes:
        lines = _EVENT.sub(self._disabled, _DEFINER.sub(_kept, lines))
        return _VIEW.sub(self._requalified, unqualified(lines))

    def _disabled(self, match: re.Match[bytes]) -> bytes:
        # An event that ran beside the load would change the rows before they are counted.
        self.enabled_events.add(match[2].replace(b"``", b"`").decode())
        return match[1] + b"DISABLE"

    def _requalified(self, match: re.Match[bytes]) -> bytes:
        # Every byte has a character in Latin-1, so this changes nothing else.
        line = match[0].decode("latin-1")
        return requalified(line, self._schema, self._into).encode("latin-1")


def _kept(match: re.Match[bytes]) -> bytes:
    return match[1] or match[2] or match[3]
