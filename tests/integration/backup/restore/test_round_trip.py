"""Round trip on both vendors: after a restore, a new dump equals the first one in each part."""

from collections.abc import AsyncIterator

import pytest

from sysndd_backup.archive.compression import open_reader
from sysndd_backup.archive.encryption import Keys
from sysndd_backup.jobs import BackupPolicy
from sysndd_backup.verify.dump_digest import NormalizedReader, Part, differences
from sysndd_core.jobs.models import Consent, CreateBackup, RestoreBackup
from tests.support.site import Site
from tests.support.workers import BackupBench, backup_bench

# Separated by lines of `--`; all statements run in one session, in the application schema.
EVERYTHING = r"""
SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'
--
CREATE TABLE `a table` (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, parent INT NULL, title VARCHAR(100), body TEXT,
  doubled INT GENERATED ALWAYS AS (CHAR_LENGTH(title) * 2) STORED, upper_title VARCHAR(100) AS (UPPER(title)) VIRTUAL,
  FULLTEXT KEY words (body), KEY by_upper (upper_title), KEY by_doubled (doubled),
  CONSTRAINT up FOREIGN KEY (parent) REFERENCES `a table` (id) ON DELETE SET NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='it''s "quoted"; -- so'
--
INSERT INTO `a table` (id, parent, title, body) VALUES
  (7, NULL, 'line\nbreak),\n(''quote', 'back\\slash `tick` 🧬 é ß 日本'), (3, 7, '', 'a ; b'),
  (9, 9, NULL, REPEAT('INSERT INTO `x` VALUES (1),(2);\n', 500))
--
CREATE TABLE `odd``näme` (
  `col umn` INT NOT NULL PRIMARY KEY, j JSON, b LONGBLOB, bits BIT(12), e ENUM('a','b''c'), s SET('x','y'),
  d DECIMAL(30,10), f DOUBLE, f4 FLOAT, big BIGINT UNSIGNED, y YEAR, t TIME(6), bin BINARY(5), vb VARBINARY(9)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
--
INSERT INTO `odd``näme` VALUES
  (1, '{"a": [1, "),(\\" ", null], "🧬": {}}', x'00010A0D1A22275C7FFF', b'101010101010', 'b''c', 'x,y',
   -12345678901234567890.0123456789, 1.7976931348623157e308, 3.4e38, 18446744073709551615, 2155,
   '-838:59:59.000000', 'a', ''),
  (2, NULL, NULL, NULL, NULL, NULL, NULL, 2.2250738585072014e-308, -0.1, 0, 1901, NULL, NULL, NULL),
  (3, '[]', '', b'0', '', '', 0, -0.0, 0, 1, 0, '00:00:00.000001', x'0000000000', x'00')
--
CREATE TABLE dates (
  id INT NOT NULL PRIMARY KEY, d DATE NOT NULL, dt DATETIME(6) NOT NULL, ts TIMESTAMP(3) NULL,
  made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
--
INSERT INTO dates (id, d, dt, ts, made) VALUES
  (1, '0000-00-00', '0000-00-00 00:00:00', NULL, '2026-03-29 01:30:00'),
  (2, '2026-00-00', '9999-12-31 23:59:59.999999', '2026-10-25 02:30:00.123', '2026-01-01'),
  (3, '1000-01-01', '2026-02-28 00:00:00.000001', '2038-01-19 03:14:06.999', '2026-01-01')
--
CREATE TABLE log (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, what TEXT) DEFAULT CHARSET=latin1
--
CREATE TABLE empty_one (id INT NOT NULL PRIMARY KEY, CONSTRAINT positive CHECK (id > 0))
--
CREATE TRIGGER before_it BEFORE INSERT ON `a table` FOR EACH ROW
BEGIN
  -- a comment; with a semicolon
  IF NEW.title IS NULL THEN SET NEW.title = 'no; title'; END IF;
END
--
CREATE TRIGGER after_it AFTER UPDATE ON `a table` FOR EACH ROW
INSERT INTO log (what) VALUES (CONCAT('changed ', OLD.id))
--
CREATE TRIGGER {app}.`named``so` AFTER INSERT ON {app}.dates FOR EACH ROW
INSERT INTO `{app}`.log (what) VALUES ('a date')
--
CREATE TRIGGER `{app}`
  . over_lines
  BEFORE DELETE
  ON `{app}`.`dates` FOR EACH
  ROW SET @gone = OLD.id
--
CREATE FUNCTION twice(x INT) RETURNS INT DETERMINISTIC RETURN x * 2
--
CREATE PROCEDURE fill(IN many INT)
BEGIN /* ; */
  DECLARE at INT DEFAULT 0;
  WHILE at < many DO SET at = at + 1; END WHILE;
  SELECT ';' AS s, twice(many) AS n;
END
--
CREATE VIEW v_first AS SELECT id, title, twice(id) AS n FROM `a table` WHERE title <> 'a;b'
--
CREATE VIEW v_second AS SELECT COUNT(*) AS n, MAX(v.n) AS most FROM v_first AS v
--
CREATE ALGORITHM=MERGE VIEW a_view_before_its_base AS SELECT * FROM v_second
--
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 03:00:00' DISABLE DO DELETE FROM log
--
CREATE EVENT later ON SCHEDULE AT '2035-01-01 00:00:00' ON COMPLETION PRESERVE ENABLE
COMMENT 'it''s' DO BEGIN DELETE FROM log; DELETE FROM log; END
"""


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    with site.server.connect(site.app) as connection, connection.cursor() as cursor:
        for statement in EVERYTHING.split("\n--\n"):
            cursor.execute(statement.replace("{app}", site.app))
    async with backup_bench(site) as bench:
        bench.policy = BackupPolicy()
        yield bench


def parts(bench: BackupBench, name: str) -> dict[str, Part]:
    """Return the digest of a backup, which ignores the date, definers and the schema's name."""
    with open_reader(bench.store.path(name), Keys()) as source:
        reader = NormalizedReader(source, bench.site.app, "elsewhere")
        while reader.read():
            pass
    return reader.digest.parts()


def checksums(bench: BackupBench) -> dict[str, object]:
    """Return ``CHECKSUM TABLE`` of each table, including one with a backtick in its name."""
    server, app = bench.site.server, bench.site.app
    tables = server.execute(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = %s AND table_type = 'BASE TABLE'",
        (app,),
    )
    quoted = {table: table.replace("`", "``") for (table,) in tables}
    return {
        table: server.execute(f"CHECKSUM TABLE `{app}`.`{name}`")[0][1]
        for table, name in quoted.items()
    }


async def test_all_kinds_of_objects_and_values_are_restored(bench: BackupBench) -> None:
    server, app = bench.site.server, bench.site.app
    row = await bench.run(CreateBackup())
    assert row["state"] == "succeeded", row["error"]
    (first,) = bench.store.manifests()
    assert first.verification == "verified"
    assert first.rows_per_table["a table"] == 3
    assert first.rows_per_table["odd`näme"] == 3
    assert (first.rows_per_table["dates"], first.rows_per_table["empty_one"]) == (3, 0)
    assert first.event_count == 2
    # Only MySQL has a DDL fence; see decision 005 for MariaDB.
    assert first.ddl_fenced is not server.is_mariadb
    before = checksums(bench)

    server.execute(f"DROP TABLE `{app}`.`odd``näme`")
    server.execute(f"DELETE FROM `{app}`.dates")
    for view in ("a_view_before_its_base", "v_second", "v_first"):
        server.execute(f"DROP VIEW `{app}`.{view}")
    server.execute(f"DROP PROCEDURE `{app}`.fill")
    row = await bench.run(RestoreBackup(name=first.name, accept=tuple(Consent)))
    assert row["state"] == "succeeded", row["error"]
    assert checksums(bench) == before
    row = await bench.run(CreateBackup())
    assert row["state"] == "succeeded", row["error"]
    second = bench.store.manifests()[0]
    assert differences(parts(bench, first.name), parts(bench, second.name)) == []
    assert (first.rows_per_table, first.table_count) == (second.rows_per_table, second.table_count)
    # The stored objects also work.
    assert server.execute(f"SELECT n FROM `{app}`.a_view_before_its_base") == ((2,),)
    server.execute(f"INSERT INTO `{app}`.`a table` (id) VALUES (20)")
    assert server.execute(f"SELECT title FROM `{app}`.`a table` WHERE id = 20") == (("no; title",),)
    server.execute(f"INSERT INTO `{app}`.dates (id, d, dt) VALUES (9, '2026-01-01', '2026-01-01')")
    assert server.execute(f"SELECT what FROM `{app}`.log") == (("a date",),)
    statuses = server.execute(
        "SELECT event_name, status FROM information_schema.events WHERE event_schema = %s", (app,)
    )
    assert dict(statuses) == {"nightly": "DISABLED", "later": "ENABLED"}
