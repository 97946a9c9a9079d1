"""Backups beside the raw tools: how long each takes, how much it writes, what memory ours needs.

    mariadb-dump … | zstd -3 -T2 > file        what an administrator's script does at best
    mariadb-dump … | gzip -9 > file            what the usual backup container does

The raw pipelines count nothing, hash nothing and flush nothing to the disk; ours does all of it.
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
_PACKERS = {ZSTD: "zstd -3 -T2 -q -c", GZIP: "gzip -9 -c"}
_MB = 1e6


def compare(
    server: MariadbServer, schema: str, folder: Path, rounds: int, report: Callable[[str], None]
) -> dict[str, list[float]]:
    """Let ours and the zstd pipeline take turns, and gzip, the slow one, once a round.

    Returns:
        Seconds by contestant, one for each round; with ``processor: `` before the name those of
        the processor, of all processes and the server; ``memory`` in bytes, ``bytes`` of SQL.
    """
    found: dict[str, list[float]] = {OURS: [], ZSTD: [], GZIP: [], "memory": [], "bytes": []}
    for turn in range(rounds):
        for name in (ZSTD, OURS, GZIP):
            report(f"round {turn + 1}: {name} …")
            before = server_processor_seconds(server)
            if name == OURS:
                done = _ours(server, schema, folder)
                found["memory"].append(done["memory"])
                found["bytes"].append(done["bytes"])
            else:
                done = _raw(server, schema, folder, _PACKERS[name])
            found[name].append(done["seconds"])
            spent = done["processor"] + server_processor_seconds(server) - before
            found.setdefault(f"processor: {name}", []).append(spent)
    return found


def table(found: dict[str, list[float]]) -> list[str]:
    """Render what ``compare`` found, with ratios by pairs of the same round."""
    size = found["bytes"][0]
    lines = [
        f"{size / _MB:,.0f} MB of SQL",
        f"{'':<28}{'seconds':>24}{'MB/s':>8}{'ratio':>8}{'processor':>12}{'ratio':>8}",
    ]
    for name in (OURS, ZSTD, GZIP):
        seconds = found[name]
        ratio = _ratio(found[OURS], seconds)
        processor = found[f"processor: {name}"]
        spent = _ratio(found[f"processor: {OURS}"], processor)
        shown = " ".join(f"{one:.1f}" for one in seconds)
        speed = size / _MB / statistics.median(seconds)
        lines.append(
            f"{name:<28}{shown:>24}{speed:>8.0f}{ratio:>8.2f}"
            f"{statistics.median(processor):>12.1f}{spent:>8.2f}"
        )
    lines.append(
        f"ratio: ours / theirs, median of pairs (at most 1.05 and {1 / 8:.3f} are asked for)"
    )
    lines.append(
        f"memory of our process: {max(found['memory']) / _MB:.0f} MB (below 150 is asked for)"
    )
    return lines


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def server_processor_seconds(server: MariadbServer) -> float:
    """What the server has used since it was started; a busy machine does not change that."""
    pid = int((server.directory / "mariadbd.pid").read_text(encoding="ascii"))
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _processor_seconds(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def _raw(server: MariadbServer, schema: str, folder: Path, packer: str) -> dict[str, float]:
    options = folder / "client.cnf"
    options.touch(mode=0o600)
    options.write_text(
        f"[client]\nuser=root\npassword={server.root_password}\nsocket={server.socket}\n"
    )
    target, flags = folder / "raw.out", " ".join(flags_for(Server("MariaDB", "")))
    command = f"mariadb-dump --defaults-file={options} {flags} {schema} | {packer} > {target}"
    before, begun = _processor_seconds(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True)
    seconds = time.monotonic() - begun
    target.unlink()
    return {
        "seconds": seconds,
        "processor": _processor_seconds(resource.RUSAGE_CHILDREN) - before,
    }


def _ours(server: MariadbServer, schema: str, folder: Path) -> dict[str, float]:
    """Run the worker's code in a process of its own, so that its memory is its own."""
    given = {
        "socket": str(server.socket),
        "password": server.root_password,
        "schema": schema,
        "folder": str(folder),
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.backup.dumping"],
        input=json.dumps(given).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


async def _take(given: dict[str, str]) -> dict[str, float]:
    settings = DatabaseSettings.model_validate(
        {
            "socket": Path(given["socket"]),
            "user": "root",
            "name": given["schema"],
            "password": SecretStr(given["password"]),
            "statement_timeout": 600,
        }
    )
    store = BackupDirectory(Path(given["folder"]))

    async def progress(step: str, percent: int, message: str = "") -> None:
        """Nobody looks."""

    async with Database(settings) as database:
        server = await identify(database)
        tools = BackupTools(
            database, server, await find_clients(server), store, BackupCompression.ZSTD
        )
        before, begun = _processor_seconds(resource.RUSAGE_SELF), time.monotonic()
        request = BackupRequest(BackupKind.MANUAL, "00000000-bench", None)
        manifest = await create_backup(tools, request, progress)
        seconds = time.monotonic() - begun
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
    print(json.dumps(asyncio.run(_take(json.load(sys.stdin)))))
