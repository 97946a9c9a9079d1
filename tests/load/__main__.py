"""``make load``: a realistic mix, and a report. ``make load-pool``: which pool size, and what it costs.

The sweep runs APIs of each size beside the system's own, on the same database. Past the knee an API
must answer 503 with Retry-After, never hang and never run the database out of connections.
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
# The smallest pool that serves as much as the best one, but for noise.
GOOD_ENOUGH = 0.97


@dataclass(frozen=True)
class Point:
    """One size of the sweep and what happened there."""

    workers: int
    pool: int
    outcome: Outcome
    peak_connections: int
    refused: int


# A quick machine serves 200 impatient users over one connection within the default of two seconds.
KNEE_SECONDS = 0.05


def main() -> int:
    """Run one of the two; return 0 when nothing happened that must not."""
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
    parser.add_argument("--locust", type=Path, required=True, help="the program")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument(
        "--think",
        type=float,
        nargs=2,
        default=(0.5, 1.5),
        metavar=("LEAST", "MOST"),
        help="seconds between two requests of one user (0.5 1.5)",
    )
    parser.add_argument("--pool", action="store_true", help="sweep pool sizes and workers")
    parser.add_argument("--pools", type=int, nargs="*", default=[1, 2, 5, 10])
    parser.add_argument("--workers", type=int, nargs="*", default=[2, 4])
    return parser.parse_args()


def _report(outcome: Outcome, users: int, refused: int) -> str:
    lines = [
        f"\n{users} users for {outcome.seconds} s through the proxy",
        f"  served {outcome.served} ({outcome.per_second:.0f}/s), shed {outcome.shed},"
        f" failed {outcome.failed}; error 1040: {refused}",
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
    lines.append(f"\n  {'worker':<10} {'pool':>5} {'most in use':>12} {'most waiting':>13}")
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
    most = max(options.workers)
    chosen = recommended(point for point in points if point.workers == most)
    print(_recommendation(chosen))
    print("past the knee: 1 worker, 1 connection, users that do not think …", file=sys.stderr)
    rush = Load(options.users, options.seconds, (0, 0))
    over = _point(system, 1, 1, rush, options.locust, pool_timeout=KNEE_SECONDS)
    print(_past_the_knee(over))
    sound = chosen.outcome.shed == 0 and over.outcome.shed > 0
    return 0 if sound and not any(p.refused or p.outcome.failed for p in [*points, over]) else 1


def _point(
    system: System,
    workers: int,
    pool: int,
    load: Load,
    locust: Path,
    *,
    pool_timeout: float | None = None,
) -> Point:
    system.server_counters()  # forgets what was before
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
    """Return the smallest pool that serves as much as the best, but for noise.

    Those that shed nothing come first; where each of them shed, the machine is past its knee.
    """
    ordered = sorted(points, key=lambda point: point.pool)
    ordered = [point for point in ordered if point.outcome.shed == 0] or ordered
    best = max(point.outcome.per_second for point in ordered)
    return next(point for point in ordered if point.outcome.per_second >= GOOD_ENOUGH * best)


def _table(points: list[Point], users: int) -> str:
    lines = [
        f"\n{users} users",
        "| workers | pool | served/s | p50 ms | p95 ms | p99 ms | 503 | failed | most in use,"
        " each worker | most waiting | connections | 1040 |",
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
            f" {point.peak_connections} | {point.refused} |"
        )
    return "\n".join(lines)


def _recommendation(point: Point) -> str:
    needed = (point.workers + 1) * point.pool + OTHER_POOLS + MIGRATOR + RESERVE
    shed = (
        ""
        if point.outcome.shed == 0
        else (
            f"\nEvery size shed at this load ({point.outcome.shed} here): the machine is past its knee;"
            " fewer users, or a quieter machine."
        )
    )
    return (
        f"{shed}\nRecommended: API_WORKERS={point.workers} DB_POOL_SIZE={point.pool}\n"
        f"Budget: 1 × ({point.workers} + 1) × {point.pool} + {OTHER_POOLS} (backup worker, mailer)"
        f" + {MIGRATOR} (migrator) + {RESERVE} (reserve) = {needed} ≤ max_connections"
    )


def _past_the_knee(point: Point) -> str:
    outcome = point.outcome
    return (
        f"\nPast the knee (1 worker, 1 connection for which a request waits {KNEE_SECONDS:g} s, no thinking): served {outcome.per_second:.0f}/s,"
        f" 503 with Retry-After {outcome.shed}, failed {outcome.failed}, error 1040 {point.refused};"
        f" outcomes {dict(outcome.outcomes)}"
    )


if __name__ == "__main__":
    sys.exit(main())
