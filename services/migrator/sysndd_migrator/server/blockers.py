"""Who keeps a table locked: the connection to name when a statement can't get its lock."""

from dataclasses import dataclass

import pymysql.err

from sysndd_core.db.database import Row
from sysndd_migrator.server.session import Session

_METADATA_LOCKS = """
SELECT t.processlist_id AS id, t.processlist_user AS user, t.processlist_host AS host,
       t.processlist_time AS seconds, t.processlist_info AS info
FROM performance_schema.metadata_locks AS held
JOIN performance_schema.metadata_locks AS wanted
  ON wanted.object_type = held.object_type AND wanted.object_schema = held.object_schema
 AND wanted.object_name = held.object_name
JOIN performance_schema.threads AS t ON t.thread_id = held.owner_thread_id
WHERE held.lock_status = 'GRANTED' AND held.object_type = 'TABLE'
  AND held.object_schema = %s AND LOWER(held.object_name) IN ({names})
  AND t.processlist_id <> %s
ORDER BY t.processlist_time DESC
"""

# Without metadata locks in sight, the oldest open transaction is nearly always the one.
_TRANSACTIONS = """
SELECT p.id AS id, p.user AS user, p.host AS host,
       TIMESTAMPDIFF(SECOND, trx.trx_started, NOW()) AS seconds, p.info AS info
FROM information_schema.innodb_trx AS trx
JOIN information_schema.processlist AS p ON p.id = trx.trx_mysql_thread_id
WHERE p.id <> %s
ORDER BY trx.trx_started
"""

_BUSY = """
SELECT p.id AS id, p.user AS user, p.host AS host, p.time AS seconds, p.info AS info
FROM information_schema.processlist AS p
WHERE p.id <> %s AND p.command = 'Query' AND p.db = %s AND p.state NOT LIKE 'Waiting%%'
ORDER BY p.time DESC
"""


@dataclass(frozen=True, slots=True)
class Blocker:
    """A connection that probably holds the lock, and for how long.

    Attributes:
        thread_id: its id on the server, for ``KILL``.
        user: ``user@host``.
        seconds: age of its transaction or state.
        info: the statement it runs, shortened; empty when it idles inside a transaction.
    """

    thread_id: int
    user: str
    seconds: int
    info: str

    def __str__(self) -> str:
        doing = f"running {self.info}" if self.info else "idle inside an open transaction"
        return f"connection {self.thread_id} of {self.user}, {self.seconds} s old, {doing}"


async def find_blocker(session: Session, schema: str, names: frozenset[str]) -> Blocker | None:
    """Look for the connection that keeps a statement waiting.

    Args:
        session: the session whose statement timed out.
        schema: the schema the statement works in.
        names: names that occur in the statement, in lower case.

    Returns:
        The likeliest one, or None when the account may not look or nobody is left.
    """
    wanted = sorted(names)[:200]
    queries = [
        (_TRANSACTIONS, (session.thread_id,)),
        (_BUSY, (session.thread_id, schema)),
    ]
    if wanted:
        marks = ", ".join(["%s"] * len(wanted))
        exact = _METADATA_LOCKS.format(names=marks)
        queries.insert(0, (exact, (schema, *wanted, session.thread_id)))
    for query, arguments in queries:
        try:
            rows = await session.fetch_all(query, arguments)
        except pymysql.err.Error:
            continue  # no performance_schema here, or no PROCESS privilege: try the next way
        if rows:
            return _blocker(rows[0])
    return None


def _blocker(row: Row) -> Blocker:
    info = " ".join(str(row["info"] or "").split())
    return Blocker(
        thread_id=int(row["id"]),
        user=f"{row['user']}@{row['host'] or 'localhost'}",
        seconds=int(row["seconds"] or 0),
        info=info if len(info) <= 120 else f"{info[:120]}…",
    )
