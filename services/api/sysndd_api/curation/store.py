"""Reads ``gene`` and ``entity``; only published entities: active and approved."""

from sysndd_api.curation.models import EntityQuery, EntityView, GeneQuery, GeneView
from sysndd_api.web.search import build_filter
from sysndd_core.db.database import Database

# The only expressions that reach ORDER BY; the last column makes the order unique.
_GENE_ORDER = {"symbol": "g.symbol", "hgnc_id": "g.hgnc_id", "name": "g.name"}
_ENTITY_ORDER = {"entity_id": "e.entity_id", "symbol": "g.symbol", "created_at": "e.created_at"}
_PUBLISHED = "e.is_active = 1 AND e.status = 'approved'"


class CurationStore:
    """Reads the public tables."""

    def __init__(self, database: Database) -> None:
        self._database = database
        app = database.app
        self._gene_columns = (
            "g.hgnc_id, g.symbol, g.name, g.chromosome, g.start_grch38, g.end_grch38,"
            f" g.ensembl_gene_id, (SELECT COUNT(*) FROM {app}.entity AS e"
            f" WHERE e.hgnc_id = g.hgnc_id AND {_PUBLISHED}) AS entity_count"
        )
        self._genes = f"{app}.gene AS g"
        self._entity_columns = (
            "e.entity_id, e.hgnc_id, g.symbol, e.disease_id, d.name AS disease_name,"
            " e.inheritance_id, m.term AS inheritance, e.category, e.ndd_phenotype, e.created_at"
        )
        self._entity = f"{app}.entity AS e"
        self._joins = {
            "g.": f" JOIN {app}.gene AS g ON g.hgnc_id = e.hgnc_id",
            "d.": f" JOIN {app}.disease AS d ON d.disease_id = e.disease_id",
            "m.": f" JOIN {app}.mode_of_inheritance AS m ON m.inheritance_id = e.inheritance_id",
        }
        self._all_joins = "".join(self._joins.values())

    async def genes(self, query: GeneQuery) -> tuple[list[GeneView], int]:
        """Return one page of genes and the number of all that match."""
        condition, arguments = build_filter(
            {"g.chromosome": query.chromosome},
            search=query.search,
            columns=("g.symbol", "g.name", "g.hgnc_id"),
        )
        order = _order(query.sort, _GENE_ORDER, "g.hgnc_id")
        async with self._database.connection() as connection:
            total = await connection.fetch_one(
                f"SELECT COUNT(*) AS n FROM {self._genes} WHERE {condition}", arguments
            )
            rows = await connection.fetch_all(
                f"SELECT {self._gene_columns} FROM {self._genes} WHERE {condition}"
                f" ORDER BY {order} LIMIT %s OFFSET %s",
                (*arguments, query.page_size, query.offset),
            )
        return [GeneView.model_validate(row) for row in rows], int(total["n"]) if total else 0

    async def gene(self, hgnc_id: str) -> GeneView | None:
        """Return one gene by its HGNC ID, or None."""
        row = await self._database.fetch_one(
            f"SELECT {self._gene_columns} FROM {self._genes} WHERE g.hgnc_id = %s", (hgnc_id,)
        )
        return GeneView.model_validate(row) if row is not None else None

    async def entities(self, query: EntityQuery) -> tuple[list[EntityView], int]:
        """Return one page of published entities and the number of all that match."""
        condition, arguments = build_filter(
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
        # First find the IDs of the page, joining only the tables that the conditions and the order
        # need: joining all four tables before sorting takes fifteen times as long.
        needed = [join for alias, join in self._joins.items() if alias in condition + order]
        found = f"{self._entity}{''.join(needed)} WHERE {_PUBLISHED} AND {condition}"
        async with self._database.connection() as connection:
            total = await connection.fetch_one(f"SELECT COUNT(*) AS n FROM {found}", arguments)
            rows = await connection.fetch_all(
                f"SELECT {self._entity_columns} FROM (SELECT e.entity_id AS id FROM {found}"
                f" ORDER BY {order} LIMIT %s OFFSET %s) AS page"
                f" JOIN {self._entity} ON e.entity_id = page.id{self._all_joins} ORDER BY {order}",
                (*arguments, query.page_size, query.offset),
            )
        return [EntityView.model_validate(row) for row in rows], int(total["n"]) if total else 0

    async def entity(self, entity_id: int) -> EntityView | None:
        """Return one published entity, or None."""
        row = await self._database.fetch_one(
            f"SELECT {self._entity_columns} FROM {self._entity}{self._all_joins}"
            f" WHERE e.entity_id = %s AND {_PUBLISHED}",
            (entity_id,),
        )
        return EntityView.model_validate(row) if row is not None else None


def _order(sort: str, expressions: dict[str, str], last: str) -> str:
    direction = "DESC" if sort.startswith("-") else "ASC"
    return f"{expressions[sort.removeprefix('-')]} {direction}, {last}"
