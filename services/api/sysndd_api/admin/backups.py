"""The page of backups: the list and what can be done with each."""

import asyncio
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.admin import pages
from sysndd_api.admin.backup_charts import size_chart
from sysndd_api.admin.listing import Listing
from sysndd_api.admin.pages import Form, done, form_of, view_of
from sysndd_api.admin.progress import DATABASE_KINDS, Shown, shown
from sysndd_api.admin.questions import Question, ask
from sysndd_api.admin.rendering import go_to, is_fragment, render
from sysndd_api.backups.models import BackupQuery
from sysndd_api.http import actor_of, context_of
from sysndd_api.jobs.service import RETRYABLE
from sysndd_api.middleware import UPLOAD_PATH
from sysndd_core.errors import InspectionNotFound
from sysndd_core.jobs.models import BackupKind

BACKUPS = "/admin/backups"
_PAGE_SIZE = 25
_CHART_BARS = 120
_SMALL_CHART_BARS = 40
_OUTCOME_SHOWN = timedelta(hours=1)
"""How long the outcome of the last job stays on the page of backups."""


class BackupsView(BackupQuery):
    """What the list is asked for."""

    page_size: int = _PAGE_SIZE


class ConfirmForm(Form):
    """The typed word."""

    confirm: str = ""


class RestoreForm(ConfirmForm):
    """And the second one, which a backup without an active Administrator wants."""

    second: str | None = None


class InspectForm(Form):
    """One table of the backup."""

    table: str = ""


async def list_page(request: Request) -> Response:
    """List backups, with what is at work, and what came of the last job."""
    context, view = context_of(request), view_of(request, BackupsView)
    everything = await context.backups.list_all()
    found, strays, undoable, jobs = await asyncio.gather(
        context.backups.search(view, everything),
        context.backups.strays(everything),
        context.restores.undoable(),
        _jobs(request),
    )
    return pages.page(
        request,
        "backups.html",
        listing=Listing(
            request, found[view.offset : view.offset + view.page_size], len(found), view
        ),
        view=view,
        kinds=[kind.value for kind in BackupKind],
        total=len(everything),
        total_bytes=sum(one.size_bytes for one in everything),
        jobs=jobs,
        busy=any(one.is_active for one in jobs),
        undoable=undoable,
        strays=strays,
        chart=size_chart(everything[:_CHART_BARS], width=1080),
        small_chart=size_chart(everything[:_SMALL_CHART_BARS], width=320),
    )


async def create(request: Request) -> Response:
    """Start a backup."""
    await context_of(request).backups.create(actor_of(request))
    return go_to(BACKUPS)


async def upload_page(request: Request) -> Response:
    """Take a file; the page's script sends it to the API's own address and shows how far it is."""
    return pages.page(request, "backup_upload.html", address=UPLOAD_PATH)


async def detail_page(request: Request) -> Response:
    """Show all that is known of one backup."""
    manifest = await context_of(request).backups.get(request.path_params["name"])
    looks = [
        one for one in await context_of(request).inspections.all() if one.backup == manifest.name
    ]
    return pages.page(
        request,
        "backup.html",
        backup=manifest,
        inspections=looks,
        jobs=await _jobs(request, active_only=True),
    )


async def verify(request: Request) -> Response:
    """Start the proof of a backup."""
    await context_of(request).backups.verify(actor_of(request), request.path_params["name"])
    return go_to(BACKUPS)


async def pin(request: Request) -> Response:
    """Keep a backup whatever retention says."""
    return await _pin(request, pinned=True)


async def ask_unpin(request: Request) -> Response:
    """Ask before retention may decide about a backup again."""
    manifest = await context_of(request).backups.get(request.path_params["name"])
    question = Question(
        title=f"Unpin {manifest.name}",
        effects=(
            "Retention decides about this backup again, the next time after a backup was made.",
            "If it is older than what is to be kept, it is deleted then. The last proven backup"
            " never is.",
        ),
        undo="It can be pinned again for as long as it is there; deleted by retention, it is gone"
        " for good.",
        button="Unpin",
        back=f"{BACKUPS}/{manifest.name}",
    )
    return ask(request, question)


async def unpin(request: Request) -> Response:
    """Let retention decide again."""
    return await _pin(request, pinned=False)


async def delete_page(request: Request) -> Response:
    """Ask for the word before a backup is deleted."""
    manifest = await context_of(request).backups.get(request.path_params["name"])
    return pages.page(request, "backup_delete.html", backup=manifest)


async def delete(request: Request) -> Response:
    """Delete a backup for good."""
    form = await form_of(request, ConfirmForm)
    name = request.path_params["name"]
    await context_of(request).backups.delete(actor_of(request), name, form.confirm)
    return done(BACKUPS, "deleted")


async def restore_page(request: Request) -> Response:
    """Show what a restore would change, and ask for the word."""
    name = request.path_params["name"]
    context = context_of(request)
    preview = await context.restores.preview(name)
    return pages.page(
        request,
        "restore.html",
        backup=await context.backups.get(name),
        preview=preview,
        undo_hours=context.settings.backup.undo_hours,
    )


async def restore(request: Request) -> Response:
    """Start a restore."""
    form = await form_of(request, RestoreForm)
    name = request.path_params["name"]
    await context_of(request).backups.restore(actor_of(request), name, form.confirm, form.second)
    return go_to(BACKUPS)


async def dry_run(request: Request) -> Response:
    """Start to compare a backup with live, accounts included."""
    name, context = request.path_params["name"], context_of(request)
    job_id = await context.inspections.dry_run(actor_of(request), name)
    if not is_fragment(request):
        return go_to(f"/admin/jobs/{job_id}")
    row = await context.jobs.get(job_id)
    return render(request, "parts/dry_run.html", shown=shown(row, RETRYABLE))


async def dry_run_part(request: Request) -> Response:
    """Show how far a dry run is, and then what it found."""
    row = await context_of(request).jobs.get(request.path_params["job_id"])
    return render(request, "parts/dry_run.html", shown=shown(row, RETRYABLE))


async def inspect(request: Request) -> Response:
    """Start to load one table into a schema of its own."""
    form = await form_of(request, InspectForm)
    name = request.path_params["name"]
    await context_of(request).inspections.inspect(actor_of(request), name, form.table)
    return go_to(f"{BACKUPS}/{name}")


async def ask_drop_inspection(request: Request) -> Response:
    """Ask before the schema of an inspection is dropped.

    Raises:
        InspectionNotFound.
    """
    schema = request.path_params["schema"]
    every = await context_of(request).inspections.all()
    one = next((one for one in every if one.schema_name == schema), None)
    if one is None:
        raise InspectionNotFound()
    question = Question(
        title=f"Drop the look into {one.table_name}",
        effects=(
            f"The schema {schema} is dropped, with whatever was changed in it.",
            "Backup and live database are not touched.",
        ),
        undo=f"As long as {one.backup} is there, the table can be loaded from it again.",
        button="Drop it now",
        back=f"{BACKUPS}/{one.backup}",
    )
    return ask(request, question)


async def drop_inspection(request: Request) -> Response:
    """Start to drop the schema of an inspection."""
    schema = request.path_params["schema"]
    job_id = await context_of(request).inspections.drop(actor_of(request), schema)
    return go_to(f"/admin/jobs/{job_id}")


async def undo_page(request: Request) -> Response:
    """Say what an undo does, and ask for the word."""
    undoable = await context_of(request).restores.undoable()
    return pages.page(request, "undo.html", undoable=undoable, possible=undoable is not None)


async def undo(request: Request) -> Response:
    """Start to take the last restore back."""
    form = await form_of(request, ConfirmForm)
    await context_of(request).restores.undo(actor_of(request), form.confirm)
    return go_to(BACKUPS)


async def _pin(request: Request, *, pinned: bool) -> Response:
    name = request.path_params["name"]
    await context_of(request).backups.pin(actor_of(request), name, pinned=pinned)
    return done(f"{BACKUPS}/{name}", "pinned" if pinned else "unpinned")


async def _jobs(request: Request, *, active_only: bool = False) -> list[Shown]:
    """Return the jobs at work, or, when there is none, the last one if it ended lately."""
    jobs = context_of(request).jobs
    active = [shown(row, RETRYABLE) for row in await jobs.active()]
    active = [one for one in active if one.job.kind in DATABASE_KINDS]
    if active or active_only:
        return active
    last = await jobs.newest_ended(*DATABASE_KINDS)
    if last is None or last["finished_at"].replace(tzinfo=UTC) < datetime.now(UTC) - _OUTCOME_SHOWN:
        return []
    return [shown(last, RETRYABLE)]
