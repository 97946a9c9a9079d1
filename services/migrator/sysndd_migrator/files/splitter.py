"""Splits an SQL file into the statements that the command-line client would send, or refuses it.

One strict state machine with the rules of ``mariadb`` and ``mysql`` in batch mode (the functions
``read_and_execute`` and ``add_line`` of their source, ``client/mysql.cc``):

- A statement ends at the delimiter, which ``DELIMITER x`` at the start of a line changes.
- Quotes hide the delimiter; a backslash escapes inside ``'…'`` and ``"…"``, not inside backticks.
- ``#``, ``-- `` (followed by whitespace, or a row of dashes before a statement) and ``/* … */`` are
  comments and do not nest; ``/*! … */`` and ``/*M! … */`` are code.
- The last statement may lack its delimiter.

Where the client guesses, drops text or acts itself instead of sending SQL, the file is refused,
with the position. Between the statements there are only whitespace, comments, delimiters and
``DELIMITER`` lines, so slices and gaps together are the file, byte for byte.
"""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from sysndd_migrator.errors import AmbiguousFile
from sysndd_migrator.files.ambiguity import reason_to_refuse
from sysndd_migrator.files.lexing import EXECUTABLE_PREFIX

BOM = b"\xef\xbb\xbf"

# The client stores the delimiter in a buffer of 16 bytes.
_LONGEST_DELIMITER = 15

# Words of code with single spaces between them, which is most of a file: none of them can start a
# quote, a comment or DELIMITER. (This only saves time; the rules below accept them as well.)
_WORDS = rb"[(),.=<>0-9A-CE-Za-ce-z_][(),.=<>0-9A-Za-z_]*"
_PLAIN_WORDS = re.compile(_WORDS + rb"(?: " + _WORDS + rb")*(?=[ \t\n\r;'\"`/#-]|\Z)")
_BLANKS = re.compile(rb"[ \t\n\v\f\r]+")
_DELIMITER_LINE = re.compile(rb"[ \t\v\f]*delimiter(?!\w)([^\n]*)(?:\n|\Z)", re.IGNORECASE)
_DELIMITER_ARGUMENT = re.compile(rb"[ \t\v\f]+(\S+)[ \t\v\f\r]*(?:(?:#|--[ \t]).*)?\Z", re.DOTALL)
_LINE_COMMENT = re.compile(rb"[^\n]*")
_STRING = {
    ord("'"): re.compile(rb"'[^'\\]*(?:\\.[^'\\]*)*'", re.DOTALL),
    ord('"'): re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL),
    ord("`"): re.compile(rb"`[^`]*`"),
}
_QUOTE_NAMES = {ord("'"): "string", ord('"'): "string", ord("`"): "quoted name"}
# MySQL 9's client and server: $tag$ … $tag$ is text in which nothing ends a statement.
_DOLLAR_QUOTE = re.compile(rb"(?<![0-9A-Za-z_$\x80-\xff])\$[0-9A-Za-z_\x80-\xff]*\$")
_LONGEST_TAG = 64
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_WORD = re.compile(rb"[0-9A-Za-z_\x80-\xff]")
_DASHES_ALONE = re.compile(rb"-{2,}(?=[ \t\r\n\v\f]|\Z)")
_COMMENT_START = re.compile(rb"-|#|/\*")
_EXECUTABLE_COMMENT = re.compile(rb"/\*M?!")
# Inside a comment, the client skips the two bytes of /* and so misses the end in /*/; after /*! it
# misses the first line end. The server recognizes both.
_CONFUSING_IN_COMMENT = re.compile(rb"/\*(?:/|M?!)")
# A new delimiter is nearly always punctuation; a column named delimiter is followed by a type.
_STRAY_DELIMITER = re.compile(
    rb"delimiter[ \t]+([;$/|!@%^&~+:<>?*]+)[ \t\r]*(?:\n|\Z)", re.IGNORECASE
)


@dataclass(frozen=True)
class Statement:
    """One statement of a file.

    Attributes:
        text: Text that is sent: the slice ``[start:end]`` of the file with CRLF replaced by LF, as
            the client does.
        start: Offset of its first byte in the file, byte order mark included.
        end: Offset after its last byte.
        line: Line on which it starts, from 1.
        column: First character in that line, from 1.
        canonical: Text without comments and with single spaces, which must not change after the
            statement was applied.
    """

    text: str
    start: int
    end: int
    line: int
    column: int
    canonical: str

    @cached_property
    def plain(self) -> str:
        """The canonical text without a leading ``/*!50000``."""
        return EXECUTABLE_PREFIX.sub("", self.canonical).removesuffix("*/").strip()


def split(data: bytes, name: str = "<sql>") -> tuple[Statement, ...]:
    """Split a file into its statements.

    Args:
        data: The whole file, UTF-8.
        name: Name of the file, for messages.

    Returns:
        The statements in order.

    Raises:
        AmbiguousFile: The file is ambiguous; contains position and reason.
    """
    return _Splitter(data, name).run()


class _Splitter:
    """The state: a position, the delimiter, and the open statement, if any."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        self.position = len(BOM) if data.startswith(BOM) else 0
        self.delimiter = b";"
        self.statements: list[Statement] = []
        self.counted = 0
        self.lines_counted = 0
        self._forget_statement()

    def _forget_statement(self) -> None:
        self.first: int | None = None
        self.last = 0
        self.executable: int | None = None
        self.pieces: list[bytes] = []

    def run(self) -> tuple[Statement, ...]:
        self._check_encoding()
        while self.position < len(self.data):
            self._step()
        self._refuse_open_executable_comment()
        if self.first is not None:
            self._finish_statement()
        return tuple(self.statements)

    def _check_encoding(self) -> None:
        if self.data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise self._refused(0, "the file is UTF-16; save it as UTF-8")
        nul = self.data.find(b"\0")
        if nul >= 0:
            raise self._refused(nul, "the file contains a NUL byte")
        try:
            self.data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._refused(error.start, "this is not UTF-8 text") from None

    def _step(self) -> None:
        data, at = self.data, self.position
        if self.delimiter == b";" and (words := _PLAIN_WORDS.match(data, at)):
            self._take(words.end())
        elif blanks := _BLANKS.match(data, at):
            self._gap(blanks.end())
        elif self._at_delimiter_line():
            self._change_delimiter()
        elif data[at] == 0x5C:
            self._backslash()
        elif data.startswith(self.delimiter, at):
            self._end_statement()
        elif data[at] == 0x23 or self._at_dashes():
            self._line_comment()
        elif data.startswith(b"/*", at):
            self._open_comment()
        elif data.startswith(b"*/", at) and self.executable is not None:
            self._close_executable_comment()
        elif data[at] in _STRING:
            self._string()
        else:
            self._code()

    def _gap(self, end: int) -> None:
        if self.first is not None and (not self.pieces or self.pieces[-1] != b" "):
            self.pieces.append(b" ")
        self.position = end

    def _take(self, end: int) -> None:
        if self.first is None:
            self.first = self.position
        self.pieces.append(self.data[self.position : end])
        self.position = self.last = end

    def _at_delimiter_line(self) -> bool:
        # Most statements do not start with a d, so one byte is checked before the expression.
        if self.first is not None or self.data[self.position] | 0x20 != 0x64:
            return False
        return _DELIMITER_LINE.match(self.data, self.position) is not None

    def _change_delimiter(self) -> None:
        at = self.position
        start_of_line = self.data.rfind(b"\n", 0, at) + 1
        before = self.data[start_of_line:at].removeprefix(BOM if start_of_line == 0 else b"")
        if before.strip():
            raise self._refused(at, "DELIMITER works only at the start of a line")
        line = _DELIMITER_LINE.match(self.data, at)
        assert line is not None
        argument = _DELIMITER_ARGUMENT.match(line[1])
        if argument is None:
            raise self._refused(at, "DELIMITER must be followed by one word, the new delimiter")
        self.delimiter = self._checked_delimiter(argument[1], at)
        self.position = line.end()

    def _checked_delimiter(self, word: bytes, at: int) -> bytes:
        shown = word.decode()
        if re.search(rb"""['"`\\]""", word):
            raise self._refused(at, f"the delimiter {shown} contains a quote or a backslash")
        if re.search(rb"#|--|/\*|\*/", word):
            raise self._refused(at, f"the delimiter {shown} can be read as a comment")
        if len(word) > _LONGEST_DELIMITER:
            raise self._refused(at, f"a delimiter has at most {_LONGEST_DELIMITER} bytes")
        return word

    def _backslash(self) -> None:
        after = self.data[self.position + 1 : self.position + 2]
        if after != b"N":
            command = f"\\{after.decode('utf-8', 'replace')}".rstrip()
            raise self._refused(self.position, f"{command} is a command of the client, not SQL")
        self._take(self.position + 2)

    def _end_statement(self) -> None:
        at, end = self.position, self.position + len(self.delimiter)
        if self.executable is not None:
            raise self._refused(at, "the delimiter is inside /*! … */ and would split the comment")
        if self._joins_words(at, at) or self._joins_words(end, end):
            raise self._refused(at, f"the delimiter {self.delimiter.decode()} is inside a word")
        if self.first is not None:
            self._finish_statement()
        self.position = end

    def _joins_words(self, end: int, start: int) -> bool:
        """Return whether a word ends at one offset and a word starts at the other."""
        if end == 0 or start >= len(self.data):
            return False
        return bool(_WORD.match(self.data, end - 1) and _WORD.match(self.data, start))

    def _at_dashes(self) -> bool:
        if not self.data.startswith(b"--", self.position):
            return False
        after = self.data[self.position + 2 : self.position + 3]
        if after and _CONTROL.match(after):
            raise self._refused(self.position, "a control character follows --")
        if not after or after.isspace():
            return True
        if self.first is None:
            if _DASHES_ALONE.match(self.data, self.position):
                return True
            raise self._refused(
                self.position,
                "MariaDB's client drops this line and MySQL's sends it; write a space after --",
            )
        if _COMMENT_START.match(self.data, self.position + 2):
            # The client drops the text after the dashes, and the server gets the rest as a comment.
            raise self._refused(
                self.position, "a comment that starts with -- needs a space after it"
            )
        return False

    def _line_comment(self) -> None:
        match = _LINE_COMMENT.match(self.data, self.position)
        assert match is not None
        bare = match[0].rstrip(b"\r").find(b"\r")
        if bare >= 0:
            raise self._refused(
                self.position + bare, "a lone carriage return does not end this comment"
            )
        self._gap(match.end())

    def _open_comment(self) -> None:
        at = self.position
        code = _EXECUTABLE_COMMENT.match(self.data, at)
        if self.executable is not None:
            raise self._refused(at, "there is a comment inside /*! … */")
        if code:
            self.executable = at
            self._take(code.end())
            return
        end = self.data.find(b"*/", at + 2)
        if end < 0:
            raise self._refused(at, "this comment is never closed")
        if confusing := _CONFUSING_IN_COMMENT.search(self.data, at + 2, end + 2):
            raise self._refused(
                confusing.start(), f"{confusing[0].decode()} inside a comment confuses the client"
            )
        if self._joins_words(at, end + 2) and self.data[end + 2] >= 0x80:
            raise self._refused(at, "the client drops this comment and joins the words around it")
        if self.data.startswith(b"/*+", at) and self.first is not None:
            self._take(end + 2)  # optimizer hints have an effect, so they are part of the checksum
        else:
            self._gap(end + 2)

    def _close_executable_comment(self) -> None:
        if self.data.startswith(b"*/*", self.position):
            raise self._refused(self.position, "the client reads the start of a comment in */*")
        self.executable = None
        self._take(self.position + 2)

    def _refuse_open_executable_comment(self) -> None:
        if self.executable is not None:
            raise self._refused(self.executable, "this /*! … */ is never closed")

    def _string(self) -> None:
        at = self.position
        match = _STRING[self.data[at]].match(self.data, at)
        if match is None:
            raise self._refused(at, f"this {_QUOTE_NAMES[self.data[at]]} is never closed")
        self._take(match.end())

    def _code(self) -> None:
        at = self.position
        if control := _CONTROL.match(self.data, at):
            raise self._refused(at, f"there is a control character (0x{control[0].hex()})")
        if self.data.startswith(BOM, at):
            raise self._refused(at, "there is a byte order mark inside the file")
        if self.data.startswith(b"*/", at) and not self.data.startswith(b"*/*", at):
            raise self._refused(at, "*/ closes no comment (comments do not nest)")
        self._refuse_misplaced_delimiter_command(at)
        run = _code_run(self.delimiter[:1]).match(self.data, at)
        end = run.end() if run else at + 1
        self._refuse_dollar_quote(at, end)
        self._take(end)

    def _refuse_dollar_quote(self, at: int, end: int) -> None:
        quote = _DOLLAR_QUOTE.search(self.data, at, end + _LONGEST_TAG)
        if quote and quote.start() < end:
            raise self._refused(
                quote.start(),
                f"{quote[0].decode('utf-8', 'replace')} starts a quoted text on MySQL 9 and is a "
                "name on MariaDB; is a DELIMITER missing?",
            )

    def _refuse_misplaced_delimiter_command(self, at: int) -> None:
        if self.data[at] | 0x20 != 0x64 or self.data[at : at + 9].lower() != b"delimiter":
            return
        if self.first is None:
            raise self._refused(at, "no statement starts with DELIMITER")
        command = _STRAY_DELIMITER.match(self.data, at)
        start_of_line = self.data.rfind(b"\n", 0, at) + 1
        alone = not self.data[start_of_line:at].strip()
        if command and (alone or command[1] not in {b";", self.delimiter}):
            raise self._refused(at, "DELIMITER inside a statement; end the statement before it")
        if self.data[at - 1 : at] in {b"\n", b"/"}:
            # The client reads it as its command, and joins this line and the next.
            raise self._refused(at, "a line of a statement starts with DELIMITER; indent it")

    def _finish_statement(self) -> None:
        assert self.first is not None
        canonical = b"".join(self.pieces).replace(b"\r\n", b"\n").decode().strip()
        text = self.data[self.first : self.last].replace(b"\r\n", b"\n").decode()
        if reason := reason_to_refuse(canonical, self.delimiter.decode()):
            raise self._refused(self.first, reason)
        line, column = self._line_and_column(self.first)
        self.statements.append(Statement(text, self.first, self.last, line, column, canonical))
        self._forget_statement()

    def _line_and_column(self, offset: int) -> tuple[int, int]:
        start_of_line = self.data.rfind(b"\n", 0, offset) + 1
        before = self.data[start_of_line:offset].removeprefix(BOM if start_of_line == 0 else b"")
        if offset < self.counted:
            self.counted = self.lines_counted = 0
        # Counting from the start each time would take minutes for a long file.
        self.lines_counted += self.data.count(b"\n", self.counted, offset)
        self.counted = offset
        return self.lines_counted + 1, len(before.decode("utf-8", "replace")) + 1

    def _refused(self, offset: int, reason: str) -> AmbiguousFile:
        line, column = self._line_and_column(offset)
        return AmbiguousFile(self.name, line, column, reason)


@lru_cache(maxsize=32)
def _code_run(first_of_delimiter: bytes) -> re.Pattern[bytes]:
    """Match a run of bytes without special meaning under this delimiter."""
    special = re.escape(b"'\"`#-/*\\ \t\n\v\f\r\xef" + first_of_delimiter)
    return re.compile(rb"[^\x00-\x08\x0e-\x1f\x7f" + special + rb"]+")
