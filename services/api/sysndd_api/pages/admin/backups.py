"""The page of backups: the list and what can be done with each."""

import asyncio
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.backups.inspections import Inspections
from sysndd_api.backups.models import BackupQuery
from sysndd_api.backups.restore import Restores
from sysndd_api.backups.service import Backups, check_confirmation
from sysndd_api.jobs.service import RETRYABLE, Jobs
from sysndd_api.pages import page_route
from sysndd_api.pages.admin.backup_charts import size_chart
from sysndd_api.pages.admin.progress import DATABASE_KINDS, Shown, shown
from sysndd_api.pages.confirm_dialog import ConfirmDialog, confirm
from sysndd_api.pages.listing import Listing
from sysndd_api.pages.page_route import Form, done, form_of, view_of
from sysndd_api.pages.rendering import is_fragment, redirect, render
from sysndd_api.settings import ApiSettings
from sysndd_api.web.http import actor_of, service
from sysndd_api.web.middleware import UPLOAD_PATH
from sysndd_core.errors import InspectionNotFound
from sysndd_core.jobs.models import BackupKind, Consent

BACKUPS = "/admin/backups"
NO_ADMINISTRATOR_WORDS = "WITHOUT ADMINISTRATOR"
"""What an operator types to restore a backup without an active administrator."""

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
    view = view_of(request, BackupsView)
    everything = await service(request, Backups).list_all()
    found, unmanaged_files, undoable, jobs = await asyncio.gather(
        service(request, Backups).search(view, everything),
        service(request, Backups).unmanaged_files(everything),
        service(request, Restores).undoable(),
        _jobs(request),
    )
    return page_route.page(
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
        unmanaged_files=unmanaged_files,
        chart=size_chart(everything[:_CHART_BARS], width=1080),
        small_chart=size_chart(everything[:_SMALL_CHART_BARS], width=320),
    )


async def create(request: Request) -> Response:
    """Start a backup."""
    await service(request, Backups).create_backup(actor_of(request))
    return redirect(BACKUPS)


async def upload_page(request: Request) -> Response:
    """Take a file; the page's script sends it to the API's own address and shows how far it is."""
    return page_route.page(request, "backup_upload.html", address=UPLOAD_PATH)


async def detail_page(request: Request) -> Response:
    """Show all that is known of one backup."""
    manifest = await service(request, Backups).get(request.path_params["name"])
    opened = [
        one
        for one in await service(request, Inspections).list_inspections()
        if one.backup == manifest.name
    ]
    return page_route.page(
        request,
        "backup.html",
        backup=manifest,
        inspections=opened,
        jobs=await _jobs(request, active_only=True),
    )


async def verify(request: Request) -> Response:
    """Start the proof of a backup."""
    await service(request, Backups).verify_backup(actor_of(request), request.path_params["name"])
    return redirect(BACKUPS)


async def pin(request: Request) -> Response:
    """Keep a backup whatever retention says."""
    return await _pin(request, pinned=True)


async def confirm_unpin(request: Request) -> Response:
    """Ask before retention may decide about a backup again."""
    manifest = await service(request, Backups).get(request.path_params["name"])
    dialog = ConfirmDialog(
        title=f"Unpin {manifest.name}",
        effects=(
            "Retention decides about this backup again, the next time after a backup was made.",
            "If it is older than what is to be kept, it is deleted then. The last verified backup"
            " never is.",
        ),
        undo="It can be pinned again for as long as it is there; deleted by retention, it is gone"
        " for good.",
        button="Unpin",
        back=f"{BACKUPS}/{manifest.name}",
    )
    return confirm(request, dialog)


async def unpin(request: Request) -> Response:
    """Let retention decide again."""
    return await _pin(request, pinned=False)


async def delete_page(request: Request) -> Response:
    """Ask for the word before a backup is deleted."""
    manifest = await service(request, Backups).get(request.path_params["name"])
    return page_route.page(request, "backup_delete.html", backup=manifest)


async def delete(request: Request) -> Response:
    """Delete a backup for good."""
    form = await form_of(request, ConfirmForm)
    name = request.path_params["name"]
    await service(request, Backups).delete_backup(actor_of(request), name, form.confirm)
    return done(BACKUPS, "deleted")


async def restore_page(request: Request) -> Response:
    """Show what a restore would change, and ask for the word."""
    name = request.path_params["name"]
    dry_run = await service(request, Restores).dry_run_restore(name)
    return page_route.page(
        request,
        "restore.html",
        backup=await service(request, Backups).get(name),
        dry_run=dry_run,
        undo_hours=service(request, ApiSettings).backup.undo_hours,
    )


async def restore(request: Request) -> Response:
    """Start a restore."""
    form = await form_of(request, RestoreForm)
    name = request.path_params["name"]
    accept: list[Consent] = []
    if form.second is not None:
        check_confirmation(form.second, NO_ADMINISTRATOR_WORDS, field="second")
        accept.append(Consent.NO_ADMINISTRATOR)
    await service(request, Restores).restore_backup(actor_of(request), name, form.confirm, accept)
    return redirect(BACKUPS)


async def dry_run(request: Request) -> Response:
    """Start to compare a backup with live, accounts included."""
    name = request.path_params["name"]
    job_id = await service(request, Restores).dry_run(actor_of(request), name)
    if not is_fragment(request):
        return redirect(f"/admin/jobs/{job_id}")
    job = await service(request, Jobs).get(job_id)
    return render(request, "parts/dry_run.html", shown=shown(job, RETRYABLE))


async def dry_run_part(request: Request) -> Response:
    """Show how far a dry run is, and then what it found."""
    job = await service(request, Jobs).get(request.path_params["job_id"])
    return render(request, "parts/dry_run.html", shown=shown(job, RETRYABLE))


async def inspect(request: Request) -> Response:
    """Start to load one table into a schema of its own."""
    form = await form_of(request, InspectForm)
    name = request.path_params["name"]
    await service(request, Inspections).inspect_table(actor_of(request), name, form.table)
    return redirect(f"{BACKUPS}/{name}")


async def confirm_drop_inspection(request: Request) -> Response:
    """Ask before the schema of an inspection is dropped.

    Raises:
        InspectionNotFound.
    """
    schema = request.path_params["schema"]
    every = await service(request, Inspections).list_inspections()
    one = next((one for one in every if one.schema_name == schema), None)
    if one is None:
        raise InspectionNotFound()
    dialog = ConfirmDialog(
        title=f"Drop the look into {one.table_name}",
        effects=(
            f"The schema {schema} is dropped, with whatever was changed in it.",
            "Backup and live database are not touched.",
        ),
        undo=f"As long as {one.backup} is there, the table can be loaded from it again.",
        button="Drop it now",
        back=f"{BACKUPS}/{one.backup}",
    )
    return confirm(request, dialog)


async def drop_inspection(request: Request) -> Response:
    """Start to drop the schema of an inspection."""
    schema = request.path_params["schema"]
    job_id = await service(request, Inspections).drop_inspection(actor_of(request), schema)
    return redirect(f"/admin/jobs/{job_id}")


async def undo_page(request: Request) -> Response:
    """Say what an undo does, and ask for the word."""
    undoable = await service(request, Restores).undoable()
    return page_route.page(request, "undo.html", undoable=undoable, possible=undoable is not None)


async def undo(request: Request) -> Response:
    """Start to take the last restore back."""
    form = await form_of(request, ConfirmForm)
    await service(request, Restores).undo_restore(actor_of(request), form.confirm)
    return redirect(BACKUPS)


async def _pin(request: Request, *, pinned: bool) -> Response:
    name = request.path_params["name"]
    await service(request, Backups).pin(actor_of(request), name, pinned=pinned)
    return done(f"{BACKUPS}/{name}", "pinned" if pinned else "unpinned")


async def _jobs(request: Request, *, active_only: bool = False) -> list[Shown]:
    """Return the jobs at work, or, when there is none, the last one if it ended lately."""
    jobs = service(request, Jobs)
    active = [shown(job, RETRYABLE) for job in await jobs.active()]
    active = [one for one in active if one.job.kind in DATABASE_KINDS]
    if active or active_only:
        return active
    last = await jobs.newest_ended(*DATABASE_KINDS)
    ended = last.finished_at if last is not None else None
    if last is None or ended is None or ended < datetime.now(UTC) - _OUTCOME_SHOWN:
        return []
    return [shown(last, RETRYABLE)]
