"""The page of migrations: applied files, the plan of pending ones, and drift."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.health.service import Health
from sysndd_api.migrations.service import Migrations
from sysndd_api.pages import page_route
from sysndd_api.settings import ApiSettings
from sysndd_api.web.http import service

# The effect of each lock class on other clients of the table (docs/migrator.md).
LOCKS = {
    "INSTANT": ("ok", "no copy; reads and writes continue"),
    "INPLACE": ("ok", "reads and writes continue"),
    "INPLACE_SHARED": ("warn", "reads continue; writes wait until it is done"),
    "COPY": ("fail", "the table is copied; writes wait until it is done"),
    "NEW": ("ok", "new table; no client waits"),
    "DEFINITION": ("ok", "definition only; waits for open transactions"),
    "ROWS": ("warn", "locks the rows that it changes"),
    "SESSION": ("", "this connection only"),
    "UNKNOWN": ("warn", "unknown"),
}
_UNLISTED_LOCK = ("warn", "lock class not known to this version")


async def page(request: Request) -> Response:
    """Show applied migrations, pending ones with their plan, and schema drift."""
    found = await service(request, Migrations).list_all()
    pending = [migration for migration in found.data if migration.state in ("pending", "failed")]
    state, drift = await service(request, Health).migrations_now()
    return page_route.page(
        request,
        "migrations.html",
        application=service(request, ApiSettings).database.name,
        migrations=found.data,
        managed=found.managed,
        pending=pending,
        unmeasured=[migration.filename for migration in pending if migration.plan is None],
        changed=[
            migration.filename
            for migration in found.data
            if migration.changed_since and migration.state == "applied"
        ],
        missing=[migration.filename for migration in found.data if migration.state == "missing"],
        locks=LOCKS,
        unlisted_lock=_UNLISTED_LOCK,
        remark=state.reason,
        drift=drift,
        damage=await service(request, Health).damage(),
    )
