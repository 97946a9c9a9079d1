"""Routes of genes and entities."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.curation.models import EntityQuery, EntityView, GeneQuery, GeneView
from sysndd_api.curation.service import Curation
from sysndd_api.web.http import query_of, reply, service
from sysndd_api.web.models import Page


async def list_genes(request: Request) -> Response:
    """List genes."""
    query = query_of(request, GeneQuery)
    genes, total = await service(request, Curation).genes(query)
    page = Page[GeneView](data=genes, total=total, page=query.page, page_size=query.page_size)
    return reply(page)


async def get_gene(request: Request) -> Response:
    """Return one gene by its HGNC ID."""
    return reply(await service(request, Curation).gene(request.path_params["hgnc_id"]))


async def list_entities(request: Request) -> Response:
    """List published entities."""
    query = query_of(request, EntityQuery)
    entities, total = await service(request, Curation).entities(query)
    page = Page[EntityView](data=entities, total=total, page=query.page, page_size=query.page_size)
    return reply(page)


async def get_entity(request: Request) -> Response:
    """Return one published entity."""
    return reply(await service(request, Curation).entity(request.path_params["entity_id"]))
