"""Removes keys from CREATE TABLE, because adding them after the rows is much faster.

The input is the output of ``SHOW CREATE TABLE``, which the dump clients of both vendors copy: each
column, key and constraint is on a separate line, indented by two spaces. A key is deferred only if
adding it later certainly produces the same table.
"""

import re
from dataclasses import dataclass

_HEAD = re.compile(rb"CREATE TABLE `((?:[^`]|``)+)` \($")
_KEY = re.compile(rb"  (UNIQUE |FULLTEXT |SPATIAL )?KEY `")
_ANY_KEY = re.compile(rb"  (?:\w+ )?(?:KEY|INDEX)\b")
_FOREIGN = re.compile(rb"  CONSTRAINT `(?:[^`]|``)+` FOREIGN KEY ")
_PRIMARY = re.compile(rb"  PRIMARY KEY \(`((?:[^`]|``)+)`")
_AUTO_INCREMENT = re.compile(rb"  `((?:[^`]|``)+)` .*\bAUTO_INCREMENT\b")


@dataclass(frozen=True)
class TableDefinition:
    """The definition of a table in three steps.

    Attributes:
        table: Quoted name of the table.
        create: CREATE TABLE statement without the deferred keys.
        keys: ALTER TABLE statements that add the deferred keys after the rows.
        references: ALTER TABLE statement that adds the foreign keys when all tables have their
            keys; None if there are no foreign keys.
        ordered_by_key: Whether the primary key determines the order in which rows are stored.
    """

    table: bytes
    create: bytes
    keys: tuple[bytes, ...] = ()
    references: bytes | None = None
    ordered_by_key: bool = False


def defer_keys(lines: list[bytes]) -> TableDefinition | None:
    """Split the definition of a table.

    Args:
        lines: Lines of the statement, without line breaks and without the last semicolon.

    Returns:
        The definition, or None if the statement is not in the format of the servers.
    """
    head = _HEAD.match(lines[0])
    end = next((n for n, line in enumerate(lines) if line.startswith(b") ")), None)
    if head is None or end is None:
        return None
    table, parts, tail = b"`" + head[1] + b"`", lines[1:end], lines[end:]
    innodb = b" ENGINE=InnoDB" in tail[0]
    keys = _deferrable_keys(parts) if innodb else []
    foreign = [part for part in parts if _FOREIGN.match(part)]
    rest = [part.rstrip(b",") for part in parts if part not in keys and part not in foreign]
    create = b"\n".join([lines[0], b",\n".join(rest), *tail])
    return TableDefinition(
        table=table,
        create=create,
        keys=tuple(_alter(table, group) for group in _groups(keys)),
        references=_alter(table, foreign) if foreign else None,
        ordered_by_key=innodb and any(_PRIMARY.match(part) for part in parts),
    )


def _deferrable_keys(parts: list[bytes]) -> list[bytes]:
    keys = [part for part in parts if _KEY.match(part)]
    primary = next((found for part in parts if (found := _PRIMARY.match(part))), None)
    increment = next((found for part in parts if (found := _AUTO_INCREMENT.match(part))), None)
    others = [p for p in parts if _ANY_KEY.match(p) and not _KEY.match(p)]
    if any(not part.startswith(b"  PRIMARY KEY ") for part in others):
        # An unknown kind of key. The order of keys is part of the definition.
        return []
    if increment is not None and (primary is None or primary[1] != increment[1]):
        # CREATE TABLE requires a key whose first column is the AUTO_INCREMENT column.
        return []
    if primary is None:
        # Without a primary key, the first unique key determines the order of the rows.
        keys = [key for key in keys if not key.startswith(b"  UNIQUE ")]
    return keys


def _groups(keys: list[bytes]) -> list[list[bytes]]:
    """Group keys by statement, with at most one FULLTEXT key in each.

    With two FULLTEXT keys in a statement, the server would copy the table row by row.
    """
    groups: list[list[bytes]] = []
    for key in keys:
        fulltext = key.startswith(b"  FULLTEXT ")
        if not groups or (fulltext and any(k.startswith(b"  FULLTEXT ") for k in groups[-1])):
            groups.append([])
        groups[-1].append(key)
    return groups


def _alter(table: bytes, parts: list[bytes]) -> bytes:
    added = b", ".join(b"ADD " + part.strip().rstrip(b",") for part in parts)
    return b"ALTER TABLE " + table + b" " + added
