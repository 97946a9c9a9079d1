"""The pages of backups: the list, one backup, restore, undo, dry run and inspections."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.backups.inspections import Inspections
from sysndd_api.backups.models import BackupQuery
from sysndd_api.backups.restore import Restores
from sysndd_api.backups.retention import Retention
from sysndd_api.backups.service import Backups, check_confirmation
from sysndd_api.jobs.models import StoredJob
from sysndd_api.jobs.service import RETRYABLE, Jobs
from sysndd_api.pages import page_route
from sysndd_api.pages.admin.backup_charts import size_chart
from sysndd_api.pages.admin.progress import DATABASE_KINDS, JobProgress, job_progress
from sysndd_api.pages.confirm_dialog import ConfirmDialog, confirm
from sysndd_api.pages.listing import Listing
from sysndd_api.pages.page_route import Form, form_of, page_query_of, redirect_with_notice
from sysndd_api.pages.rendering import is_fragment, redirect, render
from sysndd_api.settings import ApiSettings
from sysndd_api.web.http import actor_of, service
from sysndd_api.web.middleware import UPLOAD_PATH
from sysndd_api.web.site_features import SiteFeatures
from sysndd_core.errors import InspectionNotFound
from sysndd_core.jobs.models import BackupKind, Consent

BACKUPS = "/admin/backups"
_PAGE_SIZE = 25
_CHART_BARS = 120
_SMALL_CHART_BARS = 40
_OUTCOME_VISIBLE = timedelta(hours=1)
"""How long the backups page shows the outcome of the last job."""

NO_ADMINISTRATOR_WORD = "NO ADMINISTRATOR"
"""Typed word that accepts the restore of a backup without an active administrator."""

INCOMPLETE_SAFETY_BACKUP_WORD = "INCOMPLETE"
"""Typed word that accepts a safety backup of only what can be read in the live database."""

CONSTRAINT_VIOLATIONS_WORD = "VIOLATIONS"
"""Typed word that accepts data that violates its constraints."""

_ACCEPT_WORDS = {
    Consent.NO_ADMINISTRATOR: NO_ADMINISTRATOR_WORD,
    Consent.INCOMPLETE_SAFETY_BACKUP: INCOMPLETE_SAFETY_BACKUP_WORD,
    Consent.CONSTRAINT_VIOLATIONS: CONSTRAINT_VIOLATIONS_WORD,
}


class BackupListQuery(BackupQuery):
    """Filters and page of the list."""

    page_size: int = _PAGE_SIZE


class ConfirmForm(Form):
    """The typed word that confirms an action."""

    confirm: str = ""


class RestoreForm(ConfirmForm):
    """The typed words: one for the restore, and one for each risk that it takes."""

    accept_no_administrator: str | None = None
    accept_foreign_backup: str | None = None
    accept_incomplete_safety_backup: str | None = None
    accept_constraint_violations: str | None = None


class InspectForm(Form):
    """The table to inspect."""

    table: str = ""


async def list_page(request: Request) -> Response:
    """List backups, with running jobs or the outcome of the last job."""
    query = page_query_of(request, BackupListQuery)
    manifests = await service(request, Backups).list_all()
    retention, matching, unmanaged_files, undoable, jobs = await asyncio.gather(
        service(request, Retention).plan(manifests),
        service(request, Backups).search(query, manifests),
        service(request, Backups).unmanaged_files(manifests),
        service(request, Restores).undoable(),
        _jobs(request),
    )
    return page_route.page(
        request,
        "backups.html",
        listing=Listing(
            request, matching[query.offset : query.offset + query.page_size], len(matching), query
        ),
        query=query,
        kinds=[kind.value for kind in BackupKind],
        total=len(manifests),
        total_bytes=sum(manifest.size_bytes for manifest in manifests),
        retention=retention.by_name(),
        suspended=retention.suspended,
        jobs=jobs,
        busy=any(job.is_active for job in jobs),
        undoable=undoable,
        unmanaged_files=unmanaged_files,
        own_site=await service(request, SiteFeatures).site_id(),
        chart=size_chart(manifests[:_CHART_BARS], width=1080),
        small_chart=size_chart(manifests[:_SMALL_CHART_BARS], width=320),
    )


async def create(request: Request) -> Response:
    """Start a backup."""
    await service(request, Backups).create_backup(actor_of(request))
    return redirect(BACKUPS)


async def upload_page(request: Request) -> Response:
    """Show the upload form; the page's script sends the file to the API and shows the progress."""
    return page_route.page(request, "backup_upload.html", address=UPLOAD_PATH)


async def detail_page(request: Request) -> Response:
    """Show one backup."""
    manifest = await service(request, Backups).get(request.path_params["name"])
    inspections = [
        inspection
        for inspection in await service(request, Inspections).list_inspections()
        if inspection.backup == manifest.name
    ]
    return page_route.page(
        request,
        "backup.html",
        backup=manifest,
        retention=await service(request, Retention).decide(manifest),
        foreign=await service(request, Restores).is_foreign(manifest),
        inspections=inspections,
        jobs=await _jobs(request, active_only=True),
    )


async def verify(request: Request) -> Response:
    """Start to verify a backup, or to import an unmanaged file."""
    await service(request, Backups).verify_backup(actor_of(request), request.path_params["name"])
    return redirect(BACKUPS)


async def pin(request: Request) -> Response:
    """Exclude a backup from the retention policy."""
    return await _pin(request, pinned=True)


async def confirm_unpin(request: Request) -> Response:
    """Ask for confirmation before a backup is unpinned."""
    manifest = await service(request, Backups).get(request.path_params["name"])
    dialog = ConfirmDialog(
        title=f"Unpin {manifest.name}?",
        effects=(
            "Retention applies to this backup again after the next backup.",
            "It will be deleted when no rule of the policy keeps it. Its page shows the rule.",
        ),
        undo="You can pin it again until it is deleted. A deleted backup can't be recovered.",
        button="Unpin",
        back=f"{BACKUPS}/{manifest.name}",
    )
    return confirm(request, dialog)


async def unpin(request: Request) -> Response:
    """Apply the retention policy to a backup again."""
    return await _pin(request, pinned=False)


async def confirm_accept_size(request: Request) -> Response:
    """Ask for confirmation before the size of a much smaller backup is accepted."""
    manifest = await service(request, Backups).get(request.path_params["name"])
    drop = f"{manifest.size_drop} " if manifest.size_drop is not None else ""
    dialog = ConfirmDialog(
        title=f"Accept the size of {manifest.name}?",
        effects=(
            f"{drop}Accept this only if the data of the site is complete.",
            "Backups expire again after the next verified backup, and later backups are compared"
            " with this one.",
        ),
        undo="This can't be undone. To keep an earlier backup in any case, pin it first.",
        button="Accept size",
        back=f"{BACKUPS}/{manifest.name}",
    )
    return confirm(request, dialog)


async def accept_size(request: Request) -> Response:
    """Accept that a backup is much smaller than the previous one."""
    name = request.path_params["name"]
    await service(request, Retention).accept_size(actor_of(request), name)
    return redirect_with_notice(f"{BACKUPS}/{name}", "size_accepted")


async def delete_page(request: Request) -> Response:
    """Ask for the typed word before a backup is deleted."""
    manifest = await service(request, Backups).get(request.path_params["name"])
    return page_route.page(request, "backup_delete.html", backup=manifest)


async def delete(request: Request) -> Response:
    """Delete a backup permanently."""
    form = await form_of(request, ConfirmForm)
    name = request.path_params["name"]
    await service(request, Backups).delete_backup(actor_of(request), name, form.confirm)
    return redirect_with_notice(BACKUPS, "deleted")


async def restore_page(request: Request) -> Response:
    """Show what a restore would change, and ask for the typed word."""
    name = request.path_params["name"]
    dry_run = await service(request, Restores).dry_run_restore(name)
    return page_route.page(
        request,
        "restore.html",
        backup=await service(request, Backups).get(name),
        dry_run=dry_run,
        accept_words=_ACCEPT_WORDS,
        undo_hours=service(request, ApiSettings).backup.undo_hours,
    )


async def restore(request: Request) -> Response:
    """Start a restore."""
    form = await form_of(request, RestoreForm)
    name = request.path_params["name"]
    accept: list[Consent] = []
    for consent, word in _ACCEPT_WORDS.items():
        field = f"accept_{consent.value}"
        # Without JavaScript, the dialog always has these fields, so an empty one is no consent.
        if typed := getattr(form, field):
            check_confirmation(typed, word, field=field)
            accept.append(consent)
    if form.accept_foreign_backup is not None:
        manifest = await service(request, Backups).get(name)
        check_confirmation(
            form.accept_foreign_backup, manifest.database, field="accept_foreign_backup"
        )
        accept.append(Consent.FOREIGN_BACKUP)
    await service(request, Restores).restore_backup(actor_of(request), name, form.confirm, accept)
    return redirect(BACKUPS)


async def dry_run(request: Request) -> Response:
    """Start a dry run: check a backup and compare it with the live database."""
    name = request.path_params["name"]
    job_id = await service(request, Restores).dry_run(actor_of(request), name)
    if not is_fragment(request):
        return redirect(f"/admin/jobs/{job_id}")
    job = await service(request, Jobs).get(job_id)
    return render(request, "parts/dry_run.html", **_dry_run_context(request, job))


async def dry_run_part(request: Request) -> Response:
    """Render the progress of a dry run, and its result."""
    job = await service(request, Jobs).get(request.path_params["job_id"])
    return render(request, "parts/dry_run.html", **_dry_run_context(request, job))


async def inspect(request: Request) -> Response:
    """Start to load one table of a backup into a separate schema."""
    form = await form_of(request, InspectForm)
    name = request.path_params["name"]
    await service(request, Inspections).inspect_table(actor_of(request), name, form.table)
    return redirect(f"{BACKUPS}/{name}")


async def confirm_drop_inspection(request: Request) -> Response:
    """Ask for confirmation before an inspection copy is deleted.

    Raises:
        InspectionNotFound.
    """
    schema = request.path_params["schema"]
    inspections = await service(request, Inspections).list_inspections()
    inspection = next((item for item in inspections if item.schema_name == schema), None)
    if inspection is None:
        raise InspectionNotFound()
    dialog = ConfirmDialog(
        title=f"Delete the inspection copy of {inspection.table_name}?",
        effects=(
            f"The schema {schema} is dropped, including any changes made in it.",
            "The backup and the live database are not affected.",
        ),
        undo=f"You can load the table again as long as {inspection.backup} exists.",
        button="Delete inspection copy",
        back=f"{BACKUPS}/{inspection.backup}",
    )
    return confirm(request, dialog)


async def drop_inspection(request: Request) -> Response:
    """Start to delete an inspection copy."""
    schema = request.path_params["schema"]
    job_id = await service(request, Inspections).drop_inspection(actor_of(request), schema)
    return redirect(f"/admin/jobs/{job_id}")


async def undo_page(request: Request) -> Response:
    """Show what an undo changes, and ask for the typed word."""
    undoable = await service(request, Restores).undoable()
    return page_route.page(request, "undo.html", undoable=undoable, possible=undoable is not None)


async def undo(request: Request) -> Response:
    """Start to undo the last restore."""
    form = await form_of(request, ConfirmForm)
    await service(request, Restores).undo_restore(actor_of(request), form.confirm)
    return redirect(BACKUPS)


def _dry_run_context(request: Request, job: StoredJob) -> dict[str, Any]:
    return {
        "progress": job_progress(job, RETRYABLE, actor_of(request)),
        "accept_words": _ACCEPT_WORDS,
    }


async def _pin(request: Request, *, pinned: bool) -> Response:
    name = request.path_params["name"]
    await service(request, Backups).pin(actor_of(request), name, pinned=pinned)
    return redirect_with_notice(f"{BACKUPS}/{name}", "pinned" if pinned else "unpinned")


async def _jobs(request: Request, *, active_only: bool = False) -> list[JobProgress]:
    """Return the active jobs or, if there are none, the last job if it ended recently."""
    jobs = service(request, Jobs)
    active = [
        job_progress(job, RETRYABLE, actor_of(request))
        for job in await jobs.active()
        if job.kind in DATABASE_KINDS
    ]
    if active or active_only:
        return active
    last = await jobs.newest_ended(*DATABASE_KINDS)
    ended = last.finished_at if last is not None else None
    if last is None or ended is None or ended < datetime.now(UTC) - _OUTCOME_VISIBLE:
        return []
    return [job_progress(last, RETRYABLE, actor_of(request))]
