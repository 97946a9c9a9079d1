"""Live, ready, and the report."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.auth import Access
from sysndd_api.credentials import presented_token
from sysndd_api.health.models import HealthReport, Live, Ready
from sysndd_api.http import context_of, remote_of, reply
from sysndd_core import __version__
from sysndd_core.errors import SysnddError
from sysndd_core.health import Status


async def live(_: Request) -> Response:
    """Answer 200 while the process runs; asks nobody else."""
    return reply(Live())


async def ready(request: Request) -> Response:
    """Answer 200 only when the database answers and no migration is pending."""
    found = await context_of(request).health.readiness()
    if found.ready:
        return reply(Ready(status="pass", pending_migrations=0))
    answer = Ready(status="fail", reason=found.reason, pending_migrations=found.pending_migrations)
    return reply(answer, 503, headers={"Retry-After": "5"})


async def report(request: Request) -> Response:
    """Report status and numbers; every part with its reason for administrators."""
    found = await context_of(request).health.report()
    details = await _is_administrator(request)
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


async def _is_administrator(request: Request) -> bool:
    try:
        await context_of(request).sessions.authenticate(
            presented_token(request), Access.ADMINISTRATOR, remote=remote_of(request)
        )
    except SysnddError:
        # Also when the database is down: the report must still come, without its details.
        return False
    return True
