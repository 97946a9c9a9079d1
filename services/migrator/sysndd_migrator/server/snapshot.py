"""Everything a schema holds, by object: to say WHAT two states of it differ in.

``fingerprint`` answers whether, fast and for a few objects; this answers what, for all of them.
"""

from collections.abc import Iterator

from sysndd_core.db.schema_objects import (
    Snapshot,
    definitions,
    differences,
    first_difference,
)
from sysndd_core.db.schema_version import LEDGER
from sysndd_core.sql.identifiers import qualified_name
from sysndd_migrator.server.session import Session

__all__ = ["Snapshot", "differences", "missing_or_different", "read_snapshot"]


async def read_snapshot(
    session: Session, schema: str, *, contents: bool, without: frozenset[str] = frozenset()
) -> Snapshot:
    """Read a schema.

    Args:
        session: where to ask.
        schema: its name.
        contents: count and checksum the rows too; reads every table.
        without: names of tables to leave out, besides the ledger.
    """
    found = await definitions(session, schema, without=without | {LEDGER})
    tables = [name.removeprefix("table ") for name in found if name.startswith("table ")]
    return Snapshot(
        found, {name: await _contents(session, schema, name) for name in tables if contents}
    )


async def _contents(session: Session, schema: str, name: str) -> tuple[int, int | None]:
    table = qualified_name(schema, name)
    counted = await session.fetch_all(f"SELECT COUNT(*) AS n FROM {table}")
    checked = await session.fetch_all(f"CHECKSUM TABLE {table}")
    value = checked[0]["Checksum"]
    return int(counted[0]["n"]), None if value is None else int(value)


def missing_or_different(wanted: Snapshot, found: Snapshot) -> Iterator[str]:
    """Yield what of ``wanted`` is not in ``found`` as it should be; more than wanted is no fault."""
    for name, definition in sorted(wanted.definitions.items()):
        present = found.definitions.get(name)
        if present is None:
            yield f"{name} is missing"
        elif present != definition:
            yield f"{name} differs: {first_difference(definition, present)}"
