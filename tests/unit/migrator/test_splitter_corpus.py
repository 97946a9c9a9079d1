"""The splitter on tricky files.

``corpus/expected.json`` holds what the client sends for each accepted file; an integration test
compares the same files with the real client.
"""

import json
from pathlib import Path

import pytest

from sysndd_migrator.errors import AmbiguousFile
from sysndd_migrator.files.splitter import split

CORPUS = Path(__file__).parent / "corpus"
ACCEPTED = sorted((CORPUS / "accepted").glob("*.sql"))
REFUSED = sorted((CORPUS / "refused").glob("*.sql"))
EXPECTED = json.loads((CORPUS / "expected.json").read_text(encoding="utf-8"))


def test_the_corpus_is_large_enough_and_complete() -> None:
    assert len(ACCEPTED) >= 60
    assert len(REFUSED) >= 40
    assert sorted(EXPECTED["accepted"]) == [path.stem for path in ACCEPTED]
    assert sorted(EXPECTED["refused"]) == [path.stem for path in REFUSED]


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_an_accepted_file_gives_the_recorded_statements(path: Path) -> None:
    statements = split(path.read_bytes(), path.name)
    assert [statement.text for statement in statements] == EXPECTED["accepted"][path.stem]


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_offsets_and_lines_point_at_the_text(path: Path) -> None:
    data = path.read_bytes()
    end = 0
    for statement in split(data, path.name):
        assert end <= statement.start < statement.end <= len(data)
        sliced = data[statement.start : statement.end].decode()
        assert sliced.replace("\r\n", "\n") == statement.text
        assert statement.line == data.count(b"\n", 0, statement.start) + 1
        end = statement.end


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_a_refused_file_names_position_and_reason(path: Path) -> None:
    with pytest.raises(AmbiguousFile) as refused:
        split(path.read_bytes(), path.name)
    assert str(refused.value) == EXPECTED["refused"][path.stem]
    assert str(refused.value).startswith(
        f"{path.name}:{refused.value.line}:{refused.value.column}:"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"SELECT 1;", b"-- why\nSELECT /* really */ 1 ;\n"),
        (b"SELECT 1;\nSELECT 2;", b"SELECT\r\n1;SELECT\t2\r\n"),
        (b"DELIMITER $$\nSELECT 1$$", b"SELECT 1;"),
        (b"\xef\xbb\xbfSELECT 1;", b"SELECT 1"),
    ],
)
def test_comments_and_whitespace_are_not_part_of_the_canonical_text(
    one: bytes, other: bytes
) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"SELECT 'a b'", b"SELECT 'a  b'"),
        (b"SELECT '/* a */'", b"SELECT '/* b */'"),
        (b"SELECT 1 /*! , 2 */", b"SELECT 1 /*! , 3 */"),
        (b"SELECT /*+ NO_RANGE_OPTIMIZATION(t) */ 1", b"SELECT 1"),
        (b"SELECT 1; SELECT 2", b"SELECT 2; SELECT 1"),
    ],
)
def test_all_other_text_is_part_of_the_canonical_text(one: bytes, other: bytes) -> None:
    assert canonical(one) != canonical(other)


def canonical(data: bytes) -> list[str]:
    return [statement.canonical for statement in split(data)]


def test_a_long_file_is_split_in_reasonable_time() -> None:
    line = b"INSERT INTO gene (id, symbol) VALUES (1, 'it''s; here'), (2, \"x\"); -- note\n"
    statements = split(line * 40_000)
    assert len(statements) == 40_000
    assert statements[-1].line == 40_000
