"""Live, ready, and the report."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.health.models import HealthReport, Live, Ready
from sysndd_api.health.service import Health
from sysndd_api.security.access import Access
from sysndd_api.web.guard import Guard
from sysndd_api.web.http import reply, service
from sysndd_core import __version__
from sysndd_core.health import Status


async def live(_: Request) -> Response:
    """Answer 200 while the process runs; asks nobody else."""
    return reply(Live())


async def ready(request: Request) -> Response:
    """Answer 200 only when the database answers and no migration is pending."""
    found = await service(request, Health).readiness()
    if found.ready:
        return reply(Ready(status="pass", pending_migrations=0))
    answer = Ready(status="fail", reason=found.reason, pending_migrations=found.pending_migrations)
    return reply(answer, 503, headers={"Retry-After": "5"})


async def report(request: Request) -> Response:
    """Report status and numbers; every part with its reason for administrators."""
    found = await service(request, Health).report()
    details = await service(request, Guard).admits(request, Access.ADMINISTRATOR)
    answer = HealthReport(
        status=found.status.value,
        version=__version__,
        pending_migrations=found.pending_migrations,
        queue_depth=found.queue_depth,
        checks={name: check.document() for name, check in found.checks.items()}
        if details
        else None,
    )
    status = 503 if found.status is Status.FAIL else 200
    return reply(answer, status, media_type="application/health+json")
