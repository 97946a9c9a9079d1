"""Real database and Redis servers for tests, one of each per session, on free ports.

``TEST_DATABASE_URL=mysql://user:password@host:port/`` and ``TEST_REDIS_URL=redis://…`` name
existing servers; the account needs all privileges with the grant option.
``TEST_DATABASE_SERVER=mysql`` starts the ``mysqld`` of the PATH instead of ``mariadbd``. If a
server program is not installed, the test fails with the command that installs it and is never
skipped.
"""

import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql
import pytest
from pymysql.cursors import Cursor
from redis import Redis
from redis.exceptions import RedisError

from sysndd_local import mariadb as mariadb_program
from sysndd_local import redis as redis_program
from sysndd_local.ports import LOOPBACK, free_port
from tests.support import mysql as mysql_program
from tests.support.processes import RealProcess

Row = tuple[Any, ...]


@dataclass
class DatabaseServer:
    """A MariaDB or MySQL server with an account that has all privileges.

    Arguments:
        host: address for TCP.
        port: TCP port.
        user: account with all privileges and the grant option.
        password: its password.
        socket: unix socket; None when the server is named by ``TEST_DATABASE_URL``.
        process: the server's process; None if ``TEST_DATABASE_URL`` names the server.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    socket: Path | None = None
    process: RealProcess | None = field(default=None, repr=False)

    def connect(self, schema: str | None = None) -> "pymysql.Connection[Cursor]":
        """Open a connection with autocommit."""
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=schema,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=5,
        )

    @property
    def client(self) -> str:
        """Path of the command-line client of the server's vendor."""
        name = "mariadb" if self.is_mariadb else "mysql"
        found = shutil.which(name)
        assert found, f"the server's own client program, {name}, is not on the PATH"
        return found

    def client_command(self, program: str | None = None) -> list[str]:
        """Return a client program with the options to connect; by default ``client``.

        The password is in ``client_environ``, not among the arguments.
        """
        return [
            *(program or self.client, "--no-defaults", "--protocol=TCP"),
            "--default-character-set=utf8mb4",
            *("--host", self.host, "--port", str(self.port), "--user", self.user),
        ]

    @property
    def client_environ(self) -> dict[str, str]:
        """Environment of ``client_command``."""
        return os.environ | {"MYSQL_PWD": self.password}

    @property
    def is_mariadb(self) -> bool:
        """Whether the server is MariaDB, not MySQL."""
        ((version,),) = self.execute("SELECT VERSION()")
        return "mariadb" in version.lower()

    def execute(self, sql: str, args: Any = None, *, schema: str | None = None) -> tuple[Row, ...]:
        """Run one statement on a separate connection and return its rows."""
        with self.connect(schema) as connection, connection.cursor() as cursor:
            cursor.execute(sql, args)
            return tuple(cursor.fetchall())

    def environ(self, *, name: str = "sysndd", ops_name: str = "sysndd_ops") -> dict[str, str]:
        """Return the settings with which a service connects to this server."""
        return {
            "DB_HOST": self.host,
            "DB_PORT": str(self.port),
            "DB_USER": self.user,
            "DB_PASSWORD": self.password,
            "DB_NAME": name,
            "OPS_DB_NAME": ops_name,
        }

    @contextmanager
    def temporary_schema(self, prefix: str = "t") -> Iterator[str]:
        """Create an empty schema with a unique name; drop it and its scratch schemas afterwards.

        Scratch schemas are those named ``<name>_…``.
        """
        name = f"{prefix}_{secrets.token_hex(4)}"
        self.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        try:
            yield name
        finally:
            found = self.execute(
                "SELECT schema_name FROM information_schema.schemata"
                " WHERE schema_name = %s OR LEFT(schema_name, %s) = %s",
                (name, len(name) + 1, f"{name}_"),
            )
            for (schema,) in found:
                self.execute(f"DROP DATABASE IF EXISTS `{schema}`")

    @contextmanager
    def general_log(self) -> Iterator[Callable[[], list[str]]]:
        """Record every statement that the server receives, from all clients.

        ``with database_server.general_log() as statements: …; assert "…" in statements()``
        """
        ((output, enabled),) = self.execute("SELECT @@GLOBAL.log_output, @@GLOBAL.general_log")
        self.execute("SET GLOBAL general_log = OFF")
        if not self.is_mariadb:
            # MySQL omits statements that it cannot parse, which might contain a password.
            self.execute("SET GLOBAL log_raw = ON")
        self.execute("TRUNCATE TABLE mysql.general_log")
        self.execute("SET GLOBAL log_output = 'TABLE'")
        self.execute("SET GLOBAL general_log = ON")

        def statements() -> list[str]:
            rows = self.execute(
                "SELECT argument FROM mysql.general_log"
                " WHERE command_type IN ('Query', 'Execute', 'Prepare') ORDER BY event_time"
            )
            return [
                argument.decode("utf-8", "replace") if isinstance(argument, bytes) else argument
                for (argument,) in rows
            ]

        try:
            yield statements
        finally:
            self.execute("SET GLOBAL general_log = OFF")
            self.execute("SET GLOBAL log_output = %s", (output,))
            self.execute("SET GLOBAL general_log = %s", (enabled,))
            if not self.is_mariadb:
                self.execute("SET GLOBAL log_raw = OFF")

    def stop(self) -> None:
        """Stop the server gracefully; ``start()`` starts it again with its data."""
        self._own().stop()

    def kill(self) -> None:
        """Kill the server, as a power failure would."""
        self._own().kill()

    def start(self) -> None:
        """Start the server again; do nothing if it is running."""
        self._own().start()

    def freeze(self) -> None:
        """Make the server hang: connections stay open without an answer, until ``thaw()``."""
        self._own().send(signal.SIGSTOP)

    def thaw(self) -> None:
        """End ``freeze()``."""
        self._own().send(signal.SIGCONT)

    def _own(self) -> RealProcess:
        assert self.process is not None, (
            "a test must not stop the server of TEST_DATABASE_URL: "
            "use the fixture private_database_server"
        )
        return self.process


@dataclass
class TestRedis:
    """A Redis server.

    Arguments:
        url: what goes into ``REDIS_URL``.
        process: the server's process; None when it is named by ``TEST_REDIS_URL``.
    """

    __test__ = False  # not a class of tests

    url: str
    process: RealProcess | None = field(default=None, repr=False)

    def client(self) -> "Redis":
        """Return a client with timeouts."""
        return Redis.from_url(self.url, socket_timeout=5, socket_connect_timeout=5)

    def flush(self) -> None:
        """Delete every key of this database."""
        with self.client() as client:
            client.flushdb()

    def stop(self) -> None:
        """Stop the server; ``start()`` brings it and its data back."""
        self._own().stop()

    def kill(self) -> None:
        """Kill the server, as a power failure would."""
        self._own().kill()

    def start(self) -> None:
        """Start the server again; do nothing if it is running."""
        self._own().start()

    def freeze(self) -> None:
        """Make the server hang: connections stay open without an answer, until ``thaw()``."""
        self._own().send(signal.SIGSTOP)

    def thaw(self) -> None:
        """End ``freeze()``."""
        self._own().send(signal.SIGCONT)

    def _own(self) -> RealProcess:
        assert self.process is not None, "a test must not stop the server of TEST_REDIS_URL"
        return self.process


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    """The database server: the one that ``TEST_DATABASE_URL`` names, or a new one."""
    url = os.environ.get("TEST_DATABASE_URL")
    if url:
        yield _named_database_server(url)
        return
    with start_database(tmp_path_factory.mktemp("database_server")) as server:
        yield server


@pytest.fixture(scope="session")
def private_database_server(
    database_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DatabaseServer]:
    """A database server that tests may stop and freeze, never that of ``TEST_DATABASE_URL``."""
    if database_server.process is not None:
        yield database_server
        return
    with start_database(tmp_path_factory.mktemp("private_database_server")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestRedis]:
    """The Redis server: the one that ``TEST_REDIS_URL`` names, or a new one."""
    url = os.environ.get("TEST_REDIS_URL")
    if url:
        yield TestRedis(url)
        return
    with start_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@contextmanager
def start_database(directory: Path, *options: str) -> Iterator[DatabaseServer]:
    """Run a database server with its data under ``directory``.

    Args:
        directory: Where its data is.
        options: Further options of the server, such as ``--lower-case-table-names=1``.
    """
    vendors = {"mariadb": mariadb_program, "mysql": mysql_program}
    chosen = os.environ.get("TEST_DATABASE_SERVER", "mariadb")
    if chosen not in vendors:
        pytest.fail(f"TEST_DATABASE_SERVER must be one of {', '.join(vendors)}", pytrace=False)
    program = vendors[chosen]
    # Not in pytest's folder: the path of a socket has at most 107 bytes.
    sockets = Path(tempfile.mkdtemp(prefix="sysndd-", dir="/tmp"))
    server = mariadb_program.MariadbServer(
        directory=directory,
        socket=sockets / "database.sock",
        port=free_port(),
        root_password=secrets.token_hex(12),
        max_connections=300,
        buffer_pool_mb=128,
        durable=False,
    )
    try:
        if chosen == "mysql":
            # Some options cannot change after the initialization.
            mysql_program.prepare(server, *options)
        else:
            mariadb_program.prepare(server)
        process = RealProcess(
            chosen,
            [*program.command(server), *options],
            directory,
            lambda: mariadb_program.answers(server),
        )
        process.start()
        try:
            user, password = "tester", secrets.token_urlsafe(16)
            with mariadb_program.connect_as_root(server) as root, root.cursor() as cursor:
                # Any host: the server listens on the loopback address only.
                cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", (user, password))
                cursor.execute("GRANT ALL PRIVILEGES ON *.* TO %s@'%%' WITH GRANT OPTION", (user,))
            yield DatabaseServer(LOOPBACK, server.port, user, password, server.socket, process)
        finally:
            process.stop()
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


@contextmanager
def start_redis(directory: Path) -> Iterator[TestRedis]:
    """Run a Redis server with its data under ``directory``."""
    server = redis_program.RedisServer(directory, free_port(), secrets.token_urlsafe(16))
    redis_program.prepare(server)
    process = RealProcess(
        "redis-server", redis_program.command(server), directory, lambda: _redis_answers(server.url)
    )
    try:
        process.start()
        yield TestRedis(server.url, process)
    finally:
        process.stop()


def _named_database_server(url: str) -> DatabaseServer:
    parts = urlsplit(url)
    if parts.scheme not in {"mysql", "mariadb"} or not parts.hostname or not parts.username:
        pytest.fail("TEST_DATABASE_URL must be mysql://user:password@host:port/", pytrace=False)
    server = DatabaseServer(
        host=parts.hostname,
        port=parts.port or 3306,
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
    )
    try:
        server.execute("SELECT 1")
    except pymysql.err.Error as error:
        pytest.fail(f"the server of TEST_DATABASE_URL does not answer: {error}", pytrace=False)
    return server


def _redis_answers(url: str) -> bool:
    try:
        with Redis.from_url(url, socket_timeout=2) as client:
            return bool(client.ping())
    except RedisError:
        return False
