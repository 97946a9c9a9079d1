"""Fixtures of the sites; tests/sites/conftest.py provides them to the tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import DatabaseServer
from tests.support.site import Site
from tests.support.sites.database import sysndd_database
from tests.support.sites.mediawiki import MediaWiki, install_mediawiki
from tests.support.sites.models import SiteDatabase
from tests.support.sites.packages import install_packages
from tests.support.sites.wordpress import WordPress, install_wordpress


@pytest.fixture(scope="session")
def site_packages() -> None:
    """PHP, WordPress and MediaWiki are installed on this machine."""
    install_packages()


@pytest.fixture
def wordpress(
    site_packages: None, database_server: DatabaseServer, tmp_path: Path
) -> Iterator[WordPress]:
    """A new WordPress site on the database server of the test session."""
    with install_wordpress(database_server, tmp_path) as site:
        yield site


@pytest.fixture
def mediawiki(
    site_packages: None, database_server: DatabaseServer, tmp_path: Path
) -> Iterator[MediaWiki]:
    """A new MediaWiki site on the database server of the test session."""
    with install_mediawiki(database_server, tmp_path) as site:
        yield site


@pytest.fixture
def sysndd(site: Site) -> Iterator[SiteDatabase]:
    """The database of a new SysNDD site, and an account for its rows."""
    with sysndd_database(site) as database:
        yield database
