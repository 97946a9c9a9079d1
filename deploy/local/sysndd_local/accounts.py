"""SQL accounts: one for each service, made from the templates in deploy/accounts."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pymysql
from pymysql.cursors import Cursor

from sysndd_local.errors import LocalRunError

PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
CONDITION = re.compile(r"^-- only where the server knows: (.+)$", re.MULTILINE)
ACCESS_DENIED = {1044, 1045, 1142, 1227, 1698}

Connection: TypeAlias = "pymysql.Connection[Cursor]"


@dataclass(frozen=True)
class Account:
    """A name and a password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class DatabaseAccess:
    """Where the database is and who signs in for what.

    Arguments:
        host: address for TCP.
        port: TCP port.
        socket: unix socket; used in place of TCP when it is set.
        schema: the application schema.
        ops_schema: the platform schema.
        api, migrator, backup, mailer: the services' accounts.
        load: the account that a restore loads backups by; None where there is none of its own.
        operator: may do everything; people and `make seed` use it.
    """

    host: str
    port: int
    socket: Path | None
    schema: str
    ops_schema: str
    api: Account
    migrator: Account
    backup: Account
    mailer: Account
    operator: Account
    load: Account | None = None

    def environment(self, account: Account) -> dict[str, str]:
        """Return a service's settings for this database."""
        return {
            "DB_HOST": self.host,
            "DB_PORT": str(self.port),
            "DB_SOCKET": str(self.socket or ""),
            "DB_USER": account.user,
            "DB_PASSWORD": account.password,
            "DB_NAME": self.schema,
            "OPS_DB_NAME": self.ops_schema,
        }

    def connect(self, account: Account) -> Connection:
        """Open a connection with autocommit.

        Raises:
            pymysql.err.OperationalError: the server does not answer, or not to this account.
        """
        return pymysql.connect(
            host=self.host,
            port=self.port,
            unix_socket=str(self.socket) if self.socket else None,
            user=account.user,
            password=account.password,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=5,
        )


def create_accounts(root: Connection, template: Path, access: DatabaseAccess) -> None:
    """Make schemas and accounts, or bring them up to date. May run again at any time.

    Arguments:
        root: a connection that may create accounts.
        template: a file like deploy/accounts/accounts.sql.
        access: names and passwords.

    Raises:
        LocalRunError: a statement fails; the message names it without its password.
    """
    text = template.read_text(encoding="utf-8")
    values = {
        "schema": _identifier(access.schema),
        "ops_schema": _identifier(access.ops_schema),
        "schema_pattern": _pattern(access.schema),
        "ops_schema_pattern": _pattern(access.ops_schema),
        "scratch_pattern": _scratch_pattern(access.schema),
        "shadow_pattern": _scratch_pattern(f"{access.schema}_shadow"),
        **{
            f"{role}_password": _literal(getattr(access, role).password)
            for role in ("api", "migrator", "backup", "mailer", "operator", "load")
            if getattr(access, role) is not None
        },
    }
    with root.cursor() as cursor:
        cursor.execute("SHOW PRIVILEGES")
        known = {str(row[0]).upper().replace(" ", "_") for row in cursor.fetchall()}
        for statement, condition in _statements(text):
            if condition and condition.upper().replace(" ", "_") not in known:
                continue
            try:
                cursor.execute(PLACEHOLDER.sub(lambda found: values[found[1]], statement))
            except pymysql.err.Error as error:
                raise LocalRunError(f"{template.name}: {error}\n    in: {statement}") from error


def check_access(access: DatabaseAccess, account: Account) -> None:
    """Find out whether an account of a server that is there already can do what the system needs.

    The schemas are created when they are missing and may be created.

    Raises:
        LocalRunError: it can't; the message holds the statements that a database administrator
            has to run.
    """
    try:
        connection = access.connect(account)
    except pymysql.err.Error as error:
        where = access.socket or f"{access.host}:{access.port}"
        raise LocalRunError(
            f"the database server at {where} does not let in {account.user}: {error.args[-1]}\n"
            "    Check DB_HOST, DB_PORT or DB_SOCKET, DB_USER and DB_PASSWORD."
        ) from error
    with connection, connection.cursor() as cursor:
        probes = (access.schema, access.ops_schema, f"{access.schema}_sysndd_probe")
        refused = [name for name in probes if not _may_use(cursor, name)]
    if refused:
        raise LocalRunError(
            f"the account {account.user} may not do enough on this database server. "
            "Its administrator has to run\n" + "\n".join(f"    {line}" for line in _wanted(access))
        )


def _may_use(cursor: Cursor, schema: str) -> bool:
    """Create and drop a table in ``schema``; a scratch schema is dropped too."""
    name = _identifier(schema)
    try:
        cursor.execute(
            "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = %s", (schema,)
        )
        ((exists,),) = cursor.fetchall()
        if not exists:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        cursor.execute(f"CREATE TABLE {name}.`sysndd_probe` (`id` INT PRIMARY KEY)")
        cursor.execute(f"DROP TABLE {name}.`sysndd_probe`")
        if schema.endswith("_sysndd_probe"):
            cursor.execute(f"DROP DATABASE {name}")
    except pymysql.err.Error as error:
        if error.args[0] in ACCESS_DENIED:
            return False
        raise LocalRunError(f"the database server refuses work in {schema}: {error}") from error
    return True


def _wanted(access: DatabaseAccess) -> list[str]:
    account = f"{access.operator.user}@…"
    patterns = [
        _pattern(access.schema),
        _scratch_pattern(access.schema),
        _pattern(access.ops_schema),
    ]
    return [
        *(
            f"CREATE DATABASE IF NOT EXISTS {_identifier(name)} CHARACTER SET utf8mb4;"
            for name in (access.schema, access.ops_schema)
        ),
        *(f"GRANT ALL PRIVILEGES ON {pattern}.* TO {account};" for pattern in patterns),
        f"GRANT PROCESS, RELOAD ON *.* TO {account};",
    ]


def _statements(text: str) -> list[tuple[str, str | None]]:
    """Split a template, which ends each statement at the end of a line, into (SQL, condition)."""
    found = []
    for piece in re.split(r";[ \t]*$", text, flags=re.MULTILINE):
        condition = CONDITION.search(piece)
        statement = re.sub(r"^--.*$", "", piece, flags=re.MULTILINE).strip()
        if statement:
            found.append((statement, condition[1].strip() if condition else None))
    return found


def _identifier(name: str) -> str:
    return f"`{name}`"


def _pattern(name: str) -> str:
    """Quote a schema's name for GRANT, which reads ``_`` as "any character"."""
    return "`" + name.replace("_", "\\_") + "`"


def _scratch_pattern(name: str) -> str:
    """Return what matches every schema named ``<name>_…``."""
    return "`" + name.replace("_", "\\_") + "\\_%`"


def _literal(password: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]+", password):
        raise LocalRunError("a generated password has letters and digits only; `make reset`")
    return f"'{password}'"
