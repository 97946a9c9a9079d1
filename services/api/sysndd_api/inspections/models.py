"""Bodies and replies of inspections."""

from datetime import datetime

from pydantic import BaseModel, Field

from sysndd_api.http import RequestModel


class InspectRequest(RequestModel):
    """``table`` as the backup's manifest lists it."""

    table: str = Field(min_length=1, max_length=64)


class InspectionView(BaseModel):
    """A schema that holds one table of a backup; ``row_count`` is None until it is loaded."""

    schema_name: str
    backup: str
    table_name: str
    row_count: int | None
    created_at: datetime
    kept_until: datetime
