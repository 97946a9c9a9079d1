"""A valid deployment on the servers of the test session."""

from collections.abc import Iterator

import pytest

from sysndd_preflight.deployment import Deployment
from tests.support.catchers import TestCatcher
from tests.support.preflight import make_deployment, remove_accounts
from tests.support.servers import DatabaseServer, TestRedis
from tests.support.site import Site, make_site


@pytest.fixture(scope="module")
def site(
    database_server: DatabaseServer,
    redis_server: TestRedis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """One migrated site for all tests; checks change nothing, and tests revert their changes."""
    directory = tmp_path_factory.mktemp("preflight")
    yield from make_site(database_server, redis_server, directory, pytest.MonkeyPatch())


@pytest.fixture
def deployment(site: Site, smtp_catcher: TestCatcher) -> Iterator[Deployment]:
    """A deployment whose accounts are created for each test, so that a test can change them."""
    site.backup_dir.chmod(0o700)
    yield make_deployment(site, smtp_catcher)
    remove_accounts(site)
