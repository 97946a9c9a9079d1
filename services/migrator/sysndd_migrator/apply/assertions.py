"""Is it true now? The ``-- assert:`` lines of a file, and that it changed anything at all."""

from typing import Any

import pymysql.err

from sysndd_migrator.errors import PostconditionFailed
from sysndd_migrator.files.script import Script
from sysndd_migrator.server.session import Session, server_error

_FALSE = ("", "0", b"", b"0")
_KILLED = 1317
_FIRST_CLIENT_ERROR = 2000


async def check(session: Session, script: Script, *, changed: bool, strict: bool) -> None:
    """Check what a file promises, before it is recorded as applied.

    Args:
        session: the session that ran it.
        script: the file.
        changed: whether it changed anything.
        strict: refuse a file that changed nothing and does not say so.

    Raises:
        PostconditionFailed: with the line.
    """
    for assertion in script.directives.assertions:
        answer = await _failure(session, assertion.sql)
        if answer is not None:
            raise PostconditionFailed(
                f"{script.path}:{assertion.line}: the assertion is not true: {answer}. "
                f"The query: {assertion.sql}",
                file=script.filename,
                line=assertion.line,
            )
    if strict and not changed and not script.directives.no_op:
        raise PostconditionFailed(
            f"{script.path} {CHANGED_NOTHING} If that is right, write the line "
            "`-- expect: no-op` into it.",
            file=script.filename,
        )


CHANGED_NOTHING = "changed nothing: its work was done already, or it does not do what it says."


async def _failure(session: Session, sql: str) -> str | None:
    """Return what is wrong with the answer to an assertion; None when it is true."""
    try:
        rows = await session.fetch_all(sql)
    except pymysql.err.Error as error:
        number, words = server_error(error)
        if number in {0, _KILLED} or _FIRST_CLIENT_ERROR <= number < _FIRST_CLIENT_ERROR + 100:
            raise  # stopped, or the connection is gone: nothing is known about the answer
        return f"{words} (error {number})"
    if not rows:
        return "it answers no row"
    for name, value in rows[0].items():
        if not _is_true(value):
            return f"{name} is {'NULL' if value is None else repr(value)}"
    return None


def _is_true(value: Any) -> bool:
    return value is not None and value not in _FALSE and bool(value)
