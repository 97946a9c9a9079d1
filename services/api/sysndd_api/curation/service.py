"""Searching genes and entities."""

from sysndd_api.curation.models import EntityQuery, GeneQuery
from sysndd_api.curation.store import CurationStore
from sysndd_api.searching import matching
from sysndd_core.db.database import Row
from sysndd_core.errors import EntityNotFound, GeneNotFound

# The only expressions that ever reach ORDER BY; the last one makes pages stable.
_GENE_ORDER = {"symbol": "g.symbol", "hgnc_id": "g.hgnc_id", "name": "g.name"}
_ENTITY_ORDER = {"entity_id": "e.entity_id", "symbol": "g.symbol", "created_at": "e.created_at"}


class Curation:
    """The public read of the curation tables."""

    def __init__(self, store: CurationStore) -> None:
        self._store = store

    async def genes(self, query: GeneQuery) -> tuple[list[Row], int]:
        """Return one page of genes and the number of all that match."""
        where = matching(
            {"g.chromosome": query.chromosome},
            search=query.search,
            columns=("g.symbol", "g.name", "g.hgnc_id"),
        )
        order = _order(query.sort, _GENE_ORDER, "g.hgnc_id")
        return await self._store.genes(where, order, limit=query.page_size, offset=query.offset)

    async def gene(self, hgnc_id: str) -> Row:
        """Return one gene.

        Raises:
            GeneNotFound.
        """
        row = await self._store.gene(hgnc_id)
        if row is None:
            raise GeneNotFound()
        return row

    async def entities(self, query: EntityQuery) -> tuple[list[Row], int]:
        """Return one page of entities and the number of all that match."""
        where = matching(
            {
                "e.category": query.category,
                "e.hgnc_id": query.hgnc_id,
                "e.disease_id": query.disease_id,
                "e.inheritance_id": query.inheritance_id,
                "e.ndd_phenotype": query.ndd_phenotype,
            },
            search=query.search,
            columns=("g.symbol", "d.name"),
        )
        order = _order(query.sort, _ENTITY_ORDER, "e.entity_id")
        return await self._store.entities(where, order, limit=query.page_size, offset=query.offset)

    async def entity(self, entity_id: str) -> Row:
        """Return one entity.

        Args:
            entity_id: decimal digits, as they stand in the address.

        Raises:
            EntityNotFound.
        """
        known = entity_id.isascii() and entity_id.isdigit() and len(entity_id) < 10
        row = await self._store.entity(int(entity_id)) if known else None
        if row is None:
            raise EntityNotFound()
        return row


def _order(sort: str, expressions: dict[str, str], last: str) -> str:
    direction = "DESC" if sort.startswith("-") else "ASC"
    return f"{expressions[sort.removeprefix('-')]} {direction}, {last}"
