"""Names, order and checksums of migration files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pymysql.err
import pytest

from sysndd_core.db.schema_version import (
    REQUIRED_PLATFORM_VERSION,
    checksum,
    current_version,
    list_migrations,
    migration_number,
    pending,
)
from sysndd_core.errors import DatabaseUnavailable


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("001_core_schema.sql", 1),
        ("1_a.sql", 1),
        ("0010_b-c.d.sql", 10),
        ("999999999_x.sql", 999_999_999),
        ("001.sql", None),
        ("001_.sql", None),
        ("001-name.sql", None),
        ("_001_name.sql", None),
        ("001_name.SQL", None),
        ("001_name.sql.bak", None),
        ("001_na me.sql", None),
        ("٠٠١_name.sql", None),
        ("../001_name.sql", None),
    ],
)
def test_names(name: str, number: int | None) -> None:
    assert migration_number(name) == number


def test_listing_sorts_by_number_and_reports_duplicates_and_unknown_files(tmp_path: Path) -> None:
    names = ["10_j.sql", "9_i.sql", "100_z.sql", "002_b.sql", "2_c.sql", "notes.txt", "x.sql"]
    for name in [*names, ".005_swap.sql"]:
        (tmp_path / name).write_text("")
    (tmp_path / "003_directory.sql").mkdir()
    listed = list_migrations(tmp_path)
    assert [file.filename for file in listed.files] == [
        *("002_b.sql", "2_c.sql", "9_i.sql", "10_j.sql", "100_z.sql")
    ]
    assert listed.duplicates == {2: ("002_b.sql", "2_c.sql")}
    assert listed.ignored == ("x.sql",)


def test_checksums_do_not_depend_on_line_endings_and_byte_order_mark() -> None:
    assert checksum(b"SELECT 1;\n") == checksum(b"\xef\xbb\xbfSELECT 1;\r\n")
    assert checksum(b"SELECT 1;\n") != checksum(b"SELECT 2;\n")
    assert checksum(b"").startswith("sha256:e3b0c44298fc1c149afbf4c8996fb924")


class Ledgers:
    """Ledger rows by schema, without a server; the integration tests use a real one."""

    def __init__(self, **rows: dict[str, int] | Exception) -> None:
        self._rows = rows
        self.queries = 0

    async def fetch_all(
        self, sql: str, arguments: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        self.queries += 1
        (found,) = [rows for schema, rows in self._rows.items() if f"`{schema}`." in sql]
        if isinstance(found, Exception):
            raise found
        return [{"filename": name, "success": success} for name, success in found.items()]


def missing(number: int) -> Exception:
    error = DatabaseUnavailable()
    error.__cause__ = pymysql.err.ProgrammingError(number, "no such thing")
    return error


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in ("001_a.sql", "002_b.sql", "010_c.sql"):
        (tmp_path / name).write_text("SELECT 1;")
    return tmp_path


async def test_pending_is_what_has_no_successful_row(directory: Path) -> None:
    ledgers = Ledgers(app={"001_a.sql": 1, "002_b.sql": 0}, ops={REQUIRED_PLATFORM_VERSION: 1})
    state = await pending(ledgers, directory, application="app", platform="ops")
    assert state.pending == ("002_b.sql", "010_c.sql")
    assert state.failed == ("002_b.sql",)
    assert state.current == "001_a.sql"
    assert not state.platform_behind
    assert not state.is_current
    assert ledgers.queries == 2


async def test_everything_is_pending_without_tables(directory: Path) -> None:
    ledgers = Ledgers(app=missing(1146), ops=missing(1049))
    state = await pending(ledgers, directory, application="app", platform="ops")
    assert len(state.pending) == 3
    assert state.platform_behind
    assert state.current is None


async def test_an_unavailable_database_is_not_a_missing_table(directory: Path) -> None:
    ledgers = Ledgers(app=missing(2003), ops={})
    with pytest.raises(DatabaseUnavailable):
        await pending(ledgers, directory, application="app", platform="ops")


async def test_a_newer_platform_is_fine(directory: Path) -> None:
    applied = {"001_a.sql": 1, "002_b.sql": 1, "010_c.sql": 1}
    ledgers = Ledgers(app=applied, ops={REQUIRED_PLATFORM_VERSION: 1, "999_newer.sql": 1})
    state = await pending(ledgers, directory, application="app", platform="ops")
    assert state.is_current
    assert state.platform == "999_newer.sql"


async def test_the_current_version_is_the_highest_number(directory: Path) -> None:
    ledgers = Ledgers(app={"10_j.sql": 1, "9_i.sql": 1, "11_failed.sql": 0})
    assert await current_version(ledgers, application="app") == "10_j.sql"
