"""Reads ``gene`` and ``entity``. Only published entities are seen: active and approved."""

from typing import Any

from sysndd_core.db.database import Database, Row

Where = tuple[str, tuple[Any, ...]]

_PUBLISHED = "e.is_active = 1 AND e.status = 'approved'"


class CurationStore:
    """The tables that the public reads."""

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

    async def genes(
        self, where: Where, order: str, *, limit: int, offset: int
    ) -> tuple[list[Row], int]:
        """Read one page of genes and the number of all that match."""
        condition, arguments = where
        async with self._database.connection() as connection:
            total = await connection.fetch_one(
                f"SELECT COUNT(*) AS n FROM {self._genes} WHERE {condition}", arguments
            )
            rows = await connection.fetch_all(
                f"SELECT {self._gene_columns} FROM {self._genes} WHERE {condition}"
                f" ORDER BY {order} LIMIT %s OFFSET %s",
                (*arguments, limit, offset),
            )
        return rows, int(total["n"]) if total else 0

    async def gene(self, hgnc_id: str) -> Row | None:
        """Read one gene by HGNC id, or None."""
        return await self._database.fetch_one(
            f"SELECT {self._gene_columns} FROM {self._genes} WHERE g.hgnc_id = %s", (hgnc_id,)
        )

    async def entities(
        self, where: Where, order: str, *, limit: int, offset: int
    ) -> tuple[list[Row], int]:
        """Read one page of published entities and the number of all that match."""
        # The page's ids are found first, joining only what the conditions and the order name:
        # joining all four tables for every row before sorting takes fifteen times as long.
        condition, arguments = where
        needed = [join for alias, join in self._joins.items() if alias in condition + order]
        matching = f"{self._entity}{''.join(needed)} WHERE {_PUBLISHED} AND {condition}"
        async with self._database.connection() as connection:
            total = await connection.fetch_one(f"SELECT COUNT(*) AS n FROM {matching}", arguments)
            rows = await connection.fetch_all(
                f"SELECT {self._entity_columns} FROM (SELECT e.entity_id AS id FROM {matching}"
                f" ORDER BY {order} LIMIT %s OFFSET %s) AS page"
                f" JOIN {self._entity} ON e.entity_id = page.id{self._all_joins} ORDER BY {order}",
                (*arguments, limit, offset),
            )
        return rows, int(total["n"]) if total else 0

    async def entity(self, entity_id: int) -> Row | None:
        """Read one published entity, or None."""
        return await self._database.fetch_one(
            f"SELECT {self._entity_columns} FROM {self._entity}{self._all_joins}"
            f" WHERE e.entity_id = %s AND {_PUBLISHED}",
            (entity_id,),
        )
