"""Fills a separate system with as much data as after years of use."""

import json
from pathlib import Path
from typing import Any

from pymysql.cursors import Cursor

_ROWS = 500
_LOG_LINES = 1000


def fill_backups(directory: Path, number: int) -> str:
    """Create copies of the latest backup, an hour apart.

    Each copy has a manifest and a file of the stated size. The files are sparse, because no page
    reads them.

    Args:
        directory: Backup directory.
        number: Number of backups, including the existing one.

    Returns:
        The name of the latest backup.
    """
    manifest = max(directory.glob("*.sql*.json"), key=lambda path: path.stat().st_mtime)
    template: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
    for count in range(1, number):
        days, hour = divmod(count, 24)
        created = (
            f"{2024 + days // 300}-{1 + days % 300 // 25:02}-{1 + days % 25:02}T{hour:02}:00:00Z"
        )
        stamp = created.replace("-", "").replace(":", "")
        size = 1_000_000 + 7_919 * count
        name = f"scheduled_{stamp}_{count:08x}.sql.zst"
        changes = {
            "name": name,
            "kind": "scheduled",
            "created_at": created,
            "finished_at": created,
            "size_bytes": size,
            "verification": "verified" if count % 9 else "failed",
            "offsite": None,
        }
        with (directory / name).open("wb") as file:
            file.truncate(size)
        (directory / f"{name}.json").write_text(json.dumps(template | changes), encoding="utf-8")
    return str(template["name"])


def fill_tables(cursor: Cursor, *, app: str, ops: str, number: int) -> None:
    """Write jobs, emails and audit log entries, and accounts.

    Args:
        cursor: Cursor in autocommit mode.
        app: Name of the application schema.
        ops: Name of the platform schema.
        number: Number of jobs, emails and audit log entries each; a tenth of it accounts.
    """
    for first in range(0, number, _ROWS):
        batch = range(first, min(number, first + _ROWS))
        for insert, values in _rows(app, ops):
            rows = [n for n in batch if "`user`" not in insert or n < number // 10]
            if rows:
                cursor.execute(f"{insert} VALUES {', '.join(values.format(n=n) for n in rows)}")
    cursor.execute("SET @ops_job = (SELECT id FROM `" + ops + "`.job ORDER BY created_at LIMIT 1)")
    lines = ", ".join(
        f"(@ops_job, 1, UTC_TIMESTAMP(6), 'info', 'job_step number={n} of many in the log')"
        for n in range(_LOG_LINES)
    )
    cursor.execute(
        f"INSERT INTO `{ops}`.job_log (job_id, attempt, logged_at, level, line) VALUES {lines}"
    )
    cursor.execute(f"ANALYZE TABLE `{ops}`.job, `{ops}`.mail, `{ops}`.audit_log, `{app}`.`user`")


def _rows(app: str, ops: str) -> list[tuple[str, str]]:
    """Return each INSERT with a template of its values; ``n`` is the number of the row."""
    ago = "UTC_TIMESTAMP(6) - INTERVAL {n} MINUTE"
    return [
        (
            f"INSERT INTO `{ops}`.job (id, kind, queue, state, payload, percent, message,"
            " run_after, created_at, started_at, finished_at)",
            "(UUID(), ELT(1 + {n} % 3, 'create_backup', 'verify_backup', 'restore_backup'),"
            " 'backup', ELT(1 + {n} % 9 DIV 8, 'succeeded', 'failed'), '{{}}', 100,"
            f" 'Done: number {{n}}', {ago}, {ago}, {ago}, {ago} + INTERVAL 20 SECOND)",
        ),
        (
            f"INSERT INTO `{ops}`.mail (id, purpose, recipient, template, context, message_id,"
            " state, run_after, created_at, finished_at)",
            "(UUID(), 'confirm', 'reader{n}@sysndd.example', 'confirm', '{{}}',"
            " '<{n}@bench.example>',"
            f" ELT(1 + {{n}} % 7 DIV 6, 'sent', 'cancelled'), {ago}, {ago}, {ago})",
        ),
        (
            f"INSERT INTO `{ops}`.audit_log (happened_at, action, outcome, actor_name, remote,"
            " object)",
            f"({ago}, ELT(1 + {{n}} % 4, 'sign_in', 'sign_out', 'create_backup', 'approve_user'),"
            " 'ok', 'reader{n}', '192.0.2.7', 'number {n}')",
        ),
        (
            f"INSERT INTO `{app}`.`user` (user_name, email, role, state, created_at, confirmed_at)",
            f"('reader{{n}}', 'reader{{n}}@sysndd.example', 'Viewer', 'active', {ago}, {ago})",
        ),
    ]
