"""The splitter compared with the real command-line client, by the server's general log."""

import random
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sysndd_migrator.errors import AmbiguousFile
from sysndd_migrator.files.splitter import Statement, split
from tests.support.servers import DatabaseServer

CORPUS = Path(__file__).parents[3] / "unit" / "migrator" / "corpus" / "accepted"
FILES = sorted(CORPUS.glob("*.sql"))
USER = "corpus"

# Queries of MySQL's client before it reads its input.
GREETING = {"select @@version_comment limit 1", "select $$"}

# MariaDB's client reads a line that begins with two dashes as a comment, whatever follows them;
# MySQL's sends it to the server.
MYSQL_SENDS_DASHES = {"dashes_row"}

# The client drops comments and the whitespace around a statement; the rest must be the same.
TOKEN = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`[^`]*`"
    r"|(?P<drop>--(?=\s|\Z)[^\n]*|#[^\n]*|/\*(?!M?!).*?\*/)|(?P<blank>\s+)|.",
    re.DOTALL,
)


# Pieces whose meaning depends on their neighbours.
PIECES = [
    *("'", '"', "`", "\\", "\\'", "''", "-- ", "#", "/*", "*/", "/*!", "/*!50003 ", "\\N"),
    *(";", ";", "$$", "//", "\n", "\n", "\r\n", " ", "\t", "-", "/", "*", "$", "x", "é", "日"),
    *("DELIMITER $$\n", "\nDELIMITER ;\n", "delimiter //\n", "delimiter", "SELECT", " 1 ", "END"),
    *("SELECT 'a;b'", "/* c; */", "-- it's\n", "'it''s'"),
]


@pytest.fixture
def client_sends(
    database_server: DatabaseServer,
) -> Iterator[Callable[[list[bytes]], list[list[str]]]]:
    """A function that feeds files to the client and returns what it sent for each."""
    client = database_server.client

    def ask(files: list[bytes]) -> list[list[str]]:
        for data in files:
            feed(client, database_server, schema, data)
        return runs(database_server)

    with database_server.temporary_schema("corpus") as schema, database_server.general_log():
        database_server.execute(f"CREATE USER {USER}@'%%' IDENTIFIED BY 'corpus'", ())
        database_server.execute(f"GRANT ALL ON `{schema}`.* TO {USER}@'%%'", ())
        try:
            yield ask
        finally:
            database_server.execute(f"DROP USER {USER}@'%%'", ())


def feed(client: str, server: DatabaseServer, schema: str, data: bytes) -> None:
    command = [
        *(client, "--no-defaults", "--protocol=TCP", "--default-character-set=utf8mb4"),
        # --force: the log shows what was sent, whether or not the server could run it.
        *("--force", "--skip-comments", "--skip-reconnect"),
        # MySQL's client runs no programs by default.
        *(("--sandbox",) if server.is_mariadb else ()),
        *("--host", server.host, "--port", str(server.port), "--user", USER, "-pcorpus", schema),
    ]
    subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)


def runs(server: DatabaseServer) -> list[list[str]]:
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
        elif command == "Query" and (statements or text not in GREETING):
            statements.append(text)
    return list(by_thread.values())


def normalised(statement: str) -> str:
    pieces: list[str] = []
    for token in TOKEN.finditer(statement):
        if token["drop"] or token["blank"]:
            pieces.append("" if pieces and pieces[-1] in {" ", ""} else " ")
        elif token[0][0] in "'\"":
            # The client drops a backslash before the end of a line; the value is the same.
            pieces.append(token[0].replace("\\\n", "\n"))
        else:
            pieces.append(token[0])
    # The server itself drops a last semicolon before it writes its log, whose text is three-byte
    # UTF-8 and shows anything longer as escapes.
    return "".join(map(as_logged, "".join(pieces))).strip().rstrip("; ")


def as_logged(character: str) -> str:
    if character < "\U00010000":
        return character
    return "".join(f"\\x{byte:02X}" for byte in character.encode())


def ours(statements: tuple[Statement, ...]) -> list[str]:
    return [normalised(statement.text) for statement in statements]


def test_the_client_sends_the_same_statements_for_the_corpus(
    database_server: DatabaseServer, client_sends: Callable[[list[bytes]], list[list[str]]]
) -> None:
    files = [path.read_bytes() for path in FILES]
    sent_by_stem = dict(zip([path.stem for path in FILES], client_sends(files), strict=True))
    if not database_server.is_mariadb:
        # MySQL's client reads MariaDB's executable comments as comments.
        files = [re.sub(rb"/\*M!.*?\*/", b"", data, flags=re.DOTALL) for data in files]
    differing = {
        stem: (expected, found)
        for (stem, sent), data in zip(sent_by_stem.items(), files, strict=True)
        if (expected := [normalised(text) for text in sent]) != (found := ours(split(data)))
    }
    expected_to_differ = set() if database_server.is_mariadb else MYSQL_SENDS_DASHES
    assert differing.keys() == expected_to_differ, differing


def test_the_client_sends_the_same_statements_for_random_files(
    client_sends: Callable[[list[bytes]], list[list[str]]],
) -> None:
    files = random_files(seed=20261122, count=250)
    for data, sent in zip(files, client_sends(files), strict=True):
        expected = [squeezed(text) for text in sent]
        # For a statement of dropped comments only, the client sends an empty statement.
        found = [squeezed(statement.text) for statement in split(data)]
        assert [text for text in found if text] == [text for text in expected if text], data


def squeezed(statement: str) -> str:
    # Where a comment leaves a space depends on the text after it.
    return re.sub(r"\s", "", normalised(statement))


def random_files(*, seed: int, count: int) -> list[bytes]:
    """Random files that the splitter accepts and that contain a statement."""
    generator = random.Random(seed)  # noqa: S311 - repeatable files, no secrets
    files: list[bytes] = []
    while len(files) < count:
        data = "".join(generator.choices(PIECES, k=generator.randint(2, 25))).encode()
        try:
            if split(data):
                files.append(data)
        except AmbiguousFile:
            continue
    return files
