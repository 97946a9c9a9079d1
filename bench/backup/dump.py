"""Compares the duration, processor time and memory of a backup with two shell pipelines.

    mariadb-dump … | zstd -3 -T2 > file        the fastest script of an administrator
    mariadb-dump … | gzip -9 > file            a common backup container

The pipelines do not count rows, do not hash the dump and do not flush the file to the disk. The
backup worker does all three.
"""

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from sysndd_backup.context import BackupRequest, BackupTools
from sysndd_backup.dump.create_backup import create_backup
from sysndd_backup.dump.dump import flags_for
from sysndd_backup.server.clients import find_clients
from sysndd_backup.server.server import Server, identify
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.db.database import Database
from sysndd_core.jobs.models import BackupKind
from sysndd_core.settings.backup import BackupCompression
from sysndd_core.settings.database import DatabaseSettings
from sysndd_local.mariadb import MariadbServer

OURS, ZSTD, GZIP = "sysndd backup", "mariadb-dump | zstd -3 -T2", "mariadb-dump | gzip -9"
_COMPRESSORS = {ZSTD: "zstd -3 -T2 -q -c", GZIP: "gzip -9 -c"}
_MB = 1e6


def compare(
    server: MariadbServer, schema: str, folder: Path, rounds: int, report: Callable[[str], None]
) -> dict[str, list[float]]:
    """Run the three tools alternately.

    Args:
        server: The database server.
        schema: Schema to back up.
        folder: Directory of the dumps.
        rounds: Number of runs of each tool.
        report: Called with a line of progress.

    Returns:
        Seconds of each round by tool; with the prefix ``processor: `` the processor seconds of all
        its processes and the server; ``memory`` in bytes; ``bytes`` of SQL.
    """
    results: dict[str, list[float]] = {OURS: [], ZSTD: [], GZIP: [], "memory": [], "bytes": []}
    for number in range(rounds):
        for name in (ZSTD, OURS, GZIP):
            report(f"round {number + 1}: {name} …")
            before = server_processor_seconds(server)
            if name == OURS:
                done = _create_backup_in_process(server, schema, folder)
                results["memory"].append(done["memory"])
                results["bytes"].append(done["bytes"])
            else:
                done = _run_pipeline(server, schema, folder, _COMPRESSORS[name])
            results[name].append(done["seconds"])
            spent = done["processor"] + server_processor_seconds(server) - before
            results.setdefault(f"processor: {name}", []).append(spent)
    return results


def table(results: dict[str, list[float]]) -> list[str]:
    """Return the lines of a table; ratios are medians of pairs of the same round.

    Args:
        results: The result of ``compare``.
    """
    size = results["bytes"][0]
    lines = [
        f"{size / _MB:,.0f} MB of SQL",
        f"{'':<28}{'seconds':>24}{'MB/s':>8}{'ratio':>8}{'processor':>12}{'ratio':>8}",
    ]
    for name in (OURS, ZSTD, GZIP):
        seconds = results[name]
        ratio = _ratio(results[OURS], seconds)
        processor = results[f"processor: {name}"]
        processor_ratio = _ratio(results[f"processor: {OURS}"], processor)
        all_seconds = " ".join(f"{one:.1f}" for one in seconds)
        speed = size / _MB / statistics.median(seconds)
        lines.append(
            f"{name:<28}{all_seconds:>24}{speed:>8.0f}{ratio:>8.2f}"
            f"{statistics.median(processor):>12.1f}{processor_ratio:>8.2f}"
        )
    lines.append(
        f"ratio: backup worker / pipeline, median of pairs (targets: 1.05 and {1 / 8:.3f})"
    )
    lines.append(
        f"memory of the backup process: {max(results['memory']) / _MB:.0f} MB (target: below 150)"
    )
    return lines


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def server_processor_seconds(server: MariadbServer) -> float:
    """Return the processor seconds of the server since its start; other load barely changes it."""
    pid = int((server.directory / "mariadbd.pid").read_text(encoding="ascii"))
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _processor_seconds(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def _run_pipeline(
    server: MariadbServer, schema: str, folder: Path, compressor: str
) -> dict[str, float]:
    options = folder / "client.cnf"
    options.touch(mode=0o600)
    options.write_text(
        f"[client]\nuser=root\npassword={server.root_password}\nsocket={server.socket}\n"
    )
    target, flags = folder / "raw.out", " ".join(flags_for(Server("MariaDB", "")))
    command = f"mariadb-dump --defaults-file={options} {flags} {schema} | {compressor} > {target}"
    before, started = _processor_seconds(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True)
    seconds = time.monotonic() - started
    target.unlink()
    return {
        "seconds": seconds,
        "processor": _processor_seconds(resource.RUSAGE_CHILDREN) - before,
    }


def _create_backup_in_process(server: MariadbServer, schema: str, folder: Path) -> dict[str, float]:
    """Run the code of the backup worker in a separate process, to measure its memory."""
    parameters = {
        "socket": str(server.socket),
        "password": server.root_password,
        "schema": schema,
        "folder": str(folder),
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.backup.dump"],
        input=json.dumps(parameters).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


async def _create_backup(parameters: dict[str, str]) -> dict[str, float]:
    settings = DatabaseSettings.model_validate(
        {
            "socket": Path(parameters["socket"]),
            "user": "root",
            "name": parameters["schema"],
            "password": SecretStr(parameters["password"]),
            "statement_timeout": 600,
        }
    )
    store = BackupDirectory(Path(parameters["folder"]))

    async def progress(step: str, percent: int, message: str = "") -> None:
        """Ignore the progress."""

    async with Database(settings) as database:
        server = await identify(database)
        tools = BackupTools(
            database, server, await find_clients(server), store, BackupCompression.ZSTD
        )
        before, started = _processor_seconds(resource.RUSAGE_SELF), time.monotonic()
        request = BackupRequest(BackupKind.MANUAL, "00000000-bench", None)
        manifest = await create_backup(tools, request, progress)
        seconds = time.monotonic() - started
        processor = _processor_seconds(resource.RUSAGE_SELF) - before
    store.remove(manifest.name)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": seconds,
        # The dump client is the only other process.
        "processor": processor + _processor_seconds(resource.RUSAGE_CHILDREN),
        "memory": kilobytes * 1024,
        "bytes": manifest.uncompressed_bytes,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_create_backup(json.load(sys.stdin)))))
