"""Route of the migrations."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.migrations.service import Migrations
from sysndd_api.web.http import reply, service


async def list_migrations(request: Request) -> Response:
    """List applied and pending migrations with their effects."""
    return reply(await service(request, Migrations).list_all())
