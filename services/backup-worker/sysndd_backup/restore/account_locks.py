"""Locks database accounts of the site, ends their sessions, and unlocks them.

``ACCOUNT LOCK`` rejects new sessions and leaves those that exist, so these are ended with ``KILL``.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pymysql.err

from sysndd_backup.server.session import SchemaSession, open_session
from sysndd_core.db.database import is_mariadb
from sysndd_core.errors import RestoreFailed, SysnddError
from sysndd_core.logging import get_logger
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.settings.site_hold import (
    LOCK_ACCOUNT_GRANTS,
    SYSTEM_USER_GRANT,
    AccountName,
)

log = get_logger(__name__)

_SESSIONS_END_SECONDS = 30.0
_POLL_SECONDS = 0.1
_LOGGING_IN = "unauthenticated user"
_REQUIRED = {"CREATE USER", "PROCESS", "CONNECTION ADMIN"}

# Error numbers of the servers.
_SIGN_IN_DENIED = 1045
_NO_SUCH_SESSION = 1094
_NOT_OWNER = 1095
_DENIED = {1044, _NOT_OWNER, 1142, 1143, 1227}

# Neither server shows whether another account is locked without access to its system tables.
_ACCOUNTS_OF_MARIADB = (
    "SELECT User AS user, Host AS host, COALESCE(JSON_VALUE(Priv, '$.account_locked'), '0')"
    " IN ('1', 'true') AS locked FROM mysql.global_priv"
    " WHERE COALESCE(JSON_VALUE(Priv, '$.is_role'), '0') NOT IN ('1', 'true')"
)
_ACCOUNTS_OF_MYSQL = (
    "SELECT User AS user, Host AS host, account_locked = 'Y' AS locked FROM mysql.user"
)


@dataclass(frozen=True)
class DatabaseAccount:
    """A database account as the server stores it."""

    user: str
    host: str

    def __str__(self) -> str:
        return f"{self.user}@{self.host}"

    @property
    def quoted(self) -> str:
        """The account in SQL."""
        escaped = (part.replace("\\", "\\\\").replace("'", "''") for part in (self.user, self.host))
        return "@".join(f"'{part}'" for part in escaped)


@dataclass(frozen=True)
class _Session:
    """A session of the server; its host is without the port."""

    id: int
    user: str
    host: str


class AccountLocks:
    """Locks and unlocks accounts with a database account for that purpose.

    Args:
        settings: Address of the server, with ``RESTORE_LOCK_USER``; ``settings.ops_name`` is the
            platform schema.
        own: User names of the platform's accounts, which are never locked.
    """

    def __init__(self, settings: DatabaseSettings, own: frozenset[str]) -> None:
        self._settings = settings
        self._own = own

    async def check(self, names: Sequence[AccountName]) -> None:
        """Check that accounts can be locked; changes nothing.

        Args:
            names: The accounts to lock.

        Raises:
            RestoreFailed: As for ``find``; or ``RESTORE_LOCK_USER`` lacks a privilege.
            DatabaseUnavailable: The server does not respond.
        """
        await self.find(names)
        async with self._session() as (session, vendor):
            rows = await session.fetch_all(
                "SELECT REPLACE(privilege_type, '_', ' ') AS name"
                " FROM information_schema.user_privileges"
            )
            missing = _REQUIRED - {row["name"] for row in rows}
            if missing:
                raise RestoreFailed(
                    f"RESTORE_LOCK_USER {self._settings.user} lacks {', '.join(sorted(missing))}."
                    f" {self._grants(vendor)}"
                )

    async def find(self, names: Sequence[AccountName]) -> dict[DatabaseAccount, bool]:
        """Find accounts by their names.

        Args:
            names: The accounts to lock.

        Returns:
            The accounts that exist, and whether each is locked.

        Raises:
            RestoreFailed: An account belongs to the platform, or ``RESTORE_LOCK_USER`` cannot sign
                in or lacks a privilege; the detail contains the GRANT statements.
            DatabaseUnavailable: The server does not respond.
        """
        async with self._session() as (session, vendor):
            states = await _states(session, vendor)
            await self._reject_own(session, names, states)
        found: dict[DatabaseAccount, bool] = {}
        for name in names:
            matching = {account: states[account] for account in states if _matches(name, account)}
            if not matching:
                log.warning("account_to_lock_missing", user=name.user, host=name.host)
            found |= matching
        return found

    async def lock(self, accounts: Sequence[DatabaseAccount]) -> None:
        """Lock accounts.

        Raises:
            RestoreFailed, DatabaseUnavailable: Some of them may be locked.
        """
        async with self._session() as (session, _):
            for account in accounts:
                await session.run(f"ALTER USER {account.quoted} ACCOUNT LOCK")
                log.info("account_locked", account=str(account))

    async def unlock(self, accounts: Sequence[DatabaseAccount]) -> None:
        """Unlock accounts, except those that are not locked or no longer exist.

        Raises:
            RestoreFailed, DatabaseUnavailable: Some of them may still be locked.
        """
        async with self._session() as (session, vendor):
            states = await _states(session, vendor)
            for account in accounts:
                # If locking it failed, it may be an account that this one cannot alter.
                if states.get(account, False):
                    await session.run(f"ALTER USER {account.quoted} ACCOUNT UNLOCK")
                    log.info("account_unlocked", account=str(account))

    async def end_sessions(self, accounts: Sequence[DatabaseAccount]) -> None:
        """End the sessions of locked accounts, and wait until none is left.

        The servers show the user and the host of a session, not its account. Therefore a session of
        another account with the same user name ends, too, unless that account names exactly the
        host of the session.

        Args:
            accounts: Locked accounts.

        Raises:
            RestoreFailed: Sessions are left after 30 seconds; the detail names them.
            DatabaseUnavailable: The connection to the server was lost.
        """
        async with self._session() as (session, vendor):
            others = (a for a in await _states(session, vendor) if a not in accounts)
            spared = {(account.user, account.host.lower()) for account in others}
            # IDs of connections increase. An older one than this may still be signing in; the
            # server rejects a newer one.
            newest = int((await session.fetch_all("SELECT CONNECTION_ID() AS id"))[0]["id"])
            await _end(session, {account.user for account in accounts}, spared, newest)

    async def _reject_own(
        self,
        session: SchemaSession,
        names: Sequence[AccountName],
        states: dict[DatabaseAccount, bool],
    ) -> None:
        rows = await session.fetch_all(
            "SELECT DISTINCT User AS user FROM mysql.db WHERE %s LIKE Db",
            (self._settings.ops_name,),
        )
        with_privileges = {str(row["user"]) for row in rows}
        for name in names:
            if name.user in self._own:
                reason = "is an account of the platform"
            elif name.user in with_privileges:
                reason = f"has privileges on the platform schema {self._settings.ops_name}"
            else:
                continue
            raise RestoreFailed(
                f"RESTORE_LOCK_ACCOUNTS: {name.user} {reason}, so it cannot be locked. Name only"
                " the accounts of the site's program."
            )

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[tuple[SchemaSession, str]]:
        """Open a session; yield it with the vendor of the server, and explain missing privileges.

        Raises:
            RestoreFailed: The account cannot sign in, or a statement was rejected.
        """
        vendor = "MariaDB"
        try:
            async with open_session(self._settings) as session:
                rows = await session.fetch_all("SELECT VERSION() AS version")
                vendor = "MariaDB" if is_mariadb(str(rows[0]["version"])) else "MySQL"
                yield session, vendor
        except pymysql.err.Error as error:
            raise RestoreFailed(
                f"The server rejected a statement of RESTORE_LOCK_USER {self._settings.user}:"
                f" {error}. {self._grants(vendor)}"
            ) from error
        except SysnddError as error:
            number = _number(error)
            if number == _SIGN_IN_DENIED:
                raise RestoreFailed(
                    f"RESTORE_LOCK_USER {self._settings.user} cannot sign in: {error.__cause__}."
                    " Check the account and RESTORE_LOCK_PASSWORD."
                ) from error
            if number in _DENIED:
                raise RestoreFailed(f"{error.detail} {self._grants(vendor)}") from error
            raise

    def _grants(self, vendor: str) -> str:
        account = f"'{self._settings.user}'@'%'"
        text = f"Run as an administrator: {LOCK_ACCOUNT_GRANTS[vendor].format(account=account)}"
        if vendor == "MySQL":
            text += (
                " If an account to lock has SYSTEM_USER (ALL PRIVILEGES includes it), also:"
                f" {SYSTEM_USER_GRANT.format(account=account)}"
            )
        return text


async def _states(session: SchemaSession, vendor: str) -> dict[DatabaseAccount, bool]:
    """Return all accounts of the server, and whether each is locked."""
    sql = _ACCOUNTS_OF_MARIADB if vendor == "MariaDB" else _ACCOUNTS_OF_MYSQL
    return {
        DatabaseAccount(_text(row["user"]), _text(row["host"])): bool(row["locked"])
        for row in await session.fetch_all(sql)
    }


def _matches(name: AccountName, account: DatabaseAccount) -> bool:
    if name.host is not None and name.host.lower() != account.host.lower():
        return False
    return name.user == account.user


async def _end(
    session: SchemaSession, users: set[str], spared: set[tuple[str, str]], newest: int
) -> None:
    deadline = time.monotonic() + _SESSIONS_END_SECONDS
    ended: set[int] = set()
    while True:
        sessions = [one for one in await _sessions(session) if one.id < newest]
        signing_in = [one for one in sessions if one.user == _LOGGING_IN]
        left = [one for one in sessions if one.user in users and (one.user, one.host) not in spared]
        for one in left:
            if one.id not in ended:
                await _kill(session, one.id)
                ended.add(one.id)
        if not left and not signing_in:
            log.info("account_sessions_ended", count=len(ended))
            return
        if time.monotonic() > deadline:
            names = ", ".join(f"{one.id} of {one.user}@{one.host}" for one in left + signing_in)
            raise RestoreFailed(
                f"Sessions of the locked accounts did not end within {_SESSIONS_END_SECONDS:g} s:"
                f" {names}. A session that rolls back a large transaction takes long; try again"
                " later."
            )
        await asyncio.sleep(_POLL_SECONDS)


async def _sessions(session: SchemaSession) -> list[_Session]:
    """Return all sessions of the server."""
    # MySQL deprecates the table in information_schema; the one in performance_schema can be empty.
    return [
        _Session(int(row["Id"]), str(row["User"]), _without_port(str(row["Host"])))
        for row in await session.fetch_all("SHOW PROCESSLIST")
    ]


async def _kill(session: SchemaSession, connection_id: int) -> None:
    try:
        await session.run(f"KILL CONNECTION {connection_id}")
    except RestoreFailed as error:
        if _number(error) != _NO_SUCH_SESSION:
            raise


def _number(error: SysnddError) -> int | None:
    """Return the server's error number of an error's cause, or None."""
    cause = error.__cause__
    return cause.args[0] if isinstance(cause, pymysql.err.Error) and cause.args else None


def _without_port(host: str) -> str:
    # A session over the socket has no port.
    return (host.rpartition(":")[0] or host).lower()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
