"""The splitter against the real command-line client, by what the server's general log says."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysndd_migrator.splitter import split
from tests.support.servers import TestMariadb

CORPUS = Path(__file__).parents[2] / "unit" / "migrator" / "corpus" / "accepted"
FILES = sorted(CORPUS.glob("*.sql"))
USER = "corpus"

# The client drops comments and the blanks around a statement; what is left must be the same.
TOKEN = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`[^`]*`"
    r"|(?P<drop>--(?=\s|\Z)[^\n]*|#[^\n]*|/\*(?!M?!).*?\*/)|(?P<blank>\s+)|.",
    re.DOTALL,
)


@pytest.fixture(scope="module")
def sent(mariadb: TestMariadb) -> Iterator[dict[str, list[str]]]:
    """What the client sent for each file of the corpus."""
    client = shutil.which("mariadb")
    assert client, "apt-get install mariadb-client"
    with mariadb.temporary_schema("corpus") as schema, mariadb.general_log():
        mariadb.execute(f"CREATE USER {USER}@'%%' IDENTIFIED BY 'corpus'", ())
        mariadb.execute(f"GRANT ALL ON `{schema}`.* TO {USER}@'%%'", ())
        try:
            for path in FILES:
                feed(client, mariadb, schema, path)
            yield {path.stem: logged for path, logged in zip(FILES, runs(mariadb), strict=True)}
        finally:
            mariadb.execute(f"DROP USER {USER}@'%%'", ())


def feed(client: str, server: TestMariadb, schema: str, path: Path) -> None:
    command = [
        *(client, "--no-defaults", "--protocol=TCP", "--default-character-set=utf8mb4"),
        # --force: the log shows what was sent, whether or not the server could run it.
        *("--force", "--skip-comments", "--skip-reconnect", "--sandbox"),
        *("--host", server.host, "--port", str(server.port), "--user", USER, "-pcorpus", schema),
    ]
    with path.open("rb") as file:
        subprocess.run(command, stdin=file, capture_output=True, timeout=60, check=False)


def runs(server: TestMariadb) -> list[list[str]]:
    rows = server.execute(
        "SELECT thread_id, command_type, argument FROM mysql.general_log WHERE thread_id IN "
        "(SELECT thread_id FROM mysql.general_log WHERE command_type = 'Connect'"
        "  AND argument LIKE %s) AND command_type IN ('Connect', 'Query', 'Init DB')"
        " ORDER BY thread_id, event_time",
        (f"{USER}@%",),
    )
    by_thread: dict[int, list[str]] = {}
    for thread_id, command, argument in rows:
        text = argument.decode() if isinstance(argument, bytes) else argument
        statements = by_thread.setdefault(thread_id, [])
        if command == "Init DB":
            assert statements.pop() == "SELECT DATABASE()"  # how the client carries out USE
            statements.append(f"USE {text}")
        elif command == "Query":
            statements.append(text)
    return list(by_thread.values())


def normalised(statement: str) -> str:
    pieces: list[str] = []
    for token in TOKEN.finditer(statement):
        pieces.append(" " if token["drop"] or token["blank"] else token[0])
    one_line = re.sub(r" +(?=(?:[^']*'[^']*')*[^']*$)", " ", "".join(pieces)).strip()
    # The server itself drops a last semicolon before it writes its log, whose text is three-byte
    # UTF-8 and shows anything longer as escapes.
    short = "".join(
        c if c < "\U00010000" else "".join(f"\\x{byte:02X}" for byte in c.encode())
        for c in one_line
    )
    return short.rstrip("; ")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_client_sends_the_same_statements(path: Path, sent: dict[str, list[str]]):
    ours = [normalised(statement.text) for statement in split(path.read_bytes(), path.name)]
    theirs = [normalised(statement) for statement in sent[path.stem]]
    assert ours == theirs
