"""Properties of every file that the splitter accepts, and of any file."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from sysndd_migrator.errors import AmbiguousFile
from sysndd_migrator.files.splitter import Statement, split

# Pieces that interact: random characters would rarely put a quote next to a delimiter.
PIECES = st.sampled_from(
    [
        *(
            "'",
            '"',
            "`",
            "\\",
            "\\'",
            "''",
            "--",
            "-- ",
            "#",
            "/*",
            "*/",
            "/*!",
            "/*!50003 ",
            "/*+ ",
        ),
        *(";", "$$", "//", "\n", "\r\n", "\r", " ", "\t", "DELIMITER $$\n", "\nDELIMITER ;\n"),
        *(
            "delimiter //\n",
            "SELECT",
            " 1 ",
            "BEGIN",
            "END",
            "use x",
            "source y",
            "\\!",
            "N",
            "é",
            "日",
        ),
        *("\ufeff", "\x00", "\x01", "set sql_mode=", "ANSI", "-", "/", "*", "a", "$"),
    ]
)
FILES = st.lists(PIECES, max_size=40).map(lambda pieces: "".join(pieces).encode())

GAP = re.compile(
    rb"\A(?:\xef\xbb\xbf)?(?:[ \t\n\v\f\r]+|;|//|\$\$|(?:#|--)[^\n]*|/\*(?:(?!\*/).)*\*/"
    rb"|delimiter[ \t]+\S+[^\n]*)*\Z",
    re.DOTALL | re.IGNORECASE,
)


@given(FILES)
def test_slices_and_gaps_are_the_whole_file(data: bytes) -> None:
    try:
        statements = split(data)
    except AmbiguousFile:
        return
    rebuilt, end = b"", 0
    for statement in statements:
        gap = data[end : statement.start]
        assert GAP.match(gap), gap
        piece = data[statement.start : statement.end]
        assert piece.decode().replace("\r\n", "\n") == statement.text
        assert piece.strip() == piece != b""
        rebuilt += gap + piece
        end = statement.end
    assert GAP.match(data[end:]), data[end:]
    assert rebuilt + data[end:] == data


@given(st.binary(max_size=60) | FILES)
def test_any_bytes_are_split_or_refused_with_a_position(data: bytes) -> None:
    _, refused = attempt(data)
    if refused is not None:
        assert 1 <= refused.line <= data.count(b"\n") + 1
        assert refused.column >= 1
        assert refused.reason


@given(FILES)
@example(b"''\r\r\nSELECT")
@example(b"SELECT 'a\r\r\nb'")
def test_splitting_a_statement_again_gives_the_same_statement(data: bytes) -> None:
    try:
        statements = split(data)
    except AmbiguousFile:
        return
    for statement in statements:
        if ";" in statement.text or "$$" in statement.text or "//" in statement.text:
            continue  # held together by another delimiter or by quotes: not a file of its own
        (again,) = split(statement.text.encode())
        # Of CR CR LF the client takes one CR for the line's end, and of what is left again one.
        assert (again.text, again.canonical) == (
            statement.text.replace("\r\n", "\n"),
            statement.canonical.replace("\r\n", "\n"),
        )


@given(st.text(max_size=40))
def test_text_in_quotes_is_never_cut(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace("'", "''").replace("\0", "")
    data = f"SELECT '{quoted}'; SELECT 2".encode()
    statements = split(data)
    assert [statement.text for statement in statements] == [
        f"SELECT '{quoted}'".replace("\r\n", "\n"),
        "SELECT 2",
    ]


@given(FILES)
@example(b"\\\n")
def test_line_endings_don_t_matter(data: bytes) -> None:
    unix = data.replace(b"\r", b"")
    statements, refused = attempt(unix)
    same, refused_as_well = attempt(unix.replace(b"\n", b"\r\n"))
    assert [(s.text, s.canonical, s.line) for s in same] == [
        (s.text, s.canonical, s.line) for s in statements
    ]
    assert str(refused) == str(refused_as_well)


def attempt(data: bytes) -> tuple[tuple[Statement, ...], AmbiguousFile | None]:
    try:
        return split(data), None
    except AmbiguousFile as refused:
        return (), refused
