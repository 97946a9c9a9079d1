"""``make bench WHAT=restore``: restores beside ``zstd -dc | mariadb`` and ``myloader`` with two threads.

One MariaDB server, a data set of ``--megabytes`` of SQL, one backup of it by our own worker's code.
The ways take turns, A B C A B C, so that a slow minute of the machine hits all of them; ratios are
of pairs within a round. Ours is everything that a restore does before live is touched: reading the
file to its end, loading it through the confined account, and verifying it. The others only load.
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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from bench.backup import swapping
from bench.backup.dumping import server_processor_seconds
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
    """What the ways share."""

    server: MariadbServer
    folder: Path
    tools: BackupTools
    manifest: BackupManifest

    def mysql(self, *arguments: str) -> list[str]:
        """Compose a command of the client."""
        return [
            "mariadb",
            "--no-defaults",
            f"--socket={self.server.socket}",
            "--user=root",
            f"--password={self.server.root_password}",
            *arguments,
        ]

    def fresh(self) -> None:
        """Make the target empty; not timed."""
        sql = f"DROP DATABASE IF EXISTS {TARGET}; CREATE DATABASE {TARGET} CHARACTER SET utf8mb4"
        subprocess.run(self.mysql("-e", sql), check=True)


async def _report(step: str, percent: int, message: str = "") -> None:
    return


async def ours(bench: Bench) -> None:
    """Read to the end, load, verify."""
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
    """``myloader`` with two threads, from a dump that ``mydumper`` made."""
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
    """Take the backup, let the ways take turns, and print a table."""
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
        ways: dict[str, Callable[[Bench], object]] = {
            "ours": ours,
            "zstd -dc | mariadb": plain_client,
        }
        if shutil.which("myloader"):
            subprocess.run(["mydumper", *_dump(bench)], check=True)  # noqa: ASYNC221
            ways["myloader, 2 threads"] = myloader
        print(
            f"{bench.manifest.uncompressed_bytes / 1e6:.0f} MB of SQL,"
            f" {bench.manifest.size_bytes / 1e6:.0f} MB packed, {bench.manifest.row_count:,} rows"
        )
        times: dict[str, list[float]] = {name: [] for name in ways}
        work: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(options.rounds):
            for name, way in ways.items():
                bench.fresh()
                begun, worked = time.monotonic(), server_processor_seconds(server)
                await way(bench)  # type: ignore[misc]
                times[name].append(time.monotonic() - begun)
                work[name].append(server_processor_seconds(server) - worked)
                print(
                    f"round {number + 1}: {name}: {times[name][-1]:.1f} s, of the server's"
                    f" processor {work[name][-1]:.1f} s",
                    flush=True,
                )
        _print("on the wall", times)
        # What a machine with other work on it distorts least.
        _print("server's processor", work)
        print(f"peak memory of this process: {_peak_mb():.0f} MB")


def _dump(bench: Bench) -> list[str]:
    arguments = [one.replace("--directory", "--outputdir") for one in _parallel(bench)]
    return [*arguments, f"--database={SOURCE}"]


def _print(what: str, times: dict[str, list[float]]) -> None:
    print(f"\n{what:<22} {'median':>8}  ours is faster by (pairs)")
    for name, seconds in times.items():
        ratios = [other / own for other, own in zip(seconds, times["ours"], strict=True)]
        shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{name:<22} {statistics.median(seconds):>6.1f} s  {shown}")


def _peak_mb() -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.backup.restoring", description=__doc__)
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sysndd-bench-") as name:
        folder = Path(name)
        swapping.measure(rounds=3)
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
