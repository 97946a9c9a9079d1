"""The platform's table ``request_stats``."""

from datetime import UTC

from sysndd_api.request_stats.models import Counts, Period, WorkerPool
from sysndd_core.db.database import Database


class RequestStatsStore:
    """One row per minute and API process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.ops}.request_stats"

    async def add(self, worker: str, counts: Counts, *, pool_size: int) -> None:
        """Add the sums to the row of the current minute."""
        c = counts
        await self._database.execute(
            f"INSERT INTO {self._table} (minute, worker, requests, failures, ms_total, ms_max,"
            " pool_size, pool_in_use, pool_waiting, seen_at) VALUES"
            " (DATE_FORMAT(UTC_TIMESTAMP(), '%%Y-%%m-%%d %%H:%%i:00'),"
            " %s, %s, %s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6))"
            " ON DUPLICATE KEY UPDATE requests = requests + %s, failures = failures + %s,"
            " ms_total = ms_total + %s, ms_max = GREATEST(ms_max, %s),"
            " pool_in_use = GREATEST(pool_in_use, %s), pool_waiting = GREATEST(pool_waiting, %s),"
            " seen_at = UTC_TIMESTAMP(6)",
            (
                worker,
                c.requests,
                c.failures,
                c.ms_total,
                c.ms_max,
                pool_size,
                c.in_use,
                c.waiting,
                c.requests,
                c.failures,
                c.ms_total,
                c.ms_max,
                c.in_use,
                c.waiting,
            ),
        )

    async def by_period(self, *, hours: int, minutes: int) -> list[Period]:
        """Sum the last ``hours`` in periods of ``minutes``; empty periods are omitted."""
        rows = await self._database.fetch_all(
            "SELECT FROM_UNIXTIME(UNIX_TIMESTAMP(minute) DIV %s * %s) AS begins,"
            " SUM(requests) AS requests, SUM(failures) AS failures, SUM(ms_total) AS ms_total,"
            f" MAX(ms_max) AS ms_max FROM {self._table}"
            " WHERE minute > UTC_TIMESTAMP() - INTERVAL %s HOUR GROUP BY 1 ORDER BY 1",
            (minutes * 60, minutes * 60, hours),
        )
        return [
            Period(
                begins=row["begins"].replace(tzinfo=UTC),
                requests=int(row["requests"]),
                failures=int(row["failures"]),
                ms_mean=float(row["ms_total"]) / max(1, int(row["requests"])),
                ms_max=float(row["ms_max"]),
            )
            for row in rows
        ]

    async def pools(self, *, seconds: int) -> list[WorkerPool]:
        """Return the pools of processes seen within ``seconds``, newest row first for each."""
        rows = await self._database.fetch_all(
            f"SELECT worker, pool_size, pool_in_use, pool_waiting FROM {self._table}"
            " WHERE seen_at > UTC_TIMESTAMP(6) - INTERVAL %s SECOND ORDER BY worker, minute DESC",
            (seconds,),
        )
        return [
            WorkerPool(row["worker"], row["pool_size"], row["pool_in_use"], row["pool_waiting"])
            for row in rows
        ]

    async def remove_old(self, *, hours: int) -> None:
        """Delete rows older than ``hours``."""
        await self._database.execute(
            f"DELETE FROM {self._table} WHERE minute < UTC_TIMESTAMP() - INTERVAL %s HOUR", (hours,)
        )
