"""Drift: the current definitions of the schemas compared with those after the last run.

Each definition is stored in ``schema_object`` of the platform schema, so that a difference can be
reported in a sentence. If an object drifted before a run and the run did not change it, its old
expectation stays: a run never hides what was changed by hand.
"""

from collections.abc import Iterable, Mapping

from sysndd_core.db.schema_objects import OWN, RUNNING, TABLE, Snapshot, expected
from sysndd_core.sql.identifiers import qualified_name
from sysndd_migrator.server.session import Session, create_table
from sysndd_migrator.server.snapshot import differences, read_snapshot

_ROWS_PER_INSERT = 100


class Drift:
    """The expected definitions, stored in one platform schema.

    Args:
        session: Runs the queries.
        platform: Name of the platform schema.
    """

    def __init__(self, session: Session, platform: str) -> None:
        self._session = session
        self._platform = platform
        self.table = qualified_name(platform, TABLE)

    async def create(self) -> None:
        """Create the table if it does not exist.

        Raises:
            NotPermitted: The account lacks the privilege.
        """
        await create_table(self._session, self.table, _CREATE.format(table=self.table))

    async def expected(self, schema: str) -> Snapshot | None:
        """Return the recorded state of a schema, or None without a comparable record."""
        return await expected(self._session, self._platform, schema)

    async def current(self, schema: str) -> Snapshot:
        """Read the definitions of a schema, without the migrator's own tables."""
        return await read_snapshot(self._session, schema, contents=False, without=OWN)

    async def sentences(self, schema: str) -> list[str]:
        """Return a sentence for each object that differs from the state after the last run."""
        expected = await self.expected(schema)
        if expected is None:
            return []
        return [
            f"In {schema}, {text}." for text in differences(expected, await self.current(schema))
        ]

    async def drifted(self, schema: str) -> dict[str, tuple[str | None, str | None]]:
        """Return the objects that drifted: name → (expected definition, current definition)."""
        expected = await self.expected(schema)
        if expected is None:
            return {}
        recorded, found = expected.definitions, (await self.current(schema)).definitions
        return {
            name: (recorded.get(name), found.get(name))
            for name in recorded.keys() | found.keys()
            if recorded.get(name) != found.get(name)
        }

    async def suspend(self, schema: str) -> None:
        """Expect nothing until ``record``, also if the run is killed before."""
        await self._session.execute(
            f"REPLACE INTO {self.table} (schema_name, name, definition, server, recorded_at) "
            "VALUES (%s, %s, '', VERSION(), UTC_TIMESTAMP(6))",
            (schema, RUNNING),
        )

    async def record(
        self, schema: str, drifted: Mapping[str, tuple[str | None, str | None]]
    ) -> None:
        """Expect the current definitions from now on.

        Args:
            schema: Name of the schema.
            drifted: Objects that drifted before the run; those that the run did not change keep
                their expectation.
        """
        definitions = dict((await self.current(schema)).definitions)
        for name, (recorded, found) in drifted.items():
            if definitions.get(name) != found:
                continue  # changed by this run
            if recorded is None:
                definitions.pop(name, None)
            else:
                definitions[name] = recorded
        await self._session.execute("BEGIN")
        await self._session.execute(f"DELETE FROM {self.table} WHERE schema_name = %s", (schema,))
        rows = sorted(definitions.items())
        for at in range(0, len(rows), _ROWS_PER_INSERT):
            some = rows[at : at + _ROWS_PER_INSERT]
            marks = ", ".join(["(%s, %s, %s, VERSION(), UTC_TIMESTAMP(6))"] * len(some))
            await self._session.execute(
                f"INSERT INTO {self.table} (schema_name, name, definition, server, recorded_at) "
                f"VALUES {marks}",
                [value for name, definition in some for value in (schema, name, definition)],
            )
        await self._session.execute("COMMIT")


def drift_remarks(drifted: Mapping[str, Iterable[str]]) -> list[str]:
    """Return a remark for each object that had drifted before a run."""
    return [
        f"In {schema}, {name} differs from the result of the last run; "
        "see `sysndd-migrator status`."
        for schema, names in drifted.items()
        for name in names
    ]


_CREATE = """
CREATE TABLE IF NOT EXISTS {table} (
  schema_name VARCHAR(64) NOT NULL,
  name        VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL
              COMMENT 'kind and name, such as: table gene',
  definition  MEDIUMTEXT NOT NULL,
  server      VARCHAR(100) NOT NULL COMMENT 'version that worded the definition',
  recorded_at DATETIME(6) NOT NULL COMMENT 'UTC',
  PRIMARY KEY (schema_name, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""
