"""A schema that all of the application's migrations were applied to."""

from collections.abc import Iterator

import pytest

from tests.support.migrations import FILES, apply
from tests.support.servers import DatabaseServer


@pytest.fixture
def migrated(database_server: DatabaseServer) -> Iterator[str]:
    """Name of a schema of this test's own, up to date and without any entity."""
    with database_server.temporary_schema("schema") as schema:
        apply(database_server, schema, *FILES)
        yield schema
