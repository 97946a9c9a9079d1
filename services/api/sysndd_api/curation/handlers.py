"""Genes and entities: lists with search, filter, sort and pages, and one by id."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.curation.models import EntityQuery, EntityView, GeneQuery, GeneView
from sysndd_api.http import Page, context_of, query_of, reply


async def list_genes(request: Request) -> Response:
    """List genes."""
    query = query_of(request, GeneQuery)
    rows, total = await context_of(request).curation.genes(query)
    genes = [GeneView.model_validate(row) for row in rows]
    return reply(
        Page[GeneView](data=genes, total=total, page=query.page, page_size=query.page_size)
    )


async def get_gene(request: Request) -> Response:
    """Return one gene by HGNC id."""
    row = await context_of(request).curation.gene(request.path_params["hgnc_id"])
    return reply(GeneView.model_validate(row))


async def list_entities(request: Request) -> Response:
    """List published entities."""
    query = query_of(request, EntityQuery)
    rows, total = await context_of(request).curation.entities(query)
    entities = [EntityView.model_validate(row) for row in rows]
    return reply(
        Page[EntityView](data=entities, total=total, page=query.page, page_size=query.page_size)
    )


async def get_entity(request: Request) -> Response:
    """Return one published entity."""
    row = await context_of(request).curation.entity(request.path_params["entity_id"])
    return reply(EntityView.model_validate(row))
