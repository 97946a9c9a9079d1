"""Bodies and replies of the backup routes."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from sysndd_api.http import RequestModel


class RestoreRequest(RequestModel):
    """``confirm`` must be exactly ``RESTORE``; the service judges it, with its own code."""

    confirm: Any = None


class BackupView(BaseModel):
    """A backup in the list. Sizes in bytes, time in UTC, ``sha256`` of the file as downloaded."""

    name: str
    kind: str
    size_bytes: int
    created_at: datetime
    table_count: int
    row_count: int
    sha256: str
    proof: str | None
    pinned: bool


class BackupList(BaseModel):
    """One page of the list, newest first."""

    data: list[BackupView]
    total: int
    page: int
    page_size: int
    total_bytes: int
