"""A schema that all of the application's migrations were applied to."""

from collections.abc import Iterator

import pytest

from tests.integration.schema.migrations import FILES, apply
from tests.support.servers import TestMariadb


@pytest.fixture
def migrated(mariadb: TestMariadb) -> Iterator[str]:
    """Name of a separate schema with all migrations applied and without entities."""
    with mariadb.temporary_schema("schema") as schema:
        apply(mariadb, schema, *FILES)
        yield schema
