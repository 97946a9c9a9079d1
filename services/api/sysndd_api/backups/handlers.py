"""List, take, inspect, download and restore backups."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.backups.models import (
    BackupList,
    BackupQuery,
    BackupView,
    DeleteRequest,
    RestoreRequest,
    UndoRequest,
    UploadQuery,
)
from sysndd_api.http import actor_of, body_of, context_of, query_of, reply
from sysndd_api.jobs.handlers import accepted
from sysndd_core.errors import UnsupportedMediaType


async def list_backups(request: Request) -> Response:
    """List complete backups, newest first; search, filter and sort."""
    query = query_of(request, BackupQuery)
    found = await context_of(request).backups.search(query)
    shown = found[query.offset : query.offset + query.page_size]
    return reply(
        BackupList(
            data=[BackupView.model_validate(one, from_attributes=True) for one in shown],
            total=len(found),
            page=query.page,
            page_size=query.page_size,
            total_bytes=sum(one.size_bytes for one in found),
            without_manifest=await context_of(request).backups.strays(),
        )
    )


async def create_backup(request: Request) -> Response:
    """Start a backup."""
    return accepted(await context_of(request).backups.create(actor_of(request)))


async def upload_backup(request: Request) -> Response:
    """Take in a .sql, .sql.gz or .sql.zst file: the body is the file itself, of any size."""
    query = query_of(request, UploadQuery)
    media_type = request.headers.get("content-type", "").partition("/")[0].strip().lower()
    if media_type == "multipart":
        raise UnsupportedMediaType("Send the bytes of the file as they are, without a form.")
    announced = request.headers.get("content-length", "0")
    job_id = await context_of(request).backups.upload(
        actor_of(request), query.filename, request.stream(),
        int(announced) if announced.isdecimal() else 0,
    )  # fmt: skip
    return accepted(job_id)


async def get_backup(request: Request) -> Response:
    """Return a backup's whole manifest."""
    return reply(await context_of(request).backups.get(request.path_params["name"]))


async def download_backup(request: Request) -> Response:
    """Stream the file; answers Range and If-None-Match; its ETag is the file's SHA-256."""
    download = await context_of(request).backups.open_for_download(
        actor_of(request), request.path_params["name"]
    )
    return download.response(request.headers)


async def restore_backup(request: Request) -> Response:
    """Start a restore."""
    body = await body_of(request, RestoreRequest)
    job_id = await context_of(request).backups.restore(
        actor_of(request),
        request.path_params["name"],
        body.confirm,
        body.confirm_without_administrator,
    )
    return accepted(job_id)


async def preview_restore(request: Request) -> Response:
    """Show what a restore would change."""
    return reply(await context_of(request).restores.preview(request.path_params["name"]))


async def undo_restore(request: Request) -> Response:
    """Start to take the last restore back."""
    body = await body_of(request, UndoRequest)
    return accepted(await context_of(request).restores.undo(actor_of(request), body.confirm))


async def verify_backup(request: Request) -> Response:
    """Start a proof: load the backup beside live and dump it again."""
    name = request.path_params["name"]
    return accepted(await context_of(request).backups.verify(actor_of(request), name))


async def pin_backup(request: Request) -> Response:
    """Keep a backup whatever retention says; no harm in repeating it."""
    name = request.path_params["name"]
    return reply(await context_of(request).backups.pin(actor_of(request), name, pinned=True))


async def unpin_backup(request: Request) -> Response:
    """Let retention decide again."""
    name = request.path_params["name"]
    return reply(await context_of(request).backups.pin(actor_of(request), name, pinned=False))


async def delete_backup(request: Request) -> Response:
    """Delete a backup for good."""
    body = await body_of(request, DeleteRequest)
    await context_of(request).backups.delete(
        actor_of(request), request.path_params["name"], body.confirm
    )
    return Response(status_code=204)
