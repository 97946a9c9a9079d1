"""Routes of background jobs."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.jobs.models import JobAccepted, JobLines, JobQuery, JobView
from sysndd_api.jobs.service import Jobs
from sysndd_api.web.http import actor_of, query_of, reply, service
from sysndd_api.web.models import Page


async def list_jobs(request: Request) -> Response:
    """List jobs, newest first."""
    query = query_of(request, JobQuery)
    jobs, total = await service(request, Jobs).page(query)
    seen = [job.seen_by(actor_of(request)) for job in jobs]
    page = Page[JobView](data=[*seen], total=total, page=query.page, page_size=query.page_size)
    return reply(page)


async def get_job(request: Request) -> Response:
    """Return one job."""
    job = await service(request, Jobs).get(request.path_params["job_id"])
    return reply(job.seen_by(actor_of(request)))


async def cancel_job(request: Request) -> Response:
    """Cancel a queued or running job."""
    jobs, job_id = service(request, Jobs), request.path_params["job_id"]
    return reply(await jobs.cancel(actor_of(request), job_id), 202)


async def retry_job(request: Request) -> Response:
    """Submit a failed or cancelled job again."""
    jobs, job_id = service(request, Jobs), request.path_params["job_id"]
    return accepted(await jobs.retry(actor_of(request), job_id))


async def job_lines(request: Request) -> Response:
    """List the log lines of a job."""
    jobs, job_id = service(request, Jobs), request.path_params["job_id"]
    await jobs.get(job_id)
    return reply(JobLines(data=await jobs.lines(job_id)))


def accepted(job_id: str) -> Response:
    """Return 202 with the URL to poll (RFC 9110, section 15.3.3)."""
    url = f"/api/admin/jobs/{job_id}"
    return reply(JobAccepted(job_id=job_id, status_url=url), 202, headers={"Location": url})
