"""The pages of jobs: the list, one job with its log lines, cancelling and trying again."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.jobs.models import JobQuery
from sysndd_api.jobs.service import RETRYABLE, Jobs
from sysndd_api.pages import page_route
from sysndd_api.pages.admin.cancelling import effects_of, undo_of
from sysndd_api.pages.admin.progress import TITLES, shown
from sysndd_api.pages.confirm_dialog import ConfirmDialog, confirm
from sysndd_api.pages.listing import Listing
from sysndd_api.pages.page_route import done, view_of
from sysndd_api.pages.rendering import redirect, render
from sysndd_api.web.http import actor_of, service
from sysndd_core.errors import JobNotCancellable
from sysndd_core.jobs.models import JOBS
from sysndd_core.jobs.rows import JobState

_JOBS = "/admin/jobs"


class JobsView(JobQuery):
    """What the list is asked for."""

    page_size: int = 25


async def list_page(request: Request) -> Response:
    """List jobs."""
    view = view_of(request, JobsView)
    jobs, total = await service(request, Jobs).page(view)
    listing = Listing(request, [shown(job, RETRYABLE) for job in jobs], total, view)
    return page_route.page(
        request,
        "jobs.html",
        listing=listing,
        view=view,
        states=[state.value for state in JobState],
        kinds=[(job.job_kind, TITLES.get(job.job_kind, job.job_kind)) for job in JOBS],
        any_active=any(one.is_active for one in listing.items),
    )


async def detail_page(request: Request) -> Response:
    """Show one job, live while it runs."""
    return page_route.page(request, "job.html", **await _detail(request))


async def live_part(request: Request) -> Response:
    """Show the part of a job's page that changes while it runs."""
    return render(request, "parts/job_live.html", **await _detail(request))


async def progress_part(request: Request) -> Response:
    """Show how far a job is; the end of it tells the page to look at its lists again."""
    view = shown(await service(request, Jobs).get(request.path_params["job_id"]), RETRYABLE)
    headers = {} if view.is_active else {"HX-Trigger-After-Swap": "job-ended"}
    return render(request, "parts/progress.html", headers=headers, shown=view)


async def confirm_cancel(request: Request) -> Response:
    """Ask before a job is broken off.

    Raises:
        JobNotCancellable: it has ended meanwhile.
    """
    view = shown(await service(request, Jobs).get(request.path_params["job_id"]), RETRYABLE)
    if not view.is_active:
        raise JobNotCancellable()
    dialog = ConfirmDialog(
        title=f"Cancel: {view.title.lower()}",
        effects=effects_of(view.job),
        undo=undo_of(view.job),
        button="Cancel the job",
        back=f"{_JOBS}/{view.job.id}",
    )
    return confirm(request, dialog)


async def cancel(request: Request) -> Response:
    """Cancel one job."""
    job_id = request.path_params["job_id"]
    await service(request, Jobs).cancel(actor_of(request), job_id)
    return done(f"{_JOBS}/{job_id}", "cancelled")


async def retry(request: Request) -> Response:
    """Submit the work of a failed job again."""
    jobs = service(request, Jobs)
    return redirect(f"{_JOBS}/{await jobs.retry(actor_of(request), request.path_params['job_id'])}")


async def _detail(request: Request) -> dict[str, Any]:
    jobs, job_id = service(request, Jobs), request.path_params["job_id"]
    view = shown(await jobs.get(job_id), RETRYABLE)
    return {
        "shown": view,
        "lines": await jobs.lines(job_id),
        "payload": json.dumps(view.job.payload, indent=2, ensure_ascii=False),
        "result": json.dumps(view.job.result, indent=2, ensure_ascii=False)
        if view.job.result
        else None,
        "worker": view.job.worker,
        "request_id_of_job": view.job.request_id,
    }
