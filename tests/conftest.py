"""Makes the real servers and a migrated site known to every test."""

from tests.support.http import api
from tests.support.servers import mariadb, private_mariadb, redis_server, smtp_catcher
from tests.support.site import database, site

__all__ = ["api", "database", "mariadb", "private_mariadb", "redis_server", "site", "smtp_catcher"]
