"""All checks; they run in the order of these imports."""

# ruff: noqa: I001 - the order matters
from sysndd_preflight.checks import configuration as configuration
from sysndd_preflight.checks import proxy_files as proxy_files
from sysndd_preflight.checks import compose_files as compose_files
from sysndd_preflight.checks import images as images
from sysndd_preflight.checks import database as database
from sysndd_preflight.checks import privileges as privileges
from sysndd_preflight.checks import dependencies as dependencies
from sysndd_preflight.checks import routes as routes
from sysndd_preflight.checks import readiness as readiness
from sysndd_preflight.checks import backup_cycle as backup_cycle
from sysndd_preflight.catalog import CATALOG

__all__ = ["CATALOG"]
