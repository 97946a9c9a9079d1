"""Checks whether the schemas are as the last migration run left them.

Several clients request the health report every few seconds, but reading every definition takes
from tens of milliseconds to seconds with a thousand tables. Therefore one comparison at a time
runs in the background, its result is reused for a minute, and a report waits for it only until a
deadline. The migrations page requests a new comparison, because it is opened after a fix.
"""

import asyncio
import time
from datetime import UTC, datetime

import pymysql.err

from sysndd_core.db.database import Database
from sysndd_core.db.schema_objects import Difference, drifted
from sysndd_core.errors import SysnddError
from sysndd_core.health import Check, Status

_MAX_AGE_SECONDS = 60.0
_WAIT_SECONDS = 1.0
_MAX_LISTED = 20


class DriftWatch:
    """The last comparison of both schemas, repeated when its result is too old.

    Args:
        database: The connection pool.
        platform: Name of the platform schema, which stores the expected definitions.
        schemas: Names of the schemas to compare.
    """

    def __init__(self, database: Database, *, platform: str, schemas: tuple[str, ...]) -> None:
        self._database = database
        self._platform = platform
        self._schemas = schemas
        self._comparison: asyncio.Task[None] | None = None
        self._compared_at = float("-inf")
        self._check = Check(Status.PASS, observed={"compared_at": None})

    async def check(self, *, max_age_seconds: float = _MAX_AGE_SECONDS) -> Check:
        """Return the result of the last comparison; never raises.

        Args:
            max_age_seconds: An older result is renewed, if that takes no longer than the deadline.
        """
        if self._comparison is None and time.monotonic() - self._compared_at >= max_age_seconds:
            self._comparison = asyncio.create_task(self._compare())
        if self._comparison is not None:
            # asyncio.wait, unlike wait_for, lets the comparison continue after the timeout.
            await asyncio.wait({self._comparison}, timeout=_WAIT_SECONDS)
        return self._check

    async def _compare(self) -> None:
        try:
            async with self._database.connection() as connection:
                found = [
                    await drifted(connection, self._platform, schema) for schema in self._schemas
                ]
            self._check = _drift_check(found)
        except (SysnddError, pymysql.err.Error, OSError) as error:
            reason = f"The definitions could not be compared: {error}"
            self._check = Check(Status.WARN, reason, {"compared_at": None})
        finally:
            self._compared_at = time.monotonic()
            self._comparison = None


def _drift_check(found: list[Difference]) -> Check:
    sentences = [sentence for difference in found for sentence in difference.sentences]
    unseen = [name for difference in found for name in difference.unseen]
    observed = {
        "compared_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "drift": sentences[:_MAX_LISTED],
        # `sysndd-migrator status` has the privileges to read these too.
        "not_visible_to_this_account": unseen[:_MAX_LISTED],
    }
    if not sentences:
        return Check(Status.PASS, observed=observed)
    more = f" And {len(sentences) - 1} more." if len(sentences) > 1 else ""
    reason = f"Changed without a migration: {sentences[0]}{more} See sysndd-migrator status."
    return Check(Status.WARN, reason, observed)
