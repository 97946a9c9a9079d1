"""``make load`` sends a realistic mix of requests and prints a report.

``make load-pool`` compares pool sizes. It runs an additional API of each size on the same database.
When overloaded, an API must respond 503 with Retry-After, and must neither hang nor use up the
connections of the database.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.load.measure import Load, Outcome, measure
from tests.load.system import System, running

OTHER_POOLS = 10  # backup worker and mailer, five each
MIGRATOR, RESERVE = 4, 10
# Share of the best throughput that a smaller pool must reach; the rest is noise.
SUFFICIENT_SHARE = 0.97


@dataclass(frozen=True)
class Point:
    """The result of one pool size.

    Attributes:
        workers: Processes of the API.
        pool: Connections of each process.
        outcome: The measurement.
        peak_connections: Maximum number of connections of the database server.
        rejected: Connections that the server rejected with error 1040.
    """

    workers: int
    pool: int
    outcome: Outcome
    peak_connections: int
    rejected: int


# With the default of two seconds, a fast machine serves 200 users over one connection.
OVERLOAD_POOL_TIMEOUT = 0.05


def main() -> int:
    """Run the load test; return 0 if no request failed and no connection was rejected."""
    options = _options()
    with running() as system:
        if options.pool:
            return _sweep(system, options)
        load = Load(options.users, options.seconds, tuple(options.think))
        outcome = measure(system.proxy, load, locust=options.locust, token=system.token)
        counters = system.server_counters()
        print(_report(outcome, options.users, counters["Connection_errors_max_connections"]))
        return 1 if outcome.failed or counters["Connection_errors_max_connections"] else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--locust", type=Path, required=True, help="path of the program")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument(
        "--think",
        type=float,
        nargs=2,
        default=(0.5, 1.5),
        metavar=("MIN", "MAX"),
        help="seconds between two requests of a user (default 0.5 1.5)",
    )
    parser.add_argument("--pool", action="store_true", help="compare pool sizes")
    parser.add_argument("--pools", type=int, nargs="*", default=[1, 2, 5, 10])
    parser.add_argument("--workers", type=int, nargs="*", default=[2, 4])
    return parser.parse_args()


def _report(outcome: Outcome, users: int, rejected: int) -> str:
    lines = [
        f"\n{users} users for {outcome.seconds} s through the proxy",
        f"  served {outcome.served} ({outcome.per_second:.0f}/s), shed {outcome.shed},"
        f" failed {outcome.failed}; error 1040: {rejected}",
        f"  p50 {outcome.percentile(50):.0f} ms, p95 {outcome.percentile(95):.0f} ms,"
        f" p99 {outcome.percentile(99):.0f} ms\n",
        f"  {'request':<24} {'count':>7} {'p50 ms':>8} {'p95 ms':>8}",
    ]
    for name, times in sorted(outcome.times.items()):
        one = Outcome(outcome.seconds, {name: times}, outcome.outcomes)
        lines.append(
            f"  {name:<24} {len(times):>7} {one.percentile(50):>8.0f} {one.percentile(95):>8.0f}"
        )
    lines.append(f"\n  outcomes: {dict(outcome.outcomes)}")
    lines.append(f"\n  {'worker':<10} {'pool':>5} {'max in use':>12} {'max waiting':>13}")
    for pid, pool in sorted(outcome.pools.items()):
        lines.append(f"  {pid:<10} {pool.size:>5} {pool.in_use:>12} {pool.waiting:>13}")
    return "\n".join(lines)


def _sweep(system: System, options: argparse.Namespace) -> int:
    load = Load(options.users, options.seconds, tuple(options.think))
    points = []
    for workers in options.workers:
        for pool in options.pools:
            print(f"{workers} workers, {pool} connections each …", file=sys.stderr)
            points.append(_point(system, workers, pool, load, options.locust))
    print(_table(points, options.users))
    workers = max(options.workers)
    chosen = recommended(point for point in points if point.workers == workers)
    print(_recommendation(chosen))
    print("overload: 1 worker, 1 connection, no pauses between requests …", file=sys.stderr)
    no_pauses = Load(options.users, options.seconds, (0, 0))
    overload = _point(system, 1, 1, no_pauses, options.locust, pool_timeout=OVERLOAD_POOL_TIMEOUT)
    print(_overload_report(overload))
    as_expected = chosen.outcome.shed == 0 and overload.outcome.shed > 0
    failed = any(point.rejected or point.outcome.failed for point in [*points, overload])
    return 0 if as_expected and not failed else 1


def _point(
    system: System,
    workers: int,
    pool: int,
    load: Load,
    locust: Path,
    *,
    pool_timeout: float | None = None,
) -> Point:
    system.server_counters()  # resets the counters
    with system.api(workers=workers, pool=pool, pool_timeout=pool_timeout) as address:
        outcome = measure(address, load, locust=locust, token=system.token)
        counters = system.server_counters()
    return Point(
        workers,
        pool,
        outcome,
        counters["Max_used_connections"],
        counters["Connection_errors_max_connections"],
    )


def recommended(points: Iterable[Point]) -> Point:
    """Return the smallest pool whose throughput is close to the best one.

    Prefers pools that shed no request. If all of them did, the machine is overloaded.

    Args:
        points: Results with the same number of workers.
    """
    ordered = sorted(points, key=lambda point: point.pool)
    ordered = [point for point in ordered if point.outcome.shed == 0] or ordered
    best = max(point.outcome.per_second for point in ordered)
    return next(point for point in ordered if point.outcome.per_second >= SUFFICIENT_SHARE * best)


def _table(points: list[Point], users: int) -> str:
    lines = [
        f"\n{users} users",
        "| workers | pool | served/s | p50 ms | p95 ms | p99 ms | 503 | failed | max in use,"
        " each worker | max waiting | connections | 1040 |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for point in points:
        outcome = point.outcome
        pools = outcome.pools.values()
        lines.append(
            f"| {point.workers} | {point.pool} | {outcome.per_second:.0f} |"
            f" {outcome.percentile(50):.0f} | {outcome.percentile(95):.0f} |"
            f" {outcome.percentile(99):.0f} | {outcome.shed} | {outcome.failed} |"
            f" {' '.join(str(pool.in_use) for pool in pools)} |"
            f" {max((pool.waiting for pool in pools), default=0)} |"
            f" {point.peak_connections} | {point.rejected} |"
        )
    return "\n".join(lines)


def _recommendation(point: Point) -> str:
    needed = (point.workers + 1) * point.pool + OTHER_POOLS + MIGRATOR + RESERVE
    shed = (
        ""
        if point.outcome.shed == 0
        else (
            f"\nEvery pool size shed requests at this load ({point.outcome.shed} here), so the"
            " machine is overloaded. Use fewer users or a machine with less other load."
        )
    )
    return (
        f"{shed}\nRecommended: API_WORKERS={point.workers} DB_POOL_SIZE={point.pool}\n"
        f"Budget: 1 × ({point.workers} + 1) × {point.pool} + {OTHER_POOLS} (backup worker, mailer)"
        f" + {MIGRATOR} (migrator) + {RESERVE} (reserve) = {needed} ≤ max_connections"
    )


def _overload_report(point: Point) -> str:
    outcome = point.outcome
    return (
        f"\nOverload (1 worker, 1 connection, pool timeout {OVERLOAD_POOL_TIMEOUT:g} s, no pauses):"
        f" served {outcome.per_second:.0f}/s, 503 with Retry-After {outcome.shed},"
        f" failed {outcome.failed}, error 1040 {point.rejected};"
        f" outcomes {dict(outcome.outcomes)}"
    )


if __name__ == "__main__":
    sys.exit(main())
