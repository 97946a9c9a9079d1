"""Database accounts, one per service, created from the template in deploy/accounts."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pymysql
from pymysql.cursors import Cursor

from sysndd_local.errors import LocalRunError

PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
CONDITION = re.compile(r"^-- requires privilege: (.+)$", re.MULTILINE)
ACCESS_DENIED = {1044, 1045, 1142, 1227, 1698}

Connection: TypeAlias = "pymysql.Connection[Cursor]"


@dataclass(frozen=True)
class Account:
    """The name and password of an account."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class DatabaseAccess:
    """The database server, its schemas and its accounts.

    Args:
        host: address for TCP.
        port: TCP port.
        socket: unix socket; used instead of TCP when set.
        schema: the application schema.
        ops_schema: the platform schema.
        api, migrator, backup, mailer: the services' accounts.
        load: the account that a restore loads backups with; None if there is no separate one.
        operator: has all privileges; used by people and `make seed`.
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
            pymysql.err.OperationalError: the server does not answer or rejects the account.
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
    """Create or update schemas and accounts; idempotent.

    Args:
        root: a connection that is allowed to create accounts.
        template: a file like deploy/accounts/accounts.sql.
        access: names and passwords.

    Raises:
        LocalRunError: a statement fails; the message contains it without its password.
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
    """Check that an account of an existing server has the privileges that the system needs.

    Missing schemas are created.

    Raises:
        LocalRunError: privileges are missing; the message contains the statements that an
            administrator of the database has to run.
    """
    try:
        connection = access.connect(account)
    except pymysql.err.Error as error:
        where = access.socket or f"{access.host}:{access.port}"
        raise LocalRunError(
            f"signing in to the database server at {where} as {account.user} failed: "
            f"{error.args[-1]}\n"
            "    Check DB_HOST, DB_PORT or DB_SOCKET, DB_USER and DB_PASSWORD."
        ) from error
    with connection, connection.cursor() as cursor:
        probes = (access.schema, access.ops_schema, f"{access.schema}_sysndd_probe")
        denied = [name for name in probes if not _has_privileges(cursor, name)]
    if denied:
        raise LocalRunError(
            f"the account {account.user} lacks privileges on this database server. "
            "Ask its administrator to run\n"
            + "\n".join(f"    {line}" for line in _required_statements(access))
        )


def _has_privileges(cursor: Cursor, schema: str) -> bool:
    """Try to create and drop a table in ``schema``; a scratch schema is dropped, too."""
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
        raise LocalRunError(f"creating a table in the schema {schema} failed: {error}") from error
    return True


def _required_statements(access: DatabaseAccess) -> list[str]:
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
    """Split a template into (SQL, condition); each statement ends at the end of a line."""
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
    """Quote the name of a schema for GRANT, where ``_`` matches any character."""
    return "`" + name.replace("_", "\\_") + "`"


def _scratch_pattern(name: str) -> str:
    """Return the pattern that matches every schema named ``<name>_…``."""
    return "`" + name.replace("_", "\\_") + "\\_%`"


def _literal(password: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]+", password):
        raise LocalRunError(
            "secrets.json contains a password with characters other than letters and digits. "
            "Run `make reset` to generate new ones."
        )
    return f"'{password}'"
