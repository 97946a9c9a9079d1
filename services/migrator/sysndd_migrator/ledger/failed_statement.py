"""The statement that stopped a file: what the journal keeps of it, and ``--json`` prints."""

from dataclasses import dataclass

LONGEST_SQL = 400


@dataclass(frozen=True, slots=True)
class FailedStatement:
    """Which statement the server rejected, and why.

    Attributes:
        line: in the file, from 1.
        statement: its position in the file, from 1.
        sql: its text on one line, shortened.
        errno: the server's error number.
        error: the server's message.
        resume_at: the position at which ``resolve --from-statement`` resumes.
    """

    line: int
    statement: int
    sql: str
    errno: int
    error: str
    resume_at: int
