"""Answer Prometheus."""

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.http import context_of


async def scrape(request: Request) -> Response:
    """Return every figure in Prometheus' text format; the proxy does not route this address."""
    context = context_of(request)
    report = await context.health.report()
    text = context.metrics.exposition(report.checks, context.database.state)
    return Response(
        text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
    )
