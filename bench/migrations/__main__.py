"""``make bench-migrations``: applying many small migrations, and having nothing to apply.

One MariaDB server with the settings of a production server (each commit flushed), started for this
and thrown away. The tools take turns, A B C A B C, so that a slow minute of the machine hits all of
them. Times are of the whole process, from start to exit: on the wall, and of its own processor.
"""

import argparse
import resource
import secrets
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


@dataclass
class Times:
    """Seconds, one for each round."""

    apply: list[float] = field(default_factory=list)
    nothing: list[float] = field(default_factory=list)
    nothing_cpu: list[float] = field(default_factory=list)


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="sysndd-bench-") as folder:
        root = Path(folder)
        with running_server(root / "server") as server:
            contestants = [
                kind(server, root / kind.__name__.lower(), options.files, options.peers)
                for kind in CONTESTANTS
                if not options.only or kind.__name__.lower() in options.only
            ]
            times = {contestant.name: Times() for contestant in contestants}
            for turn in range(options.rounds):
                for contestant in contestants:
                    print(f"round {turn + 1}: {contestant.name} …", file=sys.stderr)
                    _measure(server, contestant, times[contestant.name])
    _print_table(times, options.files, options.rounds)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.migrations", description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="names such as: client sysndd dbmate")
    parser.add_argument(
        "--peers", type=Path, required=True, help="bin folder of the peers' virtual environment"
    )
    options = parser.parse_args()
    options.peers = options.peers.absolute()  # the tools run in folders of their own
    return options


def _measure(server: mariadb.MariadbServer, contestant: Contestant, times: Times) -> None:
    schema = f"bench_{secrets.token_hex(4)}"
    _execute(server, f"CREATE DATABASE `{schema}` CHARACTER SET utf8mb4")
    try:
        start = contestant.start(schema)
        times.apply.append(_run(start)[0])
        _check(server, schema, contestant)
        if start.stdin is None:  # the plain client does not know what it did
            wall, processor = _run(start)
            times.nothing.append(wall)
            times.nothing_cpu.append(processor)
    finally:
        _execute(server, f"DROP DATABASE `{schema}`")
        _execute(server, f"DROP DATABASE IF EXISTS `{schema}_ops`")


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
        ratio = f"{median / statistics.median(plain.apply):.2f}" if plain else ""
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
