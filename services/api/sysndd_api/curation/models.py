"""Query strings and response bodies of genes and entities."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from sysndd_api.web.models import PageQuery


class GeneQuery(PageQuery):
    """Filters of the gene list; ``search`` matches symbol, name and ID; ``-`` sorts descending."""

    search: str | None = Field(None, max_length=100)
    chromosome: str | None = Field(None, max_length=8)
    sort: Literal["symbol", "-symbol", "hgnc_id", "-hgnc_id", "name", "-name"] = "symbol"


class GeneView(BaseModel):
    """A gene. Coordinates are 1-based and inclusive on GRCh38."""

    hgnc_id: str
    symbol: str
    name: str
    chromosome: str | None
    start_grch38: int | None
    end_grch38: int | None
    ensembl_gene_id: str | None
    entity_count: int


class EntityQuery(PageQuery):
    """Filters of the entity list; ``search`` matches the gene's symbol and the disease's name."""

    search: str | None = Field(None, max_length=100)
    category: Literal["Definitive", "Moderate", "Limited", "Refuted"] | None = None
    hgnc_id: str | None = Field(None, max_length=16)
    disease_id: str | None = Field(None, max_length=32)
    inheritance_id: str | None = Field(None, max_length=16)
    ndd_phenotype: bool | None = None
    sort: Literal["entity_id", "-entity_id", "symbol", "-symbol", "created_at", "-created_at"] = (
        "entity_id"
    )


class EntityView(BaseModel):
    """A published entity: gene, disease and mode of inheritance, with its category."""

    entity_id: int
    hgnc_id: str
    symbol: str
    disease_id: str
    disease_name: str
    inheritance_id: str
    inheritance: str
    category: str
    ndd_phenotype: bool
    created_at: datetime
