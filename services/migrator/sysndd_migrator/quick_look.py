"""The answer "nothing to do" with one query and few imports: what every start of a replica asks.

Whatever is not plainly in order (a setting out of the ordinary, an unreachable server, a file that
differs from the ledger by a blank) is left to the full command line, which knows the words for it.
Nothing here raises, prints an error or writes to the database.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pymysql

from sysndd_core.db.schema_version import LEDGER, checksum, list_migrations

_ANY = re.compile(r".+", re.DOTALL)
_WORD = re.compile(r"[!-~]+")
_SCHEMA = re.compile(r"[A-Za-z0-9_]{1,48}")

# Variable → (values that are certainly valid, default). A test holds it against MigratorSettings,
# whose library alone takes as long to load as everything here.
VARIABLES: Mapping[str, tuple[re.Pattern[str], str]] = {
    "DB_HOST": (_WORD, "127.0.0.1"),
    "DB_PORT": (re.compile(r"[1-9][0-9]{0,3}|[1-5][0-9]{4}"), "3306"),
    "DB_SOCKET": (re.compile(r"/[!-~]+"), ""),
    "DB_USER": (_WORD, "sysndd"),
    "DB_PASSWORD": (_ANY, ""),
    "DB_NAME": (_SCHEMA, "sysndd"),
    "OPS_DB_NAME": (_SCHEMA, "sysndd_ops"),
    "DB_POOL_SIZE": (re.compile(r"[1-9][0-9]?"), "5"),
    "DB_POOL_TIMEOUT": (re.compile(r"[1-9](\.[0-9])?|[1-5][0-9](\.[0-9])?"), "2.0"),
    "DB_STATEMENT_TIMEOUT": (re.compile(r"[1-9][0-9]{0,5}(\.[0-9])?"), "10.0"),
    "MIGRATIONS_DIR": (_WORD, "db/migrations"),
    "OTHER_SERVER_PASSWORD": (_ANY, ""),
    "LOG_LEVEL": (re.compile(r"debug|info|warning|error"), "info"),
    "LOG_FORMAT": (re.compile(r"json|console"), "json"),
}

_SENTENCES = {
    "up": "Nothing to do: every migration is applied.",
    "wait": "Everything is applied (waited 0 ms).",
}
_DOCUMENTS = {
    "up": '{\n  "applied": [],\n  "remarks": []\n}',
    "wait": '{\n  "current": true,\n  "waited_seconds": 0.0\n}',
}
_OPTIONS = {
    "--json": re.compile(""),
    "--dir": re.compile(r"[^-].*"),
    "--timeout": re.compile(r"[0-9]+(\.[0-9]+)?"),
}
_SECONDS = 10


def answer(arguments: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Return what ``up`` or ``wait`` has to print when everything is applied.

    Args:
        arguments: the command line behind the program's name.
        environ: the environment.

    Returns:
        The text, or None when the full command line has to answer.
    """
    if not arguments or arguments[0] not in _SENTENCES:
        return None
    options = _read_options(arguments[1:])
    if options is None:
        return None
    chosen = dict(environ)
    if "--dir" in options:
        chosen.pop("MIGRATIONS_DIR_FILE", None)
        chosen["MIGRATIONS_DIR"] = options["--dir"]
    values = read_settings(chosen)
    if values is None or not _is_current(values):
        return None
    return (_DOCUMENTS if "--json" in options else _SENTENCES)[arguments[0]]


def _read_options(arguments: Sequence[str]) -> dict[str, str] | None:
    """Read the options that change nothing about the answer; None when there are others."""
    found: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        value = "" if word == "--json" else next(words, "")
        if word not in _OPTIONS or not _OPTIONS[word].fullmatch(value):
            return None
        found[word] = value
    return found


def read_settings(environ: Mapping[str, str]) -> dict[str, str] | None:
    """Read the settings, or return None when one of them is not plainly valid."""
    values: dict[str, str] = {}
    for name, (plain, default) in VARIABLES.items():
        value, path = environ.get(name), environ.get(f"{name}_FILE")
        if value and path:
            return None
        if path:
            try:
                value = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError):
                return None
        if value and not plain.fullmatch(value):
            return None
        values[name] = value or default
    if values["DB_NAME"].casefold() == values["OPS_DB_NAME"].casefold():
        return None
    return values


def _is_current(values: Mapping[str, str]) -> bool:
    try:
        files = _files(Path(__file__).parent / "platform", "platform")
        files |= _files(Path(values["MIGRATIONS_DIR"]), "application")
        applied = _applied(values)
        # Where something is pending that is known before any file is read.
        return files.keys() == applied.keys() and applied == {
            name: (checksum(path.read_bytes()), True) for name, path in files.items()
        }
    except (OSError, ValueError, pymysql.err.Error):
        return False


def _files(directory: Path, source: str) -> dict[tuple[str, str], Path]:
    listed = list_migrations(directory)
    if listed.duplicates or listed.ignored:
        raise ValueError(directory)
    return {(source, file.filename): file.path for file in listed.files}


def _applied(values: Mapping[str, str]) -> dict[tuple[str, str], tuple[str, bool]]:
    columns = f"filename, checksum, success FROM `{{}}`.`{LEDGER}`"
    connection = pymysql.connect(
        host=values["DB_HOST"],
        port=int(values["DB_PORT"]),
        unix_socket=values["DB_SOCKET"] or None,
        user=values["DB_USER"],
        password=values["DB_PASSWORD"],
        charset="utf8mb4",
        autocommit=None,
        # As everywhere else; to load the certificates costs as much as all the rest.
        ssl_disabled=True,
        connect_timeout=5,
        read_timeout=_SECONDS,
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT 'platform', {columns.format(values['OPS_DB_NAME'])} "
                f"UNION ALL SELECT 'application', {columns.format(values['DB_NAME'])}"
            )
            return {(row[0], row[1]): (row[2], bool(row[3])) for row in cursor.fetchall()}
    finally:
        connection.close()
