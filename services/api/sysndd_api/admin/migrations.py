"""The page of migrations: applied, pending with its plan, and what is not as it should be."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.admin import pages
from sysndd_api.http import context_of

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
    context = context_of(request)
    found = await context.migrations.list_all()
    waiting = [one for one in found.data if one.state in ("pending", "failed")]
    state, drift = await context.health.migrations_now()
    return pages.page(
        request,
        "migrations.html",
        application=context.settings.database.name,
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
