"""Real servers for tests: MariaDB, Redis and a mail catcher on free ports, one each per session.

``TEST_DATABASE_URL=mysql://user:password@host:port/`` and ``TEST_REDIS_URL=redis://…`` name servers
that are there already; the account needs all privileges with the grant option.
``TEST_DATABASE_SERVER=mysql`` starts the ``mysqld`` of the PATH in MariaDB's stead, and
``TEST_MAILPIT=/path/of/mailpit`` the real Mailpit in the built-in catcher's. A server program
that is not installed is a failure that tells the line which installs it, never a skip.

Servers end with the test session, also when that is killed.
"""

import ctypes
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
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
from sysndd_local.ports import LOOPBACK, accepts, free_port
from tests.support import mysql as mysql_program

START_TIMEOUT = 60  # seconds; a cold disk of a CI machine is slow
STOP_TIMEOUT = 30
PR_SET_PDEATHSIG = 1  # prctl(2)

Row = tuple[Any, ...]


class RealProcess:
    """A server process of this test session.

    Arguments:
        name: for messages and the log file.
        command: program and arguments; it stays in the foreground.
        directory: where its output goes, as ``<name>.log``.
        is_ready: whether it answers.
        environ: its environment; this process's when None.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        directory: Path,
        is_ready: Callable[[], bool],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._command = command
        self._is_ready = is_ready
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    def is_running(self) -> bool:
        """Tell whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and wait until it answers; nothing happens when it runs already.

        Call it from the main thread: the kernel ends the server with the THREAD that started it
        (prctl(2), PR_SET_PDEATHSIG), and threads of asyncio.to_thread end with the test's loop.
        """
        if self.is_running():
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environ,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call, no lock taken
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not self._is_ready():
            if not self.is_running() or time.monotonic() > deadline:
                text = self.log.read_text(encoding="utf-8", errors="replace")
                pytest.fail(f"{self.name} did not start:\n{text[-4000:]}", pytrace=False)
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def stop(self) -> None:
        """End the server in an orderly way and wait for it."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if self.is_running():
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None


@dataclass
class TestMariadb:
    """A database server with an account that may do everything.

    Arguments:
        host: address for TCP.
        port: TCP port.
        user: account with all privileges and the grant option.
        password: its password.
        socket: unix socket; None when the server is named by ``TEST_DATABASE_URL``.
        process: the server's process; None when it is not ours.
    """

    __test__ = False  # not a class of tests

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
        """Path of the command-line client of the server's own vendor."""
        name = "mariadb" if self.is_mariadb else "mysql"
        found = shutil.which(name)
        assert found, f"the server's own client program, {name}, is not on the PATH"
        return found

    @property
    def is_mariadb(self) -> bool:
        """Whether it is MariaDB's server, not MySQL's."""
        ((version,),) = self.execute("SELECT VERSION()")
        return "mariadb" in version.lower()

    def execute(self, sql: str, args: Any = None, *, schema: str | None = None) -> tuple[Row, ...]:
        """Run one statement on a connection of its own and return its rows."""
        with self.connect(schema) as connection, connection.cursor() as cursor:
            cursor.execute(sql, args)
            return tuple(cursor.fetchall())

    def environ(self, *, name: str = "sysndd", ops_name: str = "sysndd_ops") -> dict[str, str]:
        """Return the settings by which a service finds this server."""
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
        """Make an empty schema with a name of its own, and drop it and its scratch schemas after.

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
        """Record every statement that the server gets, from anybody.

        ``with mariadb.general_log() as statements: …; assert "…" in statements()``
        """
        ((output, enabled),) = self.execute("SELECT @@GLOBAL.log_output, @@GLOBAL.general_log")
        self.execute("SET GLOBAL general_log = OFF")
        if not self.is_mariadb:
            # MySQL leaves out what it can't parse, which might be a password.
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
        """Stop the server in an orderly way; ``start()`` brings it and its data back."""
        self._own().stop()

    def kill(self) -> None:
        """Kill the server as a power cut would."""
        self._own().kill()

    def start(self) -> None:
        """Start the server again; nothing happens when it runs."""
        self._own().start()

    def freeze(self) -> None:
        """Let the server hang: connections stay open, nothing answers. ``thaw()`` ends that."""
        self._own().send(signal.SIGSTOP)

    def thaw(self) -> None:
        """End ``freeze()``."""
        self._own().send(signal.SIGCONT)

    def _own(self) -> RealProcess:
        assert self.process is not None, (
            "the server named by TEST_DATABASE_URL is not ours to stop: "
            "a test of an outage uses the fixture private_mariadb"
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
        """Kill the server as a power cut would."""
        self._own().kill()

    def start(self) -> None:
        """Start the server again; nothing happens when it runs."""
        self._own().start()

    def freeze(self) -> None:
        """Let the server hang: connections stay open, nothing answers. ``thaw()`` ends that."""
        self._own().send(signal.SIGSTOP)

    def thaw(self) -> None:
        """End ``freeze()``."""
        self._own().send(signal.SIGCONT)

    def _own(self) -> RealProcess:
        assert self.process is not None, "the server named by TEST_REDIS_URL is not ours to stop"
        return self.process


@dataclass
class TestCatcher:
    """A mail catcher.

    Arguments:
        host: address of its SMTP side.
        port: TCP port of its SMTP side.
        rest_url: where its REST interface is, without a slash at the end.
        process: the catcher's process.
    """

    __test__ = False  # not a class of tests

    host: str
    port: int
    rest_url: str
    process: RealProcess = field(repr=False)

    def environ(self) -> dict[str, str]:
        """Return the settings by which the mailer finds it."""
        return {"SMTP_HOST": self.host, "SMTP_PORT": str(self.port), "SMTP_SECURITY": "none"}

    def stop(self) -> None:
        """Stop the catcher; ``start()`` brings it and its mails back."""
        self.process.stop()

    def start(self) -> None:
        """Start the catcher again; nothing happens when it runs."""
        self.process.start()


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestMariadb]:
    """The database server: the one that ``TEST_DATABASE_URL`` names, else one of our own."""
    url = os.environ.get("TEST_DATABASE_URL")
    if url:
        yield _named_mariadb(url)
        return
    with start_database(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture(scope="session")
def private_mariadb(
    mariadb: TestMariadb, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestMariadb]:
    """A database server of our own, to stop and to freeze, also beside ``TEST_DATABASE_URL``."""
    if mariadb.process is not None:
        yield mariadb
        return
    with start_database(tmp_path_factory.mktemp("private_mariadb")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestRedis]:
    """The Redis server: the one that ``TEST_REDIS_URL`` names, else one of our own."""
    url = os.environ.get("TEST_REDIS_URL")
    if url:
        yield TestRedis(url)
        return
    with start_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def smtp_catcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCatcher]:
    """A mail catcher: Mailpit when ``TEST_MAILPIT`` names it, else the built-in one."""
    mailpit = os.environ.get("TEST_MAILPIT")
    folder = tmp_path_factory.mktemp("catcher")
    with start_mailpit(Path(mailpit), folder) if mailpit else start_catcher(folder) as catcher:
        yield catcher


@pytest.fixture(scope="session")
def builtin_catcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCatcher]:
    """The built-in mail catcher, for the tests of itself."""
    with start_catcher(tmp_path_factory.mktemp("builtin_catcher")) as catcher:
        yield catcher


@contextmanager
def start_database(directory: Path) -> Iterator[TestMariadb]:
    """Run a database server with its data under ``directory``."""
    vendors = {"mariadb": mariadb_program, "mysql": mysql_program}
    chosen = os.environ.get("TEST_DATABASE_SERVER", "mariadb")
    if chosen not in vendors:
        pytest.fail(f"TEST_DATABASE_SERVER must be one of {', '.join(vendors)}", pytrace=False)
    program = vendors[chosen]
    # Not under pytest's folder: a socket's path has at most 107 bytes.
    sockets = Path(tempfile.mkdtemp(prefix="sysndd-", dir="/tmp"))
    server = mariadb_program.MariadbServer(
        directory=directory,
        socket=sockets / "mariadb.sock",
        port=free_port(),
        root_password=secrets.token_hex(12),
        max_connections=300,
        buffer_pool_mb=128,
        durable=False,
    )
    try:
        program.prepare(server)
        process = RealProcess(
            chosen,
            program.command(server),
            directory,
            lambda: mariadb_program.answers(server),
        )
        process.start()
        try:
            user, password = "tester", secrets.token_urlsafe(16)
            with mariadb_program.connect_as_root(server) as root, root.cursor() as cursor:
                # The server listens on the loopback address only.
                cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", (user, password))
                cursor.execute("GRANT ALL PRIVILEGES ON *.* TO %s@'%%' WITH GRANT OPTION", (user,))
            yield TestMariadb(LOOPBACK, server.port, user, password, server.socket, process)
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


@contextmanager
def start_catcher(directory: Path) -> Iterator[TestCatcher]:
    """Run the mail catcher with its mails under ``directory``."""
    smtp_port, http_port = free_port(), free_port()
    process = RealProcess(
        "catcher",
        [
            *(sys.executable, "-m", "sysndd_local.catcher"),
            *("--smtp-port", str(smtp_port)),
            *("--http-port", str(http_port)),
            *("--directory", str(directory / "mails")),
        ],
        directory,
        lambda: accepts(smtp_port) and accepts(http_port),
        environ={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    try:
        process.start()
        yield TestCatcher(LOOPBACK, smtp_port, f"http://{LOOPBACK}:{http_port}", process)
    finally:
        process.stop()


@contextmanager
def start_mailpit(program: Path, directory: Path) -> Iterator[TestCatcher]:
    """Run Mailpit with its mails under ``directory``."""
    smtp_port, http_port = free_port(), free_port()
    process = RealProcess(
        "mailpit",
        [str(program)],
        directory,
        lambda: accepts(smtp_port) and accepts(http_port),
        environ={
            "MP_SMTP_BIND_ADDR": f"{LOOPBACK}:{smtp_port}",
            "MP_UI_BIND_ADDR": f"{LOOPBACK}:{http_port}",
            "MP_DATABASE": str(directory / "mailpit.db"),
            "MP_DISABLE_VERSION_CHECK": "true",
        },
    )
    try:
        process.start()
        yield TestCatcher(LOOPBACK, smtp_port, f"http://{LOOPBACK}:{http_port}", process)
    finally:
        process.stop()


def _named_mariadb(url: str) -> TestMariadb:
    parts = urlsplit(url)
    if parts.scheme not in {"mysql", "mariadb"} or not parts.hostname or not parts.username:
        pytest.fail("TEST_DATABASE_URL must be mysql://user:password@host:port/", pytrace=False)
    server = TestMariadb(
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


def _end_with_parent() -> None:
    """Runs in the child before its program: it ends when the test session does (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
