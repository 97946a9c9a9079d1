"""A private MariaDB server: its own data directory, socket, port and configuration file.

Nothing of a server that the machine has already is read or written: the program is started with
``--defaults-file``, so the distribution's configuration does not apply, and the port is never 3306.
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
# Strict: a value that does not fit is an error, never a silent change.
SQL_MODE = (
    "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "NO_ENGINE_SUBSTITUTION"
)


@dataclass(frozen=True)
class MariadbServer:
    """Where a private server lives.

    Arguments:
        directory: holds ``data/``, ``tmp/`` and ``my.cnf``; made when missing.
        socket: path of the unix socket, at most 107 bytes (unix(7)).
        port: TCP port on the loopback address.
        root_password: letters and digits; the password of ``root``, over the socket only.
        max_connections: connections at once, all services together.
        buffer_pool_mb: memory for InnoDB's pages, in MiB.
        durable: flush the log at each commit; tests switch it off.
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
    """Return the PATH on which servers are found: an ordinary user's own leaves out some folders."""
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
    """Write the configuration and, once, the system tables. Existing data is kept.

    The system tables are made with an administrator who signs in over the socket as the operating
    system's user and in no other way, and the first statements of the first start give ``root`` its
    password: there is no moment in which an administrator without one can be reached
    (https://mariadb.com/kb/en/authentication-plugin-unix-socket/).

    Raises:
        MissingProgram: MariaDB is not installed.
        LocalRunError: the port is 3306, or the system tables can't be made.
    """
    if server.port == MYSQL_DEFAULT_PORT:
        raise LocalRunError(
            f"the private database never listens on {MYSQL_DEFAULT_PORT}: choose another DB_PORT"
        )
    program("mariadbd")
    server.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (server.directory / "tmp").mkdir(mode=0o700, exist_ok=True)
    write_private(server.config, render_config(server))
    write_private(server.directory / "init.sql", _render_init(server))
    # The system schema is written into a neighbour and renamed: a power cut in the middle leaves
    # nothing that looks like a usable data directory.
    if server.data.is_dir():
        return
    unfinished = server.directory / "data.partial"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    with tempfile.TemporaryDirectory(prefix="sysndd-") as plain:
        # mariadb-install-db does not quote the path where it hands the folder to its user: a blank
        # in it, and it gives up. It gets to see one without.
        link = Path(plain) / "data"
        link.symlink_to(unfinished)
        _install_system_tables(link, temporary=Path(plain))
    unfinished.rename(server.data)


def _install_system_tables(data: Path, *, temporary: Path) -> None:
    user = getpass.getuser()
    made = subprocess.run(
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
        # A server that starts deletes every temporary table it finds in its folder for them: of two
        # that are installed at the same moment, the second would break the first.
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    if made.returncode != 0:
        raise LocalRunError(f"mariadb-install-db failed:\n{made.stdout}{made.stderr}")


def render_config(server: MariadbServer) -> str:
    """Return the text of ``my.cnf``."""
    return f"""\
# Written by sysndd_local at every start; changes are lost.
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
# Statements of one long transaction do not hold up others for ever.
innodb-lock-wait-timeout = 20
performance-schema = OFF
"""


def _render_init(server: MariadbServer) -> str:
    """Return what the server runs at every start before it takes connections."""
    user = getpass.getuser()
    lines = [f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{server.root_password}';"]
    if user != "root":
        # mariadb-install-db made it beside root. With a user named like one of our accounts, it
        # would be the more exact match and keep that one out.
        lines.append(f"DROP USER IF EXISTS '{user}'@'localhost';")
    return "\n".join(lines) + "\n"


def command(server: MariadbServer) -> list[str]:
    """Return the command that runs the server in the foreground."""
    return [program("mariadbd"), f"--defaults-file={server.config}"]


def connect_as_root(server: MariadbServer, *, timeout: float = 5) -> "pymysql.Connection[Cursor]":
    """Open a connection as the database's administrator, over the socket.

    Arguments:
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
    """Tell whether the server runs statements."""
    try:
        with connect_as_root(server, timeout=2) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (OSError, pymysql.err.Error):
        return False
    return True
