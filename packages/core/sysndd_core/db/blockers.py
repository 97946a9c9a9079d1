"""Finds the connection that keeps a table locked, so that a message can name it."""

from dataclasses import dataclass
from typing import Any

import pymysql.err

from sysndd_core.db.schema_version import QueryRunner
from sysndd_core.errors import SysnddError

_LONGEST_INFO = 120
_MOST_NAMES = 200

_METADATA_LOCKS = """
SELECT t.processlist_id AS id, t.processlist_user AS user, t.processlist_host AS host,
       t.processlist_time AS seconds, t.processlist_info AS info
FROM performance_schema.metadata_locks AS held
JOIN performance_schema.metadata_locks AS pending
  ON pending.object_type = held.object_type AND pending.object_schema = held.object_schema
 AND pending.object_name = held.object_name
JOIN performance_schema.threads AS t ON t.thread_id = held.owner_thread_id
WHERE held.lock_status = 'GRANTED' AND held.object_type = 'TABLE'
  AND held.object_schema = %s AND LOWER(held.object_name) IN ({names})
  AND t.processlist_id <> CONNECTION_ID()
ORDER BY t.processlist_time DESC LIMIT 1
"""

# If metadata locks are not visible, the oldest open transaction is nearly always the blocker.
_OLDEST_TRANSACTION = """
SELECT p.id AS id, p.user AS user, p.host AS host,
       TIMESTAMPDIFF(SECOND, trx.trx_started, NOW()) AS seconds, p.info AS info
FROM information_schema.innodb_trx AS trx
JOIN information_schema.processlist AS p ON p.id = trx.trx_mysql_thread_id
WHERE p.id <> CONNECTION_ID()
ORDER BY trx.trx_started LIMIT 1
"""

_LONGEST_QUERY = """
SELECT p.id AS id, p.user AS user, p.host AS host, p.time AS seconds, p.info AS info
FROM information_schema.processlist AS p
WHERE p.id <> CONNECTION_ID() AND p.command = 'Query' AND (%s IS NULL OR p.db = %s)
  AND p.state NOT LIKE 'Waiting%%'
ORDER BY p.time DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Blocker:
    """A connection that probably holds a lock.

    Attributes:
        thread_id: ID of the connection, for ``KILL``.
        user: ``user@host``.
        seconds: Age of its transaction or statement in seconds.
        info: Statement that it runs, shortened; empty if it idles inside a transaction.
    """

    thread_id: int
    user: str
    seconds: int
    info: str

    def __str__(self) -> str:
        activity = f"running {self.info}" if self.info else "idle in an open transaction"
        return f"connection {self.thread_id} of {self.user}, {self.seconds} s old, {activity}"


async def find_blocker(
    runner: QueryRunner, schema: str | None = None, names: frozenset[str] = frozenset()
) -> Blocker | None:
    """Find the connection that most likely keeps a statement of this connection waiting.

    Args:
        runner: Runs the queries, on the connection whose statement timed out.
        schema: Schema of the locked table; None if it is not known.
        names: Names that occur in the statement, in lower case; used if the server shows metadata
            locks.

    Returns:
        None if this account may not see other connections, or the blocker is gone.
    """
    queries: list[tuple[str, tuple[Any, ...]]] = []
    if schema and names:
        chosen = sorted(names)[:_MOST_NAMES]
        marks = ", ".join(["%s"] * len(chosen))
        queries.append((_METADATA_LOCKS.format(names=marks), (schema, *chosen)))
    queries += [(_OLDEST_TRANSACTION, ()), (_LONGEST_QUERY, (schema, schema))]
    for query, arguments in queries:
        try:
            rows = await runner.fetch_all(query, arguments)
        except (pymysql.err.Error, SysnddError):
            continue  # no performance_schema or no PROCESS privilege: try the next query
        if rows:
            return _blocker(rows[0])
    return None


def _blocker(row: dict[str, Any]) -> Blocker:
    info = " ".join(str(row["info"] or "").split())
    return Blocker(
        thread_id=int(row["id"]),
        user=f"{row['user']}@{row['host'] or 'localhost'}",
        seconds=int(row["seconds"] or 0),
        info=info if len(info) <= _LONGEST_INFO else f"{info[:_LONGEST_INFO]}…",
    )
