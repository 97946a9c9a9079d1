"""The page of migrations: applied, pending with its plan, and what is not as it should be."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.health.service import Health
from sysndd_api.migrations.service import Migrations
from sysndd_api.pages import page_route
from sysndd_api.settings import ApiSettings
from sysndd_api.web.http import service

# What each class of lock means for those who use the table meanwhile (docs/migrator.md).
LOCKS = {
    "INSTANT": ("ok", "no copy; reads and writes go on"),
    "INPLACE": ("ok", "reads and writes go on while it works"),
    "INPLACE_SHARED": ("warn", "writes wait until it is done"),
    "COPY": ("fail", "the table is copied; writes wait until it is done"),
    "NEW": ("ok", "a new table; nobody waits"),
    "DEFINITION": ("ok", "a definition only; waits for open transactions"),
    "ROWS": ("warn", "locks the rows it touches"),
    "SESSION": ("", "this connection only"),
    "UNKNOWN": ("warn", "can't be told"),
}
_UNKNOWN = ("warn", "of a class that this version does not know")


async def page(request: Request) -> Response:
    """Show what was applied with its effects, what is pending with its plan, and drift by name."""
    found = await service(request, Migrations).list_all()
    waiting = [one for one in found.data if one.state in ("pending", "failed")]
    state, drift = await service(request, Health).migrations_now()
    return page_route.page(
        request,
        "migrations.html",
        application=service(request, ApiSettings).database.name,
        migrations=found.data,
        pending=waiting,
        unmeasured=[one.filename for one in waiting if one.plan is None],
        changed=[
            one.filename for one in found.data if one.changed_since and one.state == "applied"
        ],
        missing=[one.filename for one in found.data if one.state == "missing"],
        locks=LOCKS,
        lock_otherwise=_UNKNOWN,
        remark=state.reason,
        drift=drift,
    )
