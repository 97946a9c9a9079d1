"""Patterns of table names in ``BACKUP_EXCLUDE_ROWS``."""

import re

import pytest

from sysndd_core.errors import SettingsError
from sysndd_core.settings.backup import BackupSettings
from sysndd_core.settings.base import Settings, load
from sysndd_core.sql.table_patterns import TablePatterns


class OnlyBackup(Settings):
    backup: BackupSettings


def setting(value: str) -> TablePatterns:
    return load(OnlyBackup, {"BACKUP_EXCLUDE_ROWS": value}).backup.excluded_rows


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("", ()),
        ("  ", ()),
        ("objectcache", ("objectcache",)),
        (" *_cache ,\n l10n,wp_?, cache[0-9] ", ("*_cache", "l10n", "wp_?", "cache[0-9]")),
        ("a,a", ("a",)),
        ("käse*, [!a]b, $t-1, a table", ("käse*", "[!a]b", "$t-1", "a table")),
    ],
)
def test_names_and_patterns_are_separated_by_commas(text: str, patterns: tuple[str, ...]) -> None:
    assert setting(text).patterns == patterns


def test_no_rows_are_excluded_by_default() -> None:
    assert load(OnlyBackup, {}).backup.excluded_rows == TablePatterns()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,,b", "entry 2 is empty"),
        ("a,", "entry 2 is empty"),
        (",", "entry 1 is empty"),
        ("a, site.cache", r"entry 2 \(site.cache\) contains a period"),
        ("%_cache", r"entry 1 \(%_cache\) contains %, which is no wildcard"),
        ("`cache`", r"entry 1 \(`cache`\) is not the name or pattern"),
        ("cache[", "is not the name or pattern"),
        ("cache[]", "is not the name or pattern"),
        ("cache;session", "is not the name or pattern"),
        ("a\x00b", "is not the name or pattern"),
    ],
)
def test_an_invalid_entry_is_refused_at_start(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=f"BACKUP_EXCLUDE_ROWS: .*{message}"):
        setting(text)


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("schema_version", "schema_version"),
        ("SCHEMA_VERSION", "schema_version"),
        ("cache, schema_*", "schema_version"),
        ("user", "user"),
        ("User", "user"),
        ("u*", "user"),
        ("*", "schema_version"),
    ],
)
def test_the_ledger_and_the_accounts_are_always_backed_up(text: str, table: str) -> None:
    pattern = re.escape(text.rpartition(", ")[2])
    with pytest.raises(
        SettingsError, match=f"BACKUP_EXCLUDE_ROWS: .*{pattern} matches the table {table}"
    ):
        setting(text)
    assert setting("user_session, users, old_schema_version").patterns


def test_case_follows_the_server() -> None:
    patterns, tables = setting("ObjectCache, *_LOG"), ("objectcache", "ObjectCache", "a_log")
    assert patterns.select(tables, case_sensitive=True) == ("ObjectCache",)
    assert patterns.select(tables, case_sensitive=False) == tables
    assert patterns.unmatched(tables, case_sensitive=True) == ("*_LOG",)
    assert patterns.unmatched(tables, case_sensitive=False) == ()
    assert patterns.matching("a_log", case_sensitive=False) == "*_LOG"
