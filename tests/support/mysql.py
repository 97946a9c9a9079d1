"""A private MySQL server, for the tests on the other vendor's server.

It uses the server description of ``sysndd_local.mariadb``, and neither reads nor writes files of an
installed server.
"""

import getpass
import shutil
import subprocess

from sysndd_local.errors import LocalRunError, MissingProgram
from sysndd_local.mariadb import MariadbServer, server_path
from sysndd_local.ports import LOOPBACK
from sysndd_local.run_folder import write_private


def prepare(server: MariadbServer, *options: str) -> None:
    """Write the configuration and the system tables.

    Args:
        server: Where the server lives.
        options: Further options of the server.

    Raises:
        MissingProgram: MySQL is not installed.
        LocalRunError: the system tables cannot be created.
    """
    server.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (server.directory / "tmp").mkdir(mode=0o700, exist_ok=True)
    write_private(server.config, _render_config(server))
    # Run before the server accepts connections, so root always has a password.
    write_private(
        server.directory / "init.sql",
        f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{server.root_password}';\n",
    )
    made = subprocess.run(
        [
            *(_program(), "--no-defaults", "--initialize-insecure", f"--user={getpass.getuser()}"),
            f"--datadir={server.data}",
            *options,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise LocalRunError(f"mysqld --initialize-insecure failed:\n{made.stdout}{made.stderr}")


def command(server: MariadbServer) -> list[str]:
    """Return the command that runs the server in the foreground."""
    return [_program(), f"--defaults-file={server.config}"]


def _program() -> str:
    found = shutil.which("mysqld", path=server_path())
    if found is None:
        raise MissingProgram("mysqld", "mysql-server-core")
    return found


def _render_config(server: MariadbServer) -> str:
    return f"""\
[mysqld]
user = {getpass.getuser()}
datadir = "{server.data}"
tmpdir = "{server.directory / "tmp"}"
socket = "{server.socket}"
init-file = "{server.directory / "init.sql"}"
pid-file = "{server.directory / "mysqld.pid"}"
bind-address = {LOOPBACK}
port = {server.port}
mysqlx = OFF
secure-file-priv = NULL
skip-name-resolve
local-infile = 0
default-time-zone = +00:00
max-connections = {server.max_connections}
max-allowed-packet = 64M
innodb-buffer-pool-size = {server.buffer_pool_mb}M
innodb-redo-log-capacity = 96M
innodb-flush-log-at-trx-commit = {1 if server.durable else 2}
innodb-doublewrite = {"ON" if server.durable else "OFF"}
innodb-lock-wait-timeout = 20
# MySQL writes a binary log by default, as in production. Then an account without SUPER may
# make triggers and functions only with this.
sync-binlog = {1 if server.durable else 0}
log-bin-trust-function-creators = 1
"""
