"""Postconditions: the ``-- assert:`` lines of a file, and that it changed anything at all."""

from typing import Any

import pymysql.err

from sysndd_migrator.errors import PostconditionFailed
from sysndd_migrator.files.script import Script
from sysndd_migrator.server.session import Session, server_error

_FALSE = ("", "0", b"", b"0")
_KILLED = 1317
_FIRST_CLIENT_ERROR = 2000


async def check(session: Session, script: Script, *, changed: bool, strict: bool) -> None:
    """Check the postconditions of a file before it is recorded as applied.

    Args:
        session: The session that ran it.
        script: The file.
        changed: Whether it changed anything.
        strict: Reject a file that changed nothing and does not state ``-- expect: no-op``.

    Raises:
        PostconditionFailed: A postcondition does not hold; contains its line.
    """
    for assertion in script.directives.assertions:
        failure = await _failure(session, assertion.sql)
        if failure is not None:
            raise PostconditionFailed(
                f"{script.path}:{assertion.line}: the assertion does not hold: {failure}. "
                f"The query: {assertion.sql}",
                file=script.filename,
                line=assertion.line,
            )
    if strict and not changed and not script.directives.no_op:
        raise PostconditionFailed(
            f"{script.path} {CHANGED_NOTHING} If that is intended, add the line "
            "`-- expect: no-op`.",
            file=script.filename,
        )


CHANGED_NOTHING = "changed nothing: its work was done already, or it has no effect."


async def _failure(session: Session, sql: str) -> str | None:
    """Return why an assertion does not hold; None if it holds."""
    try:
        rows = await session.fetch_all(sql)
    except pymysql.err.Error as error:
        number, reason = server_error(error)
        if number in {0, _KILLED} or _FIRST_CLIENT_ERROR <= number < _FIRST_CLIENT_ERROR + 100:
            raise  # stopped or disconnected: the result is unknown
        return f"{reason} (error {number})"
    if not rows:
        return "it returned no row"
    for name, value in rows[0].items():
        if not _is_true(value):
            return f"{name} is {'NULL' if value is None else repr(value)}"
    return None


def _is_true(value: Any) -> bool:
    return value is not None and value not in _FALSE and bool(value)
