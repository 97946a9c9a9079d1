"""Poll, list and cancel jobs."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.http import Page, actor_of, context_of, query_of, reply
from sysndd_api.jobs.models import JobAccepted, JobLine, JobLines, JobQuery, JobView
from sysndd_core.db.database import utc


async def list_jobs(request: Request) -> Response:
    """List jobs, newest first."""
    query = query_of(request, JobQuery)
    rows, total = await context_of(request).jobs.page(
        limit=query.page_size, offset=query.offset, state=query.state, kind=query.kind
    )
    views = [JobView.from_row(row) for row in rows]
    return reply(Page[JobView](data=views, total=total, page=query.page, page_size=query.page_size))


async def get_job(request: Request) -> Response:
    """Return one job."""
    row = await context_of(request).jobs.get(request.path_params["job_id"])
    return reply(JobView.from_row(row))


async def cancel_job(request: Request) -> Response:
    """Cancel one job."""
    jobs = context_of(request).jobs
    row = await jobs.cancel(actor_of(request), request.path_params["job_id"])
    return reply(JobView.from_row(row), 202)


async def retry_job(request: Request) -> Response:
    """Submit the work of a failed job again."""
    jobs = context_of(request).jobs
    return accepted(await jobs.retry(actor_of(request), request.path_params["job_id"]))


async def job_lines(request: Request) -> Response:
    """List the log lines of one job."""
    jobs, job_id = context_of(request).jobs, request.path_params["job_id"]
    await jobs.get(job_id)
    lines = [
        JobLine(**row | {"logged_at": utc(row["logged_at"])}) for row in await jobs.lines(job_id)
    ]
    return reply(JobLines(data=lines))


def accepted(job_id: str) -> Response:
    """Return 202 with where to poll (RFC 9110, section 15.3.3)."""
    url = f"/api/admin/jobs/{job_id}"
    return reply(JobAccepted(job_id=job_id, status_url=url), 202, headers={"Location": url})
