"""``new``: writes the next numbered file, with guards that work on MariaDB and MySQL."""

import os
import re
from pathlib import Path

from sysndd_core.db.schema_version import list_migrations
from sysndd_migrator.errors import InputUnreadable, NotClean

_NOT_A_NAME = re.compile(r"[^A-Za-z0-9]+")


def write_new(directory: Path, name: str) -> Path:
    """Write the next migration.

    Args:
        directory: The application's migrations.
        name: Description in a few words: ``add gene note`` becomes ``add_gene_note``.

    Returns:
        Path of the new file.

    Raises:
        InputUnreadable: The directory cannot be read or written.
        NotClean: The name contains no letter or digit.
    """
    slug = _NOT_A_NAME.sub("_", name.removesuffix(".sql")).strip("_").lower()
    if not slug:
        raise NotClean(f"{name!r} contains no letter or digit. Describe what the migration does.")
    try:
        listed = list_migrations(directory).files
        number = max((file.number for file in listed), default=0) + 1
        width = max((len(file.filename.split("_")[0]) for file in listed), default=3)
        path = directory / f"{number:0{width}d}_{slug}.sql"
        _write(path, _TEMPLATE.format(number=f"{number:0{width}d}", title=slug.replace("_", " ")))
    except OSError as error:
        raise InputUnreadable(f"{directory} cannot be used: {error.strerror}.") from error
    return path


def _write(path: Path, text: str) -> None:
    # Exclusive, because another process may use the same number at the same time.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w") as file:
        file.write(text)


_TEMPLATE = """\
-- {number}: {title}: describe here what changes and why.
--
-- Must be repeatable without effect, on MariaDB 10.6+ and MySQL 8.0+. Keep the pattern that fits,
-- delete the others. Write names without a schema. `sysndd-migrator verify` runs the file twice,
-- `lint` reports unsafe statements, `plan` measures what each statement would lock.

-- A table: IF NOT EXISTS is portable. State engine, character set and collation: defaults differ.
-- CREATE TABLE IF NOT EXISTS example (
--   example_id INT UNSIGNED NOT NULL AUTO_INCREMENT,
--   name       VARCHAR(100) NOT NULL,
--   PRIMARY KEY (example_id)
-- ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- A column or an index: ADD COLUMN IF NOT EXISTS exists only on MariaDB, so query first.
-- SET @missing = (
--   SELECT COUNT(*) = 0 FROM information_schema.COLUMNS
--   WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'example' AND COLUMN_NAME = 'note'
-- );
-- SET @ddl = IF(@missing, 'ALTER TABLE example ADD COLUMN note TEXT NULL', 'DO 0');
-- PREPARE change_table FROM @ddl;
-- EXECUTE change_table;
-- DEALLOCATE PREPARE change_table;
-- (for an index: information_schema.STATISTICS and INDEX_NAME; for a constraint: TABLE_CONSTRAINTS)

-- A view, trigger or routine: drop it if it exists, then create it.
-- DROP TRIGGER IF EXISTS example_before_insert;
-- CREATE TRIGGER example_before_insert BEFORE INSERT ON example
--   FOR EACH ROW SET NEW.name = TRIM(NEW.name);

-- Rows: only missing ones. INSERT IGNORE would also hide truncated values and violated keys.
-- INSERT INTO example (name)
-- SELECT wanted.name FROM (SELECT 'first' AS name UNION ALL SELECT 'second') AS wanted
-- WHERE NOT EXISTS (SELECT 1 FROM example AS present
--   WHERE present.name = CONVERT(wanted.name USING utf8mb4) COLLATE utf8mb4_unicode_ci);

-- What must hold afterwards; otherwise the file fails:
-- -- assert: SELECT COUNT(*) = 2 FROM example
"""
