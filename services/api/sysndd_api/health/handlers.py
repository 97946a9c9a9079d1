"""Routes of liveness, readiness and the health report."""

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
    """Return 200 while the process runs; checks nothing else."""
    return reply(Live())


async def ready(request: Request) -> Response:
    """Return 200 only if the database answers, no table is missing and no migration is pending."""
    found = await service(request, Health).readiness()
    if found.ready:
        return reply(Ready(status="pass", pending_migrations=0))
    answer = Ready(status="fail", reason=found.reason, pending_migrations=found.pending_migrations)
    return reply(answer, 503, headers={"Retry-After": "5"})


async def report(request: Request) -> Response:
    """Return the health status; administrators also get every check with its reason."""
    found = await service(request, Health).report()
    details = await service(request, Guard).admits(request, Access.VIEWER)
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
