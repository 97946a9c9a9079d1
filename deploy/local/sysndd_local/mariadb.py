"""A private MariaDB server with its own data directory, socket, port and configuration file.

It is independent of a server that is installed on this machine: ``--defaults-file`` keeps the
distribution's configuration out, and the port is never 3306.
"""

import getpass
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pymysql
from pymysql.cursors import Cursor

from sysndd_local.errors import LocalRunError, MissingProgram
from sysndd_local.ports import LOOPBACK, MYSQL_DEFAULT_PORT
from sysndd_local.run_folder import write_private

PACKAGES = "mariadb-server-core mariadb-client"
# Strict: a value that does not fit is an error; it is never changed silently.
SQL_MODE = (
    "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "NO_ENGINE_SUBSTITUTION"
)


@dataclass(frozen=True)
class MariadbServer:
    """Where a private server lives.

    Args:
        directory: holds ``data/``, ``tmp/`` and ``my.cnf``; created when missing.
        socket: path of the unix socket, at most 107 bytes (unix(7)).
        port: TCP port on the loopback address.
        root_password: letters and digits; ``root`` can sign in over the socket only.
        max_connections: simultaneous connections of all services together.
        buffer_pool_mb: size of the InnoDB buffer pool, in MiB.
        durable: flush the log at each commit; tests turn this off.
    """

    directory: Path
    socket: Path
    port: int
    root_password: str = field(repr=False)
    max_connections: int = 200
    buffer_pool_mb: int = 256
    durable: bool = True

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    @property
    def config(self) -> Path:
        """The configuration file, the only one that the server reads."""
        return self.directory / "my.cnf"


def server_path() -> str:
    """Return the PATH for servers; it includes folders that an ordinary user's PATH omits."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


def program(name: str) -> str:
    """Return the path of one of MariaDB's programs.

    Raises:
        MissingProgram: it is not installed.
    """
    found = shutil.which(name, path=server_path())
    if found is None:
        raise MissingProgram(name, PACKAGES)
    return found


def prepare(server: MariadbServer) -> None:
    """Write the configuration and, once, create the system tables. Existing data is kept.

    The initial administrator can sign in only over the socket and only as the current user of the
    operating system, and the first statements of the first start set the password of ``root``. At
    no time can an administrator sign in without a password
    (https://mariadb.com/kb/en/authentication-plugin-unix-socket/).

    Raises:
        MissingProgram: MariaDB is not installed.
        LocalRunError: the port is 3306, or the system tables could not be created.
    """
    if server.port == MYSQL_DEFAULT_PORT:
        raise LocalRunError(
            f"the private database never listens on {MYSQL_DEFAULT_PORT}, the default port of "
            "other servers. Choose another DB_PORT."
        )
    program("mariadbd")
    server.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (server.directory / "tmp").mkdir(mode=0o700, exist_ok=True)
    write_private(server.config, render_config(server))
    write_private(server.directory / "init.sql", _render_init(server))
    # Written under another name first, so that an interrupted start leaves nothing that looks like
    # a usable data directory.
    if server.data.is_dir():
        return
    unfinished = server.directory / "data.partial"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    with tempfile.TemporaryDirectory(prefix="sysndd-") as plain:
        # mariadb-install-db fails on a path with a space, because it does not quote the path
        # everywhere.
        link = Path(plain) / "data"
        link.symlink_to(unfinished)
        _install_system_tables(link, temporary=Path(plain))
    unfinished.rename(server.data)


def _install_system_tables(data: Path, *, temporary: Path) -> None:
    user = getpass.getuser()
    done = subprocess.run(
        [
            program("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={data}",
            f"--user={user}",
            "--auth-root-authentication-method=socket",
            f"--auth-root-socket-user={user}",
            "--skip-test-db",
            "--skip-name-resolve",
        ],
        capture_output=True,
        text=True,
        check=False,
        # A starting server deletes all temporary tables in its temporary folder, including those of
        # another installation that runs at the same time.
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    if done.returncode != 0:
        raise LocalRunError(
            f"mariadb-install-db could not create the system tables:\n{done.stdout}{done.stderr}"
        )


def render_config(server: MariadbServer) -> str:
    """Return the text of ``my.cnf``."""
    return f"""\
# Written by sysndd_local at every start; changes are overwritten.
[mariadbd]
user = {getpass.getuser()}
datadir = "{server.data}"
tmpdir = "{server.directory / "tmp"}"
socket = "{server.socket}"
init-file = "{server.directory / "init.sql"}"
pid-file = "{server.directory / "mariadbd.pid"}"
bind-address = {LOOPBACK}
port = {server.port}
skip-name-resolve
local-infile = 0
character-set-server = utf8mb4
collation-server = utf8mb4_unicode_ci
default-time-zone = +00:00
sql-mode = {SQL_MODE}
max-connections = {server.max_connections}
max-allowed-packet = 64M
innodb-buffer-pool-size = {server.buffer_pool_mb}M
innodb-log-file-size = 96M
innodb-flush-log-at-trx-commit = {1 if server.durable else 2}
innodb-doublewrite = {1 if server.durable else 0}
# A long transaction must not block others indefinitely.
innodb-lock-wait-timeout = 20
performance-schema = OFF
"""


def _render_init(server: MariadbServer) -> str:
    """Return the statements that the server runs at every start before it accepts connections."""
    user = getpass.getuser()
    lines = [f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{server.root_password}';"]
    if user != "root":
        # Created by mariadb-install-db in addition to root. If this user has the name of a
        # service's account, it would be the more specific match and lock the service out.
        lines.append(f"DROP USER IF EXISTS '{user}'@'localhost';")
    return "\n".join(lines) + "\n"


def command(server: MariadbServer) -> list[str]:
    """Return the command that runs the server in the foreground."""
    return [program("mariadbd"), f"--defaults-file={server.config}"]


def connect_as_root(server: MariadbServer, *, timeout: float = 5) -> "pymysql.Connection[Cursor]":
    """Connect as the administrator of the database, over the socket.

    Args:
        server: a running server.
        timeout: seconds for the connection.

    Raises:
        pymysql.err.OperationalError: the server does not answer (yet).
    """
    return pymysql.connect(
        unix_socket=str(server.socket),
        user="root",
        password=server.root_password,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=timeout,
    )


def answers(server: MariadbServer) -> bool:
    """Return whether the server executes statements."""
    try:
        with connect_as_root(server, timeout=2) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (OSError, pymysql.err.Error):
        return False
    return True
