"""Route of the Prometheus metrics."""

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.health.service import Health
from sysndd_api.metrics.service import Metrics
from sysndd_api.web.http import service


async def scrape(request: Request) -> Response:
    """Return the metrics in Prometheus text format; not routed by the proxy."""
    report = await service(request, Health).report()
    text = service(request, Metrics).exposition(report.checks)
    return Response(
        text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
    )
