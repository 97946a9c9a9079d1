"""A schema with all migrations of the application."""

from collections.abc import Iterator

import pytest

from tests.support.migrations import FILES, apply
from tests.support.servers import DatabaseServer


@pytest.fixture
def migrated(database_server: DatabaseServer) -> Iterator[str]:
    """Name of a separate schema for one test, with all migrations and without entities."""
    with database_server.temporary_schema("schema") as schema:
        apply(database_server, schema, *FILES)
        yield schema
