"""All objects of a schema, to report in which objects two states of it differ.

``fingerprint`` detects a difference, quickly and for a few objects. A snapshot names it.
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
        session: Runs the queries.
        schema: Name of the schema.
        contents: Also count and checksum the rows, which reads every table.
        without: Names of tables to exclude, in addition to the ledger.
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


def missing_or_different(expected: Snapshot, found: Snapshot) -> Iterator[str]:
    """Yield a sentence for each object of ``expected`` that is missing or different in ``found``.

    Additional objects in ``found`` are not reported.
    """
    for name, definition in sorted(expected.definitions.items()):
        present = found.definitions.get(name)
        if present is None:
            yield f"{name} is missing"
        elif present != definition:
            yield f"{name} differs: {first_difference(definition, present)}"
