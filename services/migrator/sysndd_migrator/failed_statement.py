"""The parts of a recorded failure, for ``status --json``: the ledger keeps them in one sentence."""

import re
from dataclasses import asdict, dataclass

_WORDS = re.compile(
    r":(?P<line>\d+): statement (?P<statement>\d+) of \d+ failed: (?P<words>.*) "
    r"\(error (?P<errno>\d+)\)\. The statement: (?P<text>.*) "
    r"\(go on at statement (?P<resume_at>\d+)\)\Z",
    re.DOTALL,
)


@dataclass(frozen=True)
class FailedStatement:
    """Which statement the server refused, and why.

    Attributes:
        line: in the file, from 1.
        statement: its position in the file, from 1.
        sql: its text, shortened to one line.
        errno: the server's error number.
        error: the server's words.
        resume_at: what ``resolve --from-statement`` would go on at.
    """

    line: int
    statement: int
    sql: str
    errno: int
    error: str
    resume_at: int


def failed_statement(error: str | None) -> FailedStatement | None:
    """Read what ``failure.statement_failed`` wrote; None when it is another kind of sentence."""
    match = _WORDS.search(error or "")
    if match is None:
        return None
    return FailedStatement(
        line=int(match["line"]),
        statement=int(match["statement"]),
        sql=match["text"],
        errno=int(match["errno"]),
        error=match["words"],
        resume_at=int(match["resume_at"]),
    )


def failed_document(error: str | None) -> dict[str, object] | None:
    """Return the parts as ``--json`` prints them."""
    found = failed_statement(error)
    return asdict(found) if found else None
