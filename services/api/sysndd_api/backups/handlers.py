"""Routes of backups, restores and inspections."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.backups.inspections import Inspections
from sysndd_api.backups.models import (
    BackupDetail,
    BackupList,
    BackupQuery,
    BackupView,
    DeleteRequest,
    InspectionView,
    InspectRequest,
    RestoreRequest,
    RetentionView,
    UndoRequest,
    UploadQuery,
)
from sysndd_api.backups.restore import Restores
from sysndd_api.backups.retention import Retention
from sysndd_api.backups.service import Backups
from sysndd_api.jobs.handlers import accepted
from sysndd_api.web.http import actor_of, body_of, query_of, reply, service
from sysndd_api.web.models import Page, PageQuery
from sysndd_api.web.site_features import SiteFeatures
from sysndd_core.errors import UnsupportedMediaType


async def list_backups(request: Request) -> Response:
    """List backups, newest first."""
    query = query_of(request, BackupQuery)
    manifests = await service(request, Backups).list_all()
    found = await service(request, Backups).search(query, manifests)
    decisions = (await service(request, Retention).plan(manifests)).by_name()
    own = await service(request, SiteFeatures).site_id()
    shown = found[query.offset : query.offset + query.page_size]
    return reply(
        BackupList(
            data=[BackupView.of(one, own, decisions[one.name]) for one in shown],
            total=len(found),
            page=query.page,
            page_size=query.page_size,
            total_bytes=sum(one.size_bytes for one in found),
            unmanaged_files=await service(request, Backups).unmanaged_files(manifests),
        )
    )


async def create_backup(request: Request) -> Response:
    """Start a backup."""
    return accepted(await service(request, Backups).create_backup(actor_of(request)))


async def upload_backup(request: Request) -> Response:
    """Upload a .sql, .sql.gz or .sql.zst file; the request body is the file."""
    query = query_of(request, UploadQuery)
    media_type = request.headers.get("content-type", "").partition("/")[0].strip().lower()
    if media_type == "multipart":
        raise UnsupportedMediaType("Send the file itself as the request body, not a form.")
    content_length = request.headers.get("content-length", "0")
    job_id = await service(request, Backups).upload_backup(
        actor_of(request),
        query.filename,
        request.stream(),
        int(content_length) if content_length.isdecimal() else 0,
    )
    return accepted(job_id)


async def get_backup(request: Request) -> Response:
    """Return the manifest of a backup, and why and until when it is kept."""
    manifest = await service(request, Backups).get(request.path_params["name"])
    decision = await service(request, Retention).decide(manifest)
    values = dict(manifest) | {"retention": RetentionView.of(decision)}
    return reply(BackupDetail.model_validate(values))


async def preview_retention(request: Request) -> Response:
    """Return which backups the next run of the retention policy keeps and deletes, and why."""
    return reply(await service(request, Retention).preview())


async def accept_size(request: Request) -> Response:
    """Accept that a backup is much smaller than the previous one; idempotent."""
    name = request.path_params["name"]
    return reply(await service(request, Retention).accept_size(actor_of(request), name))


async def download_backup(request: Request) -> Response:
    """Download a backup; supports Range and If-None-Match."""
    download = await service(request, Backups).download_backup(
        actor_of(request), request.path_params["name"]
    )
    return download.response(request.headers)


async def restore_backup(request: Request) -> Response:
    """Start a restore."""
    body = await body_of(request, RestoreRequest)
    job_id = await service(request, Restores).restore_backup(
        actor_of(request),
        request.path_params["name"],
        body.confirm,
        body.accept,
    )
    return accepted(job_id)


async def dry_run_restore(request: Request) -> Response:
    """Compare the row counts of a backup with the live database."""
    return reply(await service(request, Restores).dry_run_restore(request.path_params["name"]))


async def undo_restore(request: Request) -> Response:
    """Start the undo of the last restore."""
    body = await body_of(request, UndoRequest)
    return accepted(await service(request, Restores).undo_restore(actor_of(request), body.confirm))


async def verify_backup(request: Request) -> Response:
    """Start the verification of a backup, or the import of an unmanaged file."""
    name = request.path_params["name"]
    return accepted(await service(request, Backups).verify_backup(actor_of(request), name))


async def pin_backup(request: Request) -> Response:
    """Pin a backup; idempotent."""
    name = request.path_params["name"]
    return reply(await service(request, Backups).pin(actor_of(request), name, pinned=True))


async def unpin_backup(request: Request) -> Response:
    """Unpin a backup; idempotent."""
    name = request.path_params["name"]
    return reply(await service(request, Backups).pin(actor_of(request), name, pinned=False))


async def delete_backup(request: Request) -> Response:
    """Delete a backup permanently."""
    body = await body_of(request, DeleteRequest)
    await service(request, Backups).delete_backup(
        actor_of(request), request.path_params["name"], body.confirm
    )
    return Response(status_code=204)


async def dry_run(request: Request) -> Response:
    """Start a dry run that compares rows and accounts with the live database."""
    name = request.path_params["name"]
    return accepted(await service(request, Restores).dry_run(actor_of(request), name))


async def inspect_table(request: Request) -> Response:
    """Start loading one table of a backup into a separate schema."""
    body = await body_of(request, InspectRequest)
    name = request.path_params["name"]
    return accepted(
        await service(request, Inspections).inspect_table(actor_of(request), name, body.table)
    )


async def list_inspections(request: Request) -> Response:
    """List inspections, newest first."""
    query = query_of(request, PageQuery)
    views = await service(request, Inspections).list_inspections()
    return reply(
        Page[InspectionView](
            data=views[query.offset : query.offset + query.page_size],
            total=len(views),
            page=query.page,
            page_size=query.page_size,
        )
    )


async def drop_inspection(request: Request) -> Response:
    """Start dropping the schema of an inspection."""
    schema = request.path_params["schema"]
    return accepted(await service(request, Inspections).drop_inspection(actor_of(request), schema))
