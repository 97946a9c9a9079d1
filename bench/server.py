"""A temporary MariaDB server for one benchmark, with the settings of a production server."""

import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sysndd_local import mariadb
from sysndd_local.ports import free_port

POOL_MB = 2048
"""Buffer pool that holds all data, as in production. With less, a dump only waits for the disk."""


@contextmanager
def running_server(
    directory: Path, *, buffer_pool_mb: int = 256
) -> Iterator[mariadb.MariadbServer]:
    """Run a server while the block runs.

    Args:
        directory: Directory of its data and log.
        buffer_pool_mb: Buffer pool in megabytes.

    Yields:
        The server; ``root`` can also connect over TCP.
    """
    with tempfile.TemporaryDirectory(prefix="sysndd-") as sockets:
        server = mariadb.MariadbServer(
            directory=directory,
            socket=Path(sockets) / "mariadb.sock",
            port=free_port(),
            root_password=secrets.token_hex(12),
            buffer_pool_mb=buffer_pool_mb,
        )
        mariadb.prepare(server)
        with (directory / "server.log").open("wb") as log:
            process = subprocess.Popen(mariadb.command(server), stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while not mariadb.answers(server):
                assert process.poll() is None, (directory / "server.log").read_text()[-2000:]
                assert time.monotonic() < deadline, "the server did not start in time"
                time.sleep(0.05)
            with mariadb.connect_as_root(server) as root, root.cursor() as cursor:
                cursor.execute(
                    "CREATE USER root@'127.0.0.1' IDENTIFIED BY %s", (server.root_password,)
                )
                cursor.execute("GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION")
            yield server
        finally:
            process.terminate()
            process.wait()
