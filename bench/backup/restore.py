"""``make bench WHAT=restore``: restores, compared with ``zstd -dc | mariadb`` and ``myloader``.

Uses one MariaDB server, a data set of ``--megabytes`` of SQL and one backup of it. The methods
alternate, so that other load on the machine affects all of them; ratios are of pairs within a
round. Our method does all that a restore does before it changes the live database: it checks the
whole file, loads it through the restricted account and verifies it. The others only load.
"""

import argparse
import asyncio
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from bench.backup import swap
from bench.backup.dump import server_processor_seconds
from bench.server import POOL_MB, running_server
from sysndd_backup.context import BackupRequest, BackupTools
from sysndd_backup.dump.create_backup import create_backup
from sysndd_backup.restore.check_file import check_backup
from sysndd_backup.restore.shadow import load_shadow
from sysndd_backup.server.clients import find_clients
from sysndd_backup.server.server import identify
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.db.database import Database
from sysndd_core.jobs.models import BackupKind
from sysndd_core.settings.backup import BackupCompression
from sysndd_core.settings.database import DatabaseSettings
from sysndd_local.mariadb import MariadbServer

SOURCE, TARGET, OPS = "bench", "bench_target", "bench_ops"


@dataclass
class Bench:
    """The server, the tools and the backup that all methods use."""

    server: MariadbServer
    folder: Path
    tools: BackupTools
    manifest: BackupManifest

    def mysql(self, *arguments: str) -> list[str]:
        """Return a command of the client with these arguments."""
        return [
            "mariadb",
            "--no-defaults",
            f"--socket={self.server.socket}",
            "--user=root",
            f"--password={self.server.root_password}",
            *arguments,
        ]

    def recreate_target(self) -> None:
        """Recreate the empty target schema; not timed."""
        sql = f"DROP DATABASE IF EXISTS {TARGET}; CREATE DATABASE {TARGET} CHARACTER SET utf8mb4"
        subprocess.run(self.mysql("-e", sql), check=True)


async def _report(step: str, percent: int, message: str = "") -> None:
    return


async def ours(bench: Bench) -> None:
    """Check the file, load it and verify it, as the backup worker does."""
    checked = await check_backup(bench.tools, bench.manifest)
    assert checked.plan is not None
    await load_shadow(bench.tools, checked, TARGET, _report)


async def plain_client(bench: Bench) -> None:
    """``zstd -dc FILE | mariadb``."""
    path = bench.tools.store.path(bench.manifest.name)
    with subprocess.Popen(["zstd", "-dcq", str(path)], stdout=subprocess.PIPE) as unpack:  # noqa: ASYNC220
        client = subprocess.run(bench.mysql(TARGET), stdin=unpack.stdout, check=False)  # noqa: ASYNC221
    assert (unpack.returncode, client.returncode) == (0, 0)


async def myloader(bench: Bench) -> None:
    """``myloader`` with two threads, from a dump of ``mydumper``."""
    subprocess.run(  # noqa: ASYNC221
        ["myloader", *_parallel(bench), f"--database={TARGET}", "--overwrite-tables"], check=True
    )


def _parallel(bench: Bench) -> list[str]:
    return [
        f"--socket={bench.server.socket}",
        "--user=root",
        "--threads=2",
        f"--password={bench.server.root_password}",
        f"--directory={bench.folder / 'mydumper'}",
    ]


async def run(options: argparse.Namespace, server: MariadbServer, folder: Path) -> None:
    """Create the backup, run the methods alternately and print a table.

    Args:
        options: Options of the command line.
        server: The database server.
        folder: Directory of the backups.
    """
    settings = DatabaseSettings.model_validate(
        {
            "DB_SOCKET": server.socket,
            "DB_USER": "root",
            "DB_NAME": SOURCE,
            "OPS_DB_NAME": OPS,
            "DB_PASSWORD": SecretStr(server.root_password),
            "DB_STATEMENT_TIMEOUT": 3600,
        }
    )
    store = BackupDirectory(folder / "backups")
    store.directory.mkdir()
    async with Database(settings) as database:
        known = await identify(database)
        tools = BackupTools(
            database, known, await find_clients(known), store, BackupCompression.ZSTD
        )
        request = BackupRequest(BackupKind.MANUAL, secrets.token_hex(8), None)
        bench = Bench(server, folder, tools, await create_backup(tools, request, _report))
        await _compare(bench, options.rounds)


async def _compare(bench: Bench, rounds: int) -> None:
    methods: dict[str, Callable[[Bench], Awaitable[None]]] = {
        "ours": ours,
        "zstd -dc | mariadb": plain_client,
    }
    if shutil.which("myloader"):
        subprocess.run(["mydumper", *_dump(bench)], check=True)  # noqa: ASYNC221
        methods["myloader, 2 threads"] = myloader
    print(
        f"{bench.manifest.uncompressed_bytes / 1e6:.0f} MB of SQL,"
        f" {bench.manifest.size_bytes / 1e6:.0f} MB compressed, {bench.manifest.row_count:,} rows"
    )
    times: dict[str, list[float]] = {name: [] for name in methods}
    processor: dict[str, list[float]] = {name: [] for name in methods}
    for number in range(rounds):
        for name, method in methods.items():
            bench.recreate_target()
            started, used_before = time.monotonic(), server_processor_seconds(bench.server)
            await method(bench)
            times[name].append(time.monotonic() - started)
            processor[name].append(server_processor_seconds(bench.server) - used_before)
            print(
                f"round {number + 1}: {name}: {times[name][-1]:.1f} s,"
                f" processor time of the server {processor[name][-1]:.1f} s",
                flush=True,
            )
    _print("elapsed time", times)
    # Other load on the machine distorts this least.
    _print("server processor time", processor)
    print(f"peak memory of this process: {_peak_mb():.0f} MB")


def _dump(bench: Bench) -> list[str]:
    arguments = [one.replace("--directory", "--outputdir") for one in _parallel(bench)]
    return [*arguments, f"--database={SOURCE}"]


def _print(title: str, times: dict[str, list[float]]) -> None:
    print(f"\n{title:<22} {'median':>8}  ratio to ours (pairs)")
    for name, seconds in times.items():
        ratios = [other / own for other, own in zip(seconds, times["ours"], strict=True)]
        all_ratios = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{name:<22} {statistics.median(seconds):>6.1f} s  {all_ratios}")


def _peak_mb() -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> int:
    """Parse the options and run the benchmark; return 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.backup.restore", description=__doc__)
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sysndd-bench-") as name:
        folder = Path(name)
        swap.measure(rounds=3)
        with (
            running_server(folder / "server", buffer_pool_mb=POOL_MB) as server,
            suppress(KeyboardInterrupt),
        ):
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "bench.backup.dataset",
                    "--socket",
                    str(server.socket),
                    "--password",
                    server.root_password,
                    "--schema",
                    SOURCE,
                    "--megabytes",
                    str(options.megabytes),
                ],
                check=True,
            )
            asyncio.run(run(options, server, folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
