"""The filter that removes rows from a dump, in the formats of both clients."""

import pytest

from sysndd_backup.dump.excluded_rows import RowFilter
from sysndd_backup.dump.scanner import DumpScan, DumpStatistics

MARIADB = rb"""-- Table structure for table `cache`
CREATE TABLE `cache` (
  `v` text
);
LOCK TABLES `cache` WRITE;
/*!40000 ALTER TABLE `cache` DISABLE KEYS */;
<INSERT INTO `cache` VALUES
('a;\n'),
('INSERT INTO `kept` VALUES\n(1);\n');
>/*!40000 ALTER TABLE `cache` ENABLE KEYS */;
UNLOCK TABLES;
LOCK TABLES `kept` WRITE;
INSERT INTO `kept` VALUES
('INSERT INTO `cache` VALUES\n'),
('b');
<INSERT INTO `cache` (`v`) VALUES
('c');
>UNLOCK TABLES;
DELIMITER ;;
CREATE PROCEDURE `p`() BEGIN
INSERT INTO `cache` VALUES
(1);
END ;;
DELIMITER ;
-- Dump completed on 2026-11-30 12:00:00
"""
MYSQL = rb"""LOCK TABLES `cache` WRITE;
<INSERT INTO `cache` VALUES ('a),(b;\'\\'),('INSERT INTO `kept` VALUES (1);');
><INSERT INTO `cache` VALUES (NULL);
>UNLOCK TABLES;
INSERT INTO `kept` VALUES ('INSERT INTO `cache` VALUES (1);\n'),('b');
-- Dump completed on 2026-11-30 12:00:00
"""


def without_marked(text: bytes) -> bytes:
    """Return the text without the parts in angle brackets."""
    first, *parts = text.split(b"<")
    return first + b"".join(part.split(b">")[1] for part in parts)


@pytest.mark.parametrize("marked", [MARIADB, MYSQL], ids=["mariadb", "mysql"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 4096])
def test_only_the_rows_of_the_tables_are_removed(marked: bytes, size: int) -> None:
    dump = marked.replace(b"<", b"").replace(b">", b"")
    kept, statistics = bytearray(), DumpStatistics()
    scan = DumpScan(RowFilter({"cache"}, statistics, kept.extend))
    for start in range(0, len(dump), size):
        scan.feed(dump[start : start + size])
    scan.finish()
    assert bytes(kept) == without_marked(marked)
    assert statistics.rows_per_table == {"kept": 2}
    assert statistics.last_line.startswith(b"-- Dump completed")
