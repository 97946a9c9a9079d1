"""Provides the fixtures of tests/support to every test."""

import pytest
from hypothesis import HealthCheck, settings

from tests.support.accounts import lifecycle
from tests.support.catchers import builtin_catcher, smtp_catcher
from tests.support.http import api
from tests.support.migrator import workspace
from tests.support.pages import page_client
from tests.support.s3 import bucket, s3_server
from tests.support.servers import database_server, private_database_server, redis_server
from tests.support.site import database, site

__all__ = [
    "api",
    "bucket",
    "builtin_catcher",
    "database",
    "database_server",
    "lifecycle",
    "page_client",
    "private_database_server",
    "redis_server",
    "s3_server",
    "site",
    "smtp_catcher",
    "workspace",
]

# The first draw on a new machine builds tables of all characters, which takes seconds. Benchmarks
# measure durations; tests do not.
settings.register_profile(
    "sysndd", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("sysndd")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that read emails; `make lane LANE=mailpit` runs them with the real Mailpit."""
    for item in items:
        if isinstance(item, pytest.Function) and "smtp_catcher" in item.fixturenames:
            item.add_marker("reads_mail")
