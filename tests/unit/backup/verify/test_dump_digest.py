"""The digest of a dump: what two versions of a client write differently is no difference."""

import pytest

from sysndd_backup.dump.scanner import DumpScan
from sysndd_backup.verify.dump_digest import DumpDigest, Part, differences

# As mariadb-dump 10.11.19 and 11.8.9 write the same table.
OLDER = b"""\
-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
/*!40101 SET NAMES utf8mb4 */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;

--
-- Table structure for table `t`
--

CREATE TABLE `t` (
  `id` int(11) NOT NULL
) ENGINE=InnoDB;

--
-- Dumping data for table `t`
--

LOCK TABLES `t` WRITE;
/*!40000 ALTER TABLE `t` DISABLE KEYS */;
INSERT INTO `t` VALUES
(1),
(2);
/*!40000 ALTER TABLE `t` ENABLE KEYS */;
UNLOCK TABLES;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;
-- Dump completed on 2026-11-30 17:29:12
"""
NEWER = (
    OLDER.replace(b"10.19  Distrib 10.11.19", b"10.20-11.8.9")
    .replace(
        b"/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */",
        b"/*M!100616 SET @OLD_NOTE_VERBOSITY=@@NOTE_VERBOSITY, NOTE_VERBOSITY=0 */",
    )
    .replace(
        b"LOCK TABLES `t`", b"SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0;\nLOCK TABLES `t`"
    )
    .replace(b"UNLOCK TABLES;", b"UNLOCK TABLES;\nCOMMIT;\nSET AUTOCOMMIT=@OLD_AUTOCOMMIT;")
    .replace(
        b"/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */",
        b"/*M!100616 SET NOTE_VERBOSITY=@OLD_NOTE_VERBOSITY */",
    )
)


def digests(dump: bytes) -> dict[str, Part]:
    digest = DumpDigest("sysndd")
    scan = DumpScan(digest)
    scan.feed(dump)
    scan.finish()
    return digest.parts()


def test_what_the_client_adds_for_the_session_is_no_difference() -> None:
    assert differences(digests(OLDER), digests(NEWER)) == []


@pytest.mark.parametrize(
    ("content", "changed", "part"),
    [
        (b"(1),", b"(3),", "rows of the table t"),
        (b"int(11)", b"bigint(20)", "structure of the table t"),
        (b"NAMES utf8mb4", b"NAMES latin1", "settings at the beginning"),
    ],
)
def test_a_changed_part_is_named(content: bytes, changed: bytes, part: str) -> None:
    (found,) = differences(digests(OLDER), digests(NEWER.replace(content, changed)))
    assert found.part == part
    assert (changed.decode() in found.second) == (not found.in_rows)
