"""``make bench WHAT=migrations``: applies many small migrations, then runs with none pending.

Uses a MariaDB server with the settings of a production server (each commit is flushed). Each run
gets a new server, because purging and flushing the tables of an earlier run would slow it down.
The tools alternate, in reverse order every other round, so that other load on the machine affects
all of them. Times are elapsed and processor time of the whole process, from start to exit.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.migrations.tools import TOOLS, Start, Tool
from bench.server import running_server
from sysndd_local import mariadb

_SETTLE_SECONDS = 1.0
"""After its start, the server still writes its own files for a while."""


@dataclass
class Times:
    """Seconds of each round.

    Attributes:
        apply: Applying all files.
        none_pending: A run with no pending file.
        none_pending_cpu: Processor time of that run.
    """

    apply: list[float] = field(default_factory=list)
    none_pending: list[float] = field(default_factory=list)
    none_pending_cpu: list[float] = field(default_factory=list)


def main() -> int:
    options = _options()
    kinds = [kind for kind in TOOLS if not options.only or kind.__name__.lower() in options.only]
    times = {kind.name: Times() for kind in kinds}
    for number in range(options.rounds):
        for kind in kinds if number % 2 == 0 else reversed(kinds):
            print(f"round {number + 1}: {kind.name} …", file=sys.stderr)
            with (
                tempfile.TemporaryDirectory(prefix="sysndd-bench-") as folder,
                running_server(Path(folder) / "server") as server,
            ):
                tool = kind(server, Path(folder) / "tool", options.files, options.peers)
                time.sleep(_SETTLE_SECONDS)
                _measure(server, tool, times[kind.name])
    _print_table(times, options.files, options.rounds)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.migrations", description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="names such as: client sysndd dbmate")
    parser.add_argument(
        "--peers", type=Path, required=True, help="bin folder of the other tools' environment"
    )
    options = parser.parse_args()
    options.peers = options.peers.absolute()  # each tool runs in another folder
    return options


def _measure(server: mariadb.MariadbServer, tool: Tool, times: Times) -> None:
    schema = "bench"
    _execute(server, f"CREATE DATABASE `{schema}` CHARACTER SET utf8mb4")
    start = tool.start(schema)
    times.apply.append(_run(start)[0])
    _check(server, schema, tool)
    if start.stdin is None:  # the client has no ledger
        elapsed, processor = _run(start)
        times.none_pending.append(elapsed)
        times.none_pending_cpu.append(processor)


def _run(start: Start) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    with Path(start.stdin or "/dev/null").open("rb") as stdin:
        done = subprocess.run(
            start.command,
            env=dict(start.environ),
            cwd=start.directory,
            stdin=stdin,
            capture_output=True,
            check=False,
        )
    elapsed = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{start.command[0]} failed:\n{done.stdout.decode()}{done.stderr.decode()}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return elapsed, used


def _check(server: mariadb.MariadbServer, schema: str, tool: Tool) -> None:
    """Check that each migration was applied."""
    (found,) = _execute(
        server,
        "SELECT COUNT(*) FROM information_schema.columns WHERE column_name = 'note'"
        f" AND table_schema = '{schema}'",
    )
    assert found == (tool.files,), (tool.name, found)


def _execute(server: mariadb.MariadbServer, sql: str) -> tuple[tuple[object, ...], ...]:
    with mariadb.connect_as_root(server) as root, root.cursor() as cursor:
        cursor.execute(sql)
        return tuple(cursor.fetchall())


def _print_table(times: dict[str, Times], files: int, rounds: int) -> None:
    plain = times.get("mariadb client")
    print(f"{files} files × 3 statements, median of {rounds} rounds, {mariadb_version()}")
    print(f"{'':18} {'all pending':>12} {'× client':>9} {'none':>9} {'CPU':>9}")
    for name, seconds in times.items():
        median = statistics.median(seconds.apply)
        pairs = zip(seconds.apply, plain.apply, strict=True) if plain else []
        ratios = [own / client for own, client in pairs]
        ratio = f"{statistics.median(ratios):.2f}" if ratios else ""
        none, none_cpu = _median_ms(seconds.none_pending), _median_ms(seconds.none_pending_cpu)
        print(f"{name:18} {median:10.2f} s {ratio:>9} {none:>9} {none_cpu:>9}")
    bare = statistics.median(_bare_interpreter() for _ in range(7))
    print(f"{'Python alone':18} {'':>12} {'':>9} {'':>9} {bare * 1000:>6.0f} ms")


def mariadb_version() -> str:
    command = [mariadb.program("mariadbd"), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[2]


def _bare_interpreter() -> float:
    start = Start([sys.executable, "-c", "pass"], {}, Path.cwd())
    return _run(start)[1]


def _median_ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.0f} ms" if seconds else "–"


if __name__ == "__main__":
    sys.exit(main())
