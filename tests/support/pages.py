"""The pages over HTTP without a browser: a client with the cookie, and backups to list."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from sysndd_api.security.credentials import SESSION_COOKIE
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.manifest import BackupManifest
from tests.support.http import Api, sign_in
from tests.support.manifests import make_manifest
from tests.support.site import Site

FROM_HERE = {"Sec-Fetch-Site": "same-origin"}
MARKUP = "<img src=x onerror=alert(1)>\"'<script>alert(2)</script>"
"""Text with markup that every page must escape."""


@pytest.fixture
async def page_client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the administrator's cookie, as a browser on the site's pages sends it."""
    token = await sign_in(api.client, "admin")
    headers = {"Cookie": f"{SESSION_COOKIE}={token}", **FROM_HERE}
    async with httpx.AsyncClient(base_url=api.client.base_url, headers=headers) as client:
        yield client


def put_backup(site: Site, number: int, **changes: Any) -> BackupManifest:
    """Write the file and manifest of a backup, as the worker does."""
    created = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=number)
    manifest = make_manifest(
        f"manual_{created:%Y%m%dT%H%M%SZ}_{number:08x}.sql.zst",
        created,
        duration_ms=10,
        size_bytes=4,
        uncompressed_bytes=9,
        sha256="0" * 64,
        uncompressed_sha256="1" * 64,
        row_count=3,
        rows_per_table={"gene": 3},
        server_version="10.11",
        client_version="10.11",
        schema_version="005_vocabularies.sql",
        application_version="0.1.0",
        job_id="00000000-0000-4000-8000-000000000000",
    ).model_copy(update=changes)
    store = BackupDirectory(site.backup_dir)
    store.path(manifest.name).write_bytes(b"dump")
    store.write_manifest(manifest)
    return manifest
