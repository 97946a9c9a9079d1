"""The page of migrations: applied, pending, and what is not as it should be."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.admin import pages
from sysndd_api.http import context_of


async def page(request: Request) -> Response:
    """Show what was applied with its effects, and what is pending."""
    context = context_of(request)
    found = await context.migrations.list_all()
    report = await context.health.report()
    return pages.page(
        request,
        "migrations.html",
        application=context.settings.database.name,
        migrations=found.data,
        pending=[one for one in found.data if one.state in ("pending", "failed")],
        remarks=[
            check.reason
            for name, check in report.checks.items()
            if name in ("migrations", "drift") and check.reason
        ],
    )
