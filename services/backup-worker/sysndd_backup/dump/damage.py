"""What a damaged schema's backup cannot contain, and what it contains nevertheless.

``--force`` makes the dump client continue after an error. It then still writes the definition of a
table whose rows cannot be read, and the rows before a damaged page. But it would also write the
definition of an unusable view, which could not be loaded, so these are left out.

Source: mariadb-dump(1) and mysqldump(1), ``--force`` and ``--ignore-table``.
"""

from dataclasses import dataclass, replace

import pymysql.err

from sysndd_backup.dump.dump import DumpResult
from sysndd_backup.server.server import Inventory
from sysndd_backup.server.unreadable import find_unreadable
from sysndd_core.backups.manifest import MissingObject, UnreadableObject
from sysndd_core.db.database import Database
from sysndd_core.db.schema_objects import show_create, shown_definition
from sysndd_core.errors import DatabaseUnavailable, DumpFailed, SysnddError

_EXCERPT = 1000


@dataclass(frozen=True)
class Damage:
    """The damage of a schema that was found before its dump.

    Attributes:
        objects: Tables and views that cannot be read, with their definitions.
    """

    objects: tuple[MissingObject, ...]

    @property
    def leave_out(self) -> tuple[str, ...]:
        """The names of tables and views that the dump client must not read."""
        return tuple(one.name for one in self.objects if one.kind == "view" or one.stops_server)

    def with_table_that_stops_server(self, name: str, reason: str) -> "Damage":
        """Return the damage with another table that must not be read."""
        found = MissingObject(kind="table", name=name, reason=reason, stops_server=True)
        return Damage((*(one for one in self.objects if one.name != name), found))

    def missing_from(self, inventory: Inventory, result: DumpResult) -> tuple[MissingObject, ...]:
        """Return everything that a dump does not contain, with the reason.

        Args:
            inventory: The objects of the schema.
            result: The dump.

        Raises:
            DumpFailed: A table is missing that can be read.
        """
        missing = {(one.kind, one.name): one for one in self.objects}
        for table, reason in result.broken_tables().items():
            missing["table", table] = MissingObject(kind="table", name=table, reason=reason)
        statistics = result.statistics
        for kind, name in sorted(inventory.named() - set(statistics.objects)):
            if (kind, name) in missing:
                continue
            if kind == "table":
                raise DumpFailed(
                    f"The dump does not contain the table {name}, although it can be read. The dump"
                    f" client reported: {result.errors[:_EXCERPT] or 'no error'}"
                )
            reason = "the dump client did not write it"
            missing[kind, name] = MissingObject(kind=kind, name=name, reason=reason)
        triggers = inventory.trigger_count - statistics.count("trigger")
        if triggers > 0:
            reason = f"the dump client did not write {triggers} of {inventory.trigger_count}"
            missing["trigger", ""] = MissingObject(kind="trigger", name="", reason=reason)
        return tuple(missing.values())

    def dumped(self, inventory: Inventory, result: DumpResult) -> Inventory:
        """Return the part of an inventory that a dump contains.

        Args:
            inventory: The objects of the schema.
            result: The dump.
        """
        found = set(result.statistics.objects)
        return replace(
            inventory,
            tables=tuple(name for name in inventory.tables if ("table", name) in found),
            views=tuple(name for name in inventory.views if ("view", name) in found),
            trigger_count=result.statistics.count("trigger"),
            routines=tuple(
                (kind, name) for kind, name in inventory.routines if (kind.lower(), name) in found
            ),
            events=tuple(name for name in inventory.events if ("event", name) in found),
        )


async def find_damage(database: Database, schema: str) -> Damage:
    """Find the tables and views of a schema that cannot be read.

    Args:
        database: The connection pool.
        schema: Name of the schema, not quoted.
    """
    unreadable = await find_unreadable(database, schema)
    return Damage(tuple([await _missing(database, schema, one) for one in unreadable]))


async def _missing(database: Database, schema: str, one: UnreadableObject) -> MissingObject:
    if one.stops_server:
        return MissingObject(**one.model_dump())
    try:
        rows = await database.fetch_all(show_create(one.kind.upper(), schema, one.name))
        definition = shown_definition(one.kind.upper(), list(rows[0].values()))
    except DatabaseUnavailable:
        raise
    except (pymysql.err.Error, SysnddError):
        definition = None
    return MissingObject(**one.model_dump(), definition=definition)
