"""A worker that runs the due rows and returns, instead of serving until SIGTERM."""

from typing import Any

from sysndd_core.jobs.leases import LeasedTable, RowT
from sysndd_core.jobs.worker import Worker


class BurstWorker(Worker[RowT]):
    """A real worker whose loop the test controls; log lines and leases as in the service."""

    async def run_until_idle(self) -> None:
        """Reclaim expired leases, then run the due rows one after the other until none is left."""
        await self._rows.reclaim()
        async with self._log_stored(), self._leases_renewed():
            while claims := await self._rows.claim_batch(self.name, 1):
                await self._start(claims[0])


async def stored_row(rows: LeasedTable[Any], row_id: str) -> dict[str, Any]:
    """Return all columns of a job or an email."""
    row = await rows.database.fetch_one(f"SELECT * FROM {rows.table} WHERE id = %s", (row_id,))
    assert row is not None, f"there is no row {row_id}"
    return row
