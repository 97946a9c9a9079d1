"""The scan of a dump: rows are counted correctly for any values and any chunk size."""

from hypothesis import given
from hypothesis import strategies as st

from sysndd_backup.dump.scanner import DumpScan, DumpStatistics, object_of

STORED_OBJECTS = rb"""DELIMITER ;;
CREATE DEFINER=`a`@`%` PROCEDURE `p``q`()
BEGIN
INSERT INTO `t` VALUES
(1);
CREATE TABLE `not a table` (
END ;;
DELIMITER ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`%`*/ /*!50003 TRIGGER x BEFORE INSERT ON t FOR EACH ROW
CREATE FUNCTION `in a body`() ;;
DELIMITER ;
"""
TRAILER = b"-- Dump completed on 2026-01-01"


class Copy(DumpStatistics):
    """Counts rows and objects, and reassembles the dump."""

    def __init__(self) -> None:
        super().__init__()
        self.text = b""

    def line(self, line: bytes, *, begins: bool) -> None:
        super().line(line, begins=begins)
        self.text += line + b"\n"

    def rows(self, table: str, data: bytes, count: int) -> None:
        super().rows(table, data, count)
        self.text += data


def escaped(text: str) -> bytes:
    """Quote a value as the clients of both vendors do (mysql_real_escape_string)."""
    data = text.encode()
    for byte, code in ((b"\\", b"\\\\"), (b"'", b"\\'"), (b"\n", b"\\n"), (b'"', b'\\"')):
        data = data.replace(byte, code)
    return b"'" + data + b"'"


values = st.text(alphabet="a(),;'\"\\\n`é", max_size=12).map(escaped) | st.just(b"NULL")
tables = st.lists(
    st.tuples(
        st.sampled_from(["t", "a table", "tick`"]),
        st.booleans(),
        st.lists(st.tuples(values, values), min_size=1, max_size=6),
    ),
    max_size=4,
)


@given(tables=tables, size=st.integers(1, 40))
def test_the_row_count_does_not_depend_on_the_size_of_chunks(
    tables: list[tuple[str, bool, list[tuple[bytes, bytes]]]], size: int
) -> None:
    dump, expected = STORED_OBJECTS, dict[str, int]()
    for name, one_line, rows in tables:
        quoted = name.replace("`", "``").encode()
        tuples = [b"(1," + b",".join(row) + b")" for row in rows]
        columns = b" (`a)`, `b`)" if len(rows) % 2 else b""
        dump += b"INSERT INTO `" + quoted + b"`" + columns + b" VALUES"
        dump += b" " + b",".join(tuples) if one_line else b"\n" + b",\n".join(tuples)
        dump += b";\n/*!40000 ALTER TABLE `x` ENABLE KEYS */;\n"
        expected[name] = expected.get(name, 0) + len(rows)
    dump += TRAILER + b"\n\n"
    statistics = Copy()
    scan = DumpScan(statistics)
    for at in range(0, len(dump), size):
        scan.feed(dump[at : at + size])
    scan.finish()
    assert statistics.rows_per_table == expected
    assert statistics.text == dump
    assert statistics.last_line == TRAILER
    assert statistics.objects == [("procedure", "p`q"), ("trigger", "")]


def test_kind_and_name_of_a_created_object() -> None:
    assert object_of(b"CREATE TABLE `TABLE` (") == ("table", "TABLE")
    assert object_of(b"/*!50001 VIEW `v` AS select 1 */;") == ("view", "v")
    assert object_of(b"/*!50001 CREATE VIEW `v` AS SELECT") is None
    assert object_of(b"CREATE DEFINER=`r` PACKAGE BODY `p` AS") == ("package body", "p")
    assert object_of(
        b"/*!50106 CREATE*/ /*!50117 DEFINER=`r`@`h`*/ /*!50106 EVENT `e` ON SCHEDULE"
    ) == ("event", "e")
