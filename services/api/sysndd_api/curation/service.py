"""Searches genes and entities."""

from sysndd_api.curation.models import EntityQuery, EntityView, GeneQuery, GeneView
from sysndd_api.curation.store import CurationStore
from sysndd_api.web.numeric_id import numeric_id
from sysndd_core.errors import EntityNotFound, GeneNotFound


class Curation:
    """Public access to the curation tables."""

    def __init__(self, store: CurationStore) -> None:
        self._store = store

    async def genes(self, query: GeneQuery) -> tuple[list[GeneView], int]:
        """Return one page of genes and the number of all that match."""
        return await self._store.genes(query)

    async def gene(self, hgnc_id: str) -> GeneView:
        """Return one gene.

        Raises:
            GeneNotFound: No gene has this ID.
        """
        gene = await self._store.gene(hgnc_id)
        if gene is None:
            raise GeneNotFound()
        return gene

    async def entities(self, query: EntityQuery) -> tuple[list[EntityView], int]:
        """Return one page of published entities and the number of all that match."""
        return await self._store.entities(query)

    async def entity(self, entity_id: str) -> EntityView:
        """Return one published entity.

        Args:
            entity_id: The ID as it appears in the URL.

        Raises:
            EntityNotFound: No published entity has this ID, or it is not a number.
        """
        number = numeric_id(entity_id)
        entity = None if number is None else await self._store.entity(number)
        if entity is None:
            raise EntityNotFound()
        return entity
