"""List migrations."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.http import context_of, reply


async def list_migrations(request: Request) -> Response:
    """List applied and pending migrations with their effects."""
    return reply(await context_of(request).migrations.list_all())
