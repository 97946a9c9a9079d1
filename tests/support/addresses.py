"""The address of every page, with an existing object for each parameter."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pymysql.cursors import Cursor

from sysndd_api.pages.routes import PAGES
from sysndd_api.security.access import Access
from tests.support.pages import MARKUP

_ID = "0a9e0000-0000-4000-8000-000000000000"
_NAME = "somebody_to_ask_about"

# Not pages: files, and fragments that a page's script requests.
_PARTS = ("/admin/static/", "/download", ".csv", "/live", "/progress", "/dry-run")
_QUERIES = {
    "/account/confirm": "token=x",
    "/account/reset": "token=x",
    "/account/email": "token=x",
    "/admin/users/{user_id}/role": "role=Curator",
    "/admin/operators/{operator_id}/role": "role=viewer",
}
# Pages that differ with and without a link's token.
_TWICE = ("/account/confirm", "/account/reset")


@dataclass(frozen=True)
class Address:
    """A page that can be opened.

    Attributes:
        name: short and suitable as a file name.
        path: path with its query string.
        open: whether no session is required.
    """

    name: str
    path: str
    open: bool


def every_page(values: Mapping[str, str]) -> list[Address]:
    """List every page.

    Args:
        values: values of the parameters ``name`` (of a backup), ``job_id``, ``mail_id`` and so on.
    """
    found = []
    for page in PAGES:
        if (
            page.method != "GET"
            or any(part in page.path for part in _PARTS)
            or ":path" in page.path
        ):
            continue
        path = page.path.format(**values)
        query = _QUERIES.get(page.path)
        name = page.path.removeprefix("/").replace("{", "").replace("}", "").replace("/", "-")
        everybody = page.access is Access.ANYONE
        found.append(Address(name, f"{path}?{query}" if query else path, everybody))
        if page.path in _TWICE:
            found.append(Address(f"{name}-anew", path, everybody))
    return found


@contextlib.contextmanager
def existing_objects(cursor: Cursor, *, app: str, ops: str, login: str) -> Iterator[dict[str, str]]:
    """Provide an existing object for each parameter; objects created here are deleted at the end.

    Their text contains markup, which a browser must show as text.

    Args:
        cursor: cursor of an account with all privileges.
        app, ops: names of the two schemas.
        login: user name of an operator with an open session.
    """
    cursor.execute(
        f"INSERT INTO `{app}`.`user` (user_name, email, first_name, comment, role, state,"
        " created_at, confirmed_at) VALUES (%s, %s, %s, %s, 'Viewer', 'active', UTC_TIMESTAMP(6),"
        " UTC_TIMESTAMP(6))",
        (_NAME, f"{_NAME}@sysndd.example", MARKUP, MARKUP),
    )
    values = {"user_id": str(cursor.lastrowid), "job_id": _ID, "mail_id": _ID, "schema": _NAME}
    cursor.execute(
        f"INSERT INTO `{ops}`.`operator` (user_name, email, role, state, created_at)"
        " VALUES (%s, %s, 'maintainer', 'invited', UTC_TIMESTAMP(6))",
        (MARKUP[:64], f"{_NAME}@sysndd.example"),
    )
    values["operator_id"] = str(cursor.lastrowid)
    # Due tomorrow, so no worker claims them.
    cursor.execute(
        f"INSERT INTO `{ops}`.job (id, kind, queue, payload, message, run_after, created_at)"
        " VALUES (%s, 'create_backup', 'backup', '{}', %s, UTC_TIMESTAMP(6) + INTERVAL 1 DAY,"
        " UTC_TIMESTAMP(6))",
        (_ID, MARKUP),
    )
    cursor.execute(
        f"INSERT INTO `{ops}`.mail (id, purpose, recipient, template, context, message_id, state,"
        " last_reply, preview, run_after, created_at) VALUES (%s, 'test', 'nobody@sysndd.example',"
        " 'test', '{}', %s, 'held', %s, %s, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
        (
            _ID,
            f"<{_ID}@sysndd.example>",
            MARKUP,
            json.dumps({"subject": MARKUP, "text": MARKUP, "html": f"<p>{MARKUP}</p>"}),
        ),
    )
    cursor.execute(
        f"INSERT INTO `{ops}`.inspection (schema_name, live, job_id, backup, table_name, row_count,"
        " created_at, kept_until) VALUES (%s, %s, %s, 'manual_x.sql.zst', %s, 1,"
        " UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL 1 DAY)",
        (_NAME, app, _ID, MARKUP[:64]),
    )
    cursor.execute(
        f"SELECT LOWER(LEFT(HEX(s.token_hash), 32)) FROM `{ops}`.`session` AS s JOIN"
        f" `{ops}`.`operator` AS o ON s.realm = 'operator' AND o.operator_id = s.user_id"
        " WHERE o.user_name = %s"
        " ORDER BY s.created_at DESC LIMIT 1",
        (login,),
    )
    values["session_id"] = str(cursor.fetchall()[0][0])
    try:
        yield values
    finally:
        cursor.execute(f"DELETE FROM `{app}`.`user` WHERE user_name = %s", (_NAME,))
        cursor.execute(
            f"DELETE FROM `{ops}`.`operator` WHERE operator_id = %s", (values["operator_id"],)
        )
        cursor.execute(f"DELETE FROM `{ops}`.inspection WHERE schema_name = %s", (_NAME,))
        for table in ("job", "mail"):
            cursor.execute(f"DELETE FROM `{ops}`.`{table}` WHERE id = %s", (_ID,))
