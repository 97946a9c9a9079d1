"""Look before restoring: a dry run, and single tables in schemas of their own."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.http import Page, PageQuery, actor_of, body_of, context_of, query_of, reply
from sysndd_api.inspections.models import InspectionView, InspectRequest
from sysndd_api.jobs.handlers import accepted


async def dry_run(request: Request) -> Response:
    """Start to compare a backup with live, accounts included; the job's result tells."""
    name = request.path_params["name"]
    return accepted(await context_of(request).inspections.dry_run(actor_of(request), name))


async def inspect_table(request: Request) -> Response:
    """Start to load one table of a backup into a schema of its own."""
    body = await body_of(request, InspectRequest)
    name = request.path_params["name"]
    return accepted(
        await context_of(request).inspections.inspect(actor_of(request), name, body.table)
    )


async def list_inspections(request: Request) -> Response:
    """List the schemas that hold a table for inspection, newest first."""
    query = query_of(request, PageQuery)
    views = await context_of(request).inspections.all()
    return reply(
        Page[InspectionView](
            data=views[query.offset : query.offset + query.page_size],
            total=len(views),
            page=query.page,
            page_size=query.page_size,
        )
    )


async def drop_inspection(request: Request) -> Response:
    """Start to drop one of them."""
    schema = request.path_params["schema"]
    return accepted(await context_of(request).inspections.drop(actor_of(request), schema))
