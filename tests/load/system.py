"""The system under load: a separate one in a temporary run folder, and additional APIs."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pymysql

from sysndd_local.ports import LOOPBACK, accepts, free_port
from tests.support.local_run import LocalRun

START_SECONDS = 90
# Enough for the largest pool size of the comparison.
MAX_CONNECTIONS_POOL = 20


@dataclass(frozen=True)
class System:
    """A running system with the example data set, and an administrator's access token."""

    run: LocalRun
    token: str

    @property
    def proxy(self) -> str:
        """Base URL of the proxy."""
        address: str = self.run.system["base_url"]
        return address

    @contextlib.contextmanager
    def api(self, *, workers: int, pool: int, pool_timeout: float | None = None) -> Iterator[str]:
        """Run an additional API while the block runs.

        Args:
            workers: Number of processes.
            pool: Connections of each process.
            pool_timeout: Seconds that a request waits for a connection; None for the system's
                setting.

        Yields:
            Base URL of the API.
        """
        program = json.loads((self.run.run_dir / "programs" / "api.json").read_text())
        port = free_port()
        changes = {"API_WORKERS": str(workers), "API_PORT": str(port), "DB_POOL_SIZE": str(pool)}
        if pool_timeout is not None:
            changes["DB_POOL_TIMEOUT"] = str(pool_timeout)
        with (self.run.run_dir / "logs" / f"load-{workers}x{pool}.log").open("wb") as log:
            process = subprocess.Popen(
                program["command"],
                env={**os.environ, **program["environment"], **changes, "LOG_LEVEL": "warning"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not accepts(port):
                assert process.poll() is None, "the API exited"
                assert time.monotonic() < deadline, "the API did not start in time"
                time.sleep(0.1)
            yield f"http://{LOOPBACK}:{port}"
        finally:
            process.terminate()
            process.wait(60)

    def server_counters(self) -> dict[str, int]:
        """Return and reset the counters of rejected (error 1040) and concurrent connections."""
        database = self.run.system["database"]
        with (
            pymysql.connect(
                unix_socket=database["socket"],
                user=database["user"],
                password=database["password"],
                autocommit=True,
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "SHOW GLOBAL STATUS WHERE Variable_name IN"
                " ('Connection_errors_max_connections', 'Max_used_connections')"
            )
            counters = {name: int(value) for name, value in cursor.fetchall()}
            cursor.execute("FLUSH STATUS")
        return counters


@contextlib.contextmanager
def running() -> Iterator[System]:
    """Run a system with the example data set while the block runs, then delete it."""
    with tempfile.TemporaryDirectory(prefix="sysndd-load-") as folder:
        run = LocalRun(
            Path(folder),
            {"DB_POOL_SIZE": str(MAX_CONNECTIONS_POOL), "SYSNDD_RATE_FACTOR": "100000"},
        )
        print("starting a separate system …", file=sys.stderr)
        run.up()
        try:
            run.command("seed")
            system = run.system
            response = httpx.post(f"{system['base_url']}/api/auth/login", json=system["admin"])
            yield System(run, response.json()["access_token"])
        finally:
            run.command("reset", CONFIRM="yes")
