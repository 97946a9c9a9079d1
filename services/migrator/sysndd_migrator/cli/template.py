"""``new``: the next numbered file, with the guards that run on MariaDB and MySQL alike."""

import os
import re
from pathlib import Path

from sysndd_core.db.schema_version import list_migrations
from sysndd_migrator.errors import InputUnreadable, NotClean

_NOT_A_NAME = re.compile(r"[^A-Za-z0-9]+")


def write_new(directory: Path, name: str) -> Path:
    """Write the next migration.

    Args:
        directory: where the migrations are.
        name: what it does, in a few words: ``add gene note`` becomes ``add_gene_note``.

    Returns:
        The new file.

    Raises:
        InputUnreadable: the directory can't be read or written.
        NotClean: the name holds no letter or digit.
    """
    slug = _NOT_A_NAME.sub("_", name.removesuffix(".sql")).strip("_").lower()
    if not slug:
        raise NotClean(f"{name!r} holds no letter or digit; say what the migration does.")
    try:
        listed = list_migrations(directory).files
        number = max((file.number for file in listed), default=0) + 1
        width = max((len(file.filename.split("_")[0]) for file in listed), default=3)
        path = directory / f"{number:0{width}d}_{slug}.sql"
        _write(path, _TEMPLATE.format(number=f"{number:0{width}d}", title=slug.replace("_", " ")))
    except OSError as error:
        raise InputUnreadable(f"{directory} can't be used: {error.strerror}.") from error
    return path


def _write(path: Path, text: str) -> None:
    # Exclusive: somebody may be taking the same number at this moment.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w") as file:
        file.write(text)


_TEMPLATE = """\
-- {number}: {title}: say here what changes and why.
--
-- Must run again without harm, on MariaDB 10.6+ and MySQL 8.0+: keep the pattern that fits, delete the
-- rest. Names carry no schema. `sysndd-migrator verify` runs the file twice, `lint` checks the wording,
-- `plan` measures what each statement would lock. Of one number there may be one file.

-- A table: IF NOT EXISTS is portable here. Engine, character set and collation differ between servers.
-- CREATE TABLE IF NOT EXISTS example (
--   example_id INT UNSIGNED NOT NULL AUTO_INCREMENT,
--   name       VARCHAR(100) NOT NULL,
--   PRIMARY KEY (example_id)
-- ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- A column or an index: ADD COLUMN IF NOT EXISTS is MariaDB's alone, so ask first.
-- SET @missing = (
--   SELECT COUNT(*) = 0 FROM information_schema.COLUMNS
--   WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'example' AND COLUMN_NAME = 'note'
-- );
-- SET @ddl = IF(@missing, 'ALTER TABLE example ADD COLUMN note TEXT NULL', 'DO 0');
-- PREPARE change_table FROM @ddl;
-- EXECUTE change_table;
-- DEALLOCATE PREPARE change_table;
-- (for an index: information_schema.STATISTICS and INDEX_NAME; for a constraint: TABLE_CONSTRAINTS)

-- A view, trigger or routine: drop it if it is there, then create it.
-- DROP TRIGGER IF EXISTS example_before_insert;
-- CREATE TRIGGER example_before_insert BEFORE INSERT ON example FOR EACH ROW SET NEW.name = TRIM(NEW.name);

-- Rows: only those that are missing. INSERT IGNORE would also hide cut-off values and broken keys.
-- INSERT INTO example (name)
-- SELECT wanted.name FROM (SELECT 'first' AS name UNION ALL SELECT 'second') AS wanted
-- WHERE NOT EXISTS (SELECT 1 FROM example AS present
--   WHERE present.name = CONVERT(wanted.name USING utf8mb4) COLLATE utf8mb4_unicode_ci);

-- What must hold afterwards; the file fails when it does not:
-- -- assert: SELECT COUNT(*) = 2 FROM example
"""
