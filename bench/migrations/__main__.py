"""``make bench WHAT=migrations``: applying many small migrations, and having nothing to apply.

A MariaDB server with the settings of a production server (each commit flushed), a new one for each
run: what the tables of the run before leave to be purged and flushed would be counted to the next.
The tools take turns, A B C A B C, the next round the other way round, so that a slow minute of the
machine hits all of them. Times are of the whole process, from start to exit: on the wall, and of
its own processor.
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

from bench.migrations.contestants import CONTESTANTS, Contestant, Start
from bench.server import running_server
from sysndd_local import mariadb

_SETTLES_SECONDS = 1.0
"""A server that was started a moment ago still has its own files to write."""


@dataclass
class Times:
    """Seconds, one for each round."""

    apply: list[float] = field(default_factory=list)
    nothing: list[float] = field(default_factory=list)
    nothing_cpu: list[float] = field(default_factory=list)


def main() -> int:
    options = _options()
    kinds = [
        kind for kind in CONTESTANTS if not options.only or kind.__name__.lower() in options.only
    ]
    times = {kind.name: Times() for kind in kinds}
    for turn in range(options.rounds):
        for kind in kinds if turn % 2 == 0 else reversed(kinds):
            print(f"round {turn + 1}: {kind.name} …", file=sys.stderr)
            with (
                tempfile.TemporaryDirectory(prefix="sysndd-bench-") as folder,
                running_server(Path(folder) / "server") as server,
            ):
                contestant = kind(server, Path(folder) / "tool", options.files, options.peers)
                time.sleep(_SETTLES_SECONDS)
                _measure(server, contestant, times[kind.name])
    _print_table(times, options.files, options.rounds)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.migrations", description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="names such as: client sysndd dbmate")
    parser.add_argument(
        "--peers", type=Path, required=True, help="bin folder of the peers' virtual environment"
    )
    options = parser.parse_args()
    options.peers = options.peers.absolute()  # the tools run in folders of their own
    return options


def _measure(server: mariadb.MariadbServer, contestant: Contestant, times: Times) -> None:
    schema = "bench"
    _execute(server, f"CREATE DATABASE `{schema}` CHARACTER SET utf8mb4")
    start = contestant.start(schema)
    times.apply.append(_run(start)[0])
    _check(server, schema, contestant)
    if start.stdin is None:  # the plain client does not know what it did
        wall, processor = _run(start)
        times.nothing.append(wall)
        times.nothing_cpu.append(processor)


def _run(start: Start) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    with Path(start.stdin or "/dev/null").open("rb") as stdin:
        done = subprocess.run(
            start.command,
            env=dict(start.environ),
            cwd=start.directory,
            stdin=stdin,
            capture_output=True,
            check=False,
        )
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{start.command[0]} failed:\n{done.stdout.decode()}{done.stderr.decode()}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used


def _check(server: mariadb.MariadbServer, schema: str, contestant: Contestant) -> None:
    """Make sure that it really did the work."""
    (found,) = _execute(
        server,
        "SELECT COUNT(*) FROM information_schema.columns WHERE column_name = 'note'"
        f" AND table_schema = '{schema}'",
    )
    assert found == (contestant.files,), (contestant.name, found)


def _execute(server: mariadb.MariadbServer, sql: str) -> tuple[tuple[object, ...], ...]:
    with mariadb.connect_as_root(server) as root, root.cursor() as cursor:
        cursor.execute(sql)
        return tuple(cursor.fetchall())


def _print_table(times: dict[str, Times], files: int, rounds: int) -> None:
    plain = times.get("mariadb client")
    print(f"{files} files × 3 statements, median of {rounds} rounds, {mariadb_version()}")
    print(f"{'':18} {'all pending':>12} {'× client':>9} {'nothing':>9} {'its CPU':>9}")
    for name, seconds in times.items():
        median = statistics.median(seconds.apply)
        pairs = zip(seconds.apply, plain.apply, strict=True) if plain else []
        ratios = [own / client for own, client in pairs]
        ratio = f"{statistics.median(ratios):.2f}" if ratios else ""
        wall = _shown(seconds.nothing)
        print(f"{name:18} {median:10.2f} s {ratio:>9} {wall:>9} {_shown(seconds.nothing_cpu):>9}")
    bare = statistics.median(_bare_interpreter() for _ in range(7))
    print(f"{'bare interpreter':18} {'':>12} {'':>9} {'':>9} {bare * 1000:>6.0f} ms")


def mariadb_version() -> str:
    command = [mariadb.program("mariadbd"), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[2]


def _bare_interpreter() -> float:
    start = Start([sys.executable, "-c", "pass"], {}, Path.cwd())
    return _run(start)[1]


def _shown(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.0f} ms" if seconds else "–"


if __name__ == "__main__":
    sys.exit(main())
