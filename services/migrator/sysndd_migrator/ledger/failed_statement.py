"""The statement that stopped a file, as the journal stores it and ``--json`` prints it."""

from dataclasses import dataclass

LONGEST_SQL = 400


@dataclass(frozen=True, slots=True)
class FailedStatement:
    """The statement that the server rejected, and why.

    Attributes:
        line: Line in the file, from 1.
        statement: Position in the file, from 1.
        sql: Text on one line, shortened.
        errno: The server's error number.
        error: The server's message.
        resume_at: Position at which ``resolve --from-statement`` resumes.
    """

    line: int
    statement: int
    sql: str
    errno: int
    error: str
    resume_at: int
