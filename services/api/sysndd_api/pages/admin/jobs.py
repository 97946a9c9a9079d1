"""The pages of jobs: the list, one job with its log, cancelling and retrying."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.jobs.models import JobQuery
from sysndd_api.jobs.service import RETRYABLE, Jobs
from sysndd_api.pages import page_route
from sysndd_api.pages.admin.cancellation import cancel_effects, cancel_title, cancel_undo
from sysndd_api.pages.admin.progress import job_progress, job_title
from sysndd_api.pages.confirm_dialog import ConfirmDialog, confirm
from sysndd_api.pages.listing import Listing
from sysndd_api.pages.page_route import page_query_of, redirect_with_notice
from sysndd_api.pages.rendering import redirect, render
from sysndd_api.web.http import actor_of, service
from sysndd_core.errors import JobNotCancellable
from sysndd_core.jobs.models import JOBS
from sysndd_core.jobs.rows import JobState

_JOBS = "/admin/jobs"


class JobListQuery(JobQuery):
    """Filters and page of the list."""

    page_size: int = 25


async def list_page(request: Request) -> Response:
    """List jobs."""
    query = page_query_of(request, JobListQuery)
    jobs, total = await service(request, Jobs).page(query)
    listing = Listing(
        request, [job_progress(job, RETRYABLE, actor_of(request)) for job in jobs], total, query
    )
    return page_route.page(
        request,
        "jobs.html",
        listing=listing,
        query=query,
        states=[state.value for state in JobState],
        kinds=[(job.job_kind, job_title(job.job_kind)) for job in JOBS],
        any_active=any(item.is_active for item in listing.items),
    )


async def detail_page(request: Request) -> Response:
    """Show one job; the page updates while the job runs."""
    return page_route.page(request, "job.html", **await _detail(request))


async def live_part(request: Request) -> Response:
    """Render the part of a job's page that changes while the job runs."""
    return render(request, "parts/job_live.html", **await _detail(request))


async def progress_part(request: Request) -> Response:
    """Render a job's progress; when the job has ended, make the page reload its lists."""
    progress = job_progress(
        await service(request, Jobs).get(request.path_params["job_id"]),
        RETRYABLE,
        actor_of(request),
    )
    headers = {} if progress.is_active else {"HX-Trigger-After-Swap": "job-ended"}
    return render(request, "parts/progress.html", headers=headers, progress=progress)


async def confirm_cancel(request: Request) -> Response:
    """Ask for confirmation before a job is cancelled.

    Raises:
        JobNotCancellable: The job has already ended.
    """
    progress = job_progress(
        await service(request, Jobs).get(request.path_params["job_id"]),
        RETRYABLE,
        actor_of(request),
    )
    if not progress.is_active:
        raise JobNotCancellable()
    dialog = ConfirmDialog(
        title=cancel_title(progress.job),
        effects=cancel_effects(progress.job),
        undo=cancel_undo(progress.job),
        button="Cancel job",
        dismiss="Keep running",
        back=f"{_JOBS}/{progress.job.id}",
    )
    return confirm(request, dialog)


async def cancel(request: Request) -> Response:
    """Cancel a job."""
    job_id = request.path_params["job_id"]
    await service(request, Jobs).cancel(actor_of(request), job_id)
    return redirect_with_notice(f"{_JOBS}/{job_id}", "cancelled")


async def retry(request: Request) -> Response:
    """Retry a failed or cancelled job."""
    jobs = service(request, Jobs)
    return redirect(f"{_JOBS}/{await jobs.retry(actor_of(request), request.path_params['job_id'])}")


async def _detail(request: Request) -> dict[str, Any]:
    jobs, job_id = service(request, Jobs), request.path_params["job_id"]
    progress = job_progress(await jobs.get(job_id), RETRYABLE, actor_of(request))
    job = progress.job
    return {
        "progress": progress,
        "lines": await jobs.lines(job_id),
        "payload": json.dumps(job.payload, indent=2, ensure_ascii=False),
        "result": json.dumps(job.result, indent=2, ensure_ascii=False) if job.result else None,
        "worker": job.worker,
        "request_id_of_job": job.request_id,
    }
