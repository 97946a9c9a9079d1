"""Defers secondary keys and foreign keys of a CREATE TABLE: they are cheaper to add afterwards.

Works on the text that ``SHOW CREATE TABLE`` gives and both vendors' dump clients repeat: each
column, key and constraint on a line of its own, indented by two spaces. What is not surely one of
those that can be added again in the same order stays where it is.
"""

import re
from dataclasses import dataclass

_HEAD = re.compile(rb"CREATE TABLE `((?:[^`]|``)+)` \($")
_KEY = re.compile(rb"  (UNIQUE |FULLTEXT |SPATIAL )?KEY `")
_ANY_KEY = re.compile(rb"  (?:\w+ )?(?:KEY|INDEX)\b")
_FOREIGN = re.compile(rb"  CONSTRAINT `(?:[^`]|``)+` FOREIGN KEY ")
_PRIMARY = re.compile(rb"  PRIMARY KEY \(`((?:[^`]|``)+)`")
_COUNTED = re.compile(rb"  `((?:[^`]|``)+)` .*\bAUTO_INCREMENT\b")


@dataclass(frozen=True)
class TableDefinition:
    """A table's definition in three steps.

    Attributes:
        table: quoted name.
        create: the CREATE TABLE statement, without what follows.
        keys: ALTER TABLE statements that add the keys that waited, once the rows are there.
        references: the one that adds the foreign keys, once every table has its keys; None where
            there are none.
        ordered_by_key: whether rows are stored by the primary key, in whatever order they come.
    """

    table: bytes
    create: bytes
    keys: tuple[bytes, ...] = ()
    references: bytes | None = None
    ordered_by_key: bool = False


def defer_keys(lines: list[bytes]) -> TableDefinition | None:
    """Split a definition.

    Args:
        lines: of the statement, without line breaks and without the last semicolon.

    Returns:
        None where this is not a table's definition as the servers write it.
    """
    head = _HEAD.match(lines[0])
    end = next((n for n, line in enumerate(lines) if line.startswith(b") ")), None)
    if head is None or end is None:
        return None
    table, parts, tail = b"`" + head[1] + b"`", lines[1:end], lines[end:]
    innodb = b" ENGINE=InnoDB" in tail[0]
    keys = _keys_that_can_wait(parts) if innodb else []
    foreign = [part for part in parts if _FOREIGN.match(part)]
    kept = [part.rstrip(b",") for part in parts if part not in keys and part not in foreign]
    create = b"\n".join([lines[0], b",\n".join(kept), *tail])
    return TableDefinition(
        table=table,
        create=create,
        keys=tuple(_alter(table, group) for group in _groups(keys)),
        references=_alter(table, foreign) if foreign else None,
        ordered_by_key=innodb and any(_PRIMARY.match(part) for part in parts),
    )


def _keys_that_can_wait(parts: list[bytes]) -> list[bytes]:
    keys = [part for part in parts if _KEY.match(part)]
    primary = next((found for part in parts if (found := _PRIMARY.match(part))), None)
    counted = next((found for part in parts if (found := _COUNTED.match(part))), None)
    others = [p for p in parts if _ANY_KEY.match(p) and not _KEY.match(p)]
    if any(not part.startswith(b"  PRIMARY KEY ") for part in others):
        # A kind of key that we don't know; the order in which keys were made is part of the result.
        return []
    if counted is not None and (primary is None or primary[1] != counted[1]):
        # The counter's column must be the first of some key from the beginning.
        return []
    if primary is None:
        # The rows are stored in the order of the first unique key.
        keys = [key for key in keys if not key.startswith(b"  UNIQUE ")]
    return keys


def _groups(keys: list[bytes]) -> list[list[bytes]]:
    """The server builds one FULLTEXT key at a time; a second one would copy the table row by row."""
    groups: list[list[bytes]] = []
    for key in keys:
        text = key.startswith(b"  FULLTEXT ")
        if not groups or (text and any(one.startswith(b"  FULLTEXT ") for one in groups[-1])):
            groups.append([])
        groups[-1].append(key)
    return groups


def _alter(table: bytes, parts: list[bytes]) -> bytes:
    added = b", ".join(b"ADD " + part.strip().rstrip(b",") for part in parts)
    return b"ALTER TABLE " + table + b" " + added
