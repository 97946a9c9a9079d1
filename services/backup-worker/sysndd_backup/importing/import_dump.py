"""Imports a dump from elsewhere as a backup: an upload or an unmanaged file.

The complete file is checked first: it is decompressed up to a maximum size, counted, and its
trailer is checked. Only then is its manifest written, so that it is listed.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sysndd_backup.archive.compression import (
    DECOMPRESSION_ERRORS,
    check_zstd_frames,
    compression_of,
    decompress,
)
from sysndd_backup.archive.encryption import SUFFIX
from sysndd_backup.context import BackupRequest, BackupTools
from sysndd_backup.dump.scanner import TRAILER, DumpScan, DumpStatistics
from sysndd_backup.progress import Progress, ProgressReporter, run_with_progress
from sysndd_core import __version__
from sysndd_core.backups.directory import UPLOAD_SUFFIX
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.errors import BackupDamaged, BackupNotFound, NotADump, UncompressedTooLarge
from sysndd_core.jobs.models import ImportBackup
from sysndd_core.settings.backup import BackupCompression

_CHUNK = 1 << 20
_HEAD_BYTES = 4096
_TITLE = re.compile(
    # MariaDB's client omits the word Distrib since version 11.
    rb"^(?:/\*M?!999999[^\n]*\n)?-- (MariaDB|MySQL) dump \d+\.\d+(?:\s+Distrib |-)([\w.-]+)",
    re.MULTILINE,
)
_DATABASE = re.compile(rb"^-- Host: [^\n]*?Database: (\S+)", re.MULTILINE)
_SERVER = re.compile(rb"^-- Server version\s+(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class _CheckedDump:
    """Size in bytes, SHA-256 hashes, first bytes and statistics of a dump."""

    sha256: str
    uncompressed_sha256: str
    uncompressed_bytes: int
    head: bytes
    statistics: DumpStatistics


async def import_dump(
    tools: BackupTools,
    job: ImportBackup,
    request: BackupRequest,
    progress: Progress,
    max_bytes: int,
) -> BackupManifest:
    """Check a dump from elsewhere, and list it as a backup.

    Args:
        tools: Keys and store.
        job: The file to import.
        request: Kind, job and user of the backup.
        progress: Reports the progress of the job.
        max_bytes: Maximum uncompressed size of the dump, in bytes.

    Returns:
        The manifest. The name of an encrypted upload gets the suffix ``.age``.

    Raises:
        BackupNotFound: The file does not exist.
        BackupDamaged, NotADump, UncompressedTooLarge: The file was not imported. An upload is
            deleted; an unmanaged file remains.
    """
    source = _source(tools, job)
    try:
        imported = await asyncio.to_thread(_find_imported, tools, request)
        if imported is not None:
            return imported
        return await _check_and_publish(
            tools, job, source, request, progress=progress, max_bytes=max_bytes
        )
    except FileNotFoundError as error:
        raise BackupNotFound() from error
    finally:
        if job.uploaded:
            source.unlink(missing_ok=True)


async def _check_and_publish(
    tools: BackupTools,
    job: ImportBackup,
    source: Path,
    request: BackupRequest,
    *,
    progress: Progress,
    max_bytes: int,
) -> BackupManifest:
    status = await asyncio.to_thread(source.stat)
    await progress("reading", 0, f"Checking the whole file {job.name}")
    checked = await run_with_progress(
        lambda report: _check_file(tools, job.name, source, max_bytes, report),
        ProgressReporter(progress, "reading", (0, 80), status.st_size),
    )
    manifest = _manifest(job.name, checked, request, status)
    await progress("publishing", 90, f"Publishing {job.name}")
    return await asyncio.to_thread(_publish, tools, source, manifest, job.uploaded)


def _source(tools: BackupTools, job: ImportBackup) -> Path:
    path = tools.store.path(job.name)
    return path.with_name(path.name + UPLOAD_SUFFIX) if job.uploaded else path


def _find_imported(tools: BackupTools, request: BackupRequest) -> BackupManifest | None:
    """Find the backup of an earlier attempt whose worker stopped after the publication."""
    return next((one for one in tools.store.manifests() if one.job_id == request.job_id), None)


def _publish(
    tools: BackupTools, source: Path, manifest: BackupManifest, uploaded: bool
) -> BackupManifest:
    if uploaded and tools.keys.recipients:
        return _publish_encrypted(tools, source, manifest)
    if uploaded:
        tools.store.publish(source, manifest)
    else:
        tools.store.write_manifest(manifest)
    return manifest


def _publish_encrypted(
    tools: BackupTools, source: Path, manifest: BackupManifest
) -> BackupManifest:
    """Encrypt an upload and publish it."""
    name = manifest.name + SUFFIX
    digest = hashlib.sha256()
    with tools.store.partial_file(name) as (partial, file):
        with tools.keys.encrypting(file) as sink, source.open("rb") as plain:
            while chunk := plain.read(_CHUNK):
                sink.write(chunk)
        file.flush()
        file.seek(0)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        changes = {
            "name": name,
            "size_bytes": file.tell(),
            "sha256": digest.hexdigest(),
            "encrypted": True,
            "recipients": list(tools.keys.recipients),
        }
        manifest = manifest.model_copy(update=changes)
        file.flush()
        os.fsync(file.fileno())
        tools.store.publish(partial, manifest)
    return manifest


def _check_file(
    tools: BackupTools, name: str, source: Path, max_bytes: int, report: Callable[[int], None]
) -> _CheckedDump:
    compression, statistics = compression_of(Path(name)), DumpStatistics()
    plain, count, head = hashlib.sha256(), 0, b""
    scan = DumpScan(statistics)
    try:
        sha256 = _hash_file(source, report)
        raw = tools.keys.open(source, name=name)
        with decompress(raw, compression) as reader:
            while chunk := reader.read(_CHUNK):
                count += len(chunk)
                if count > max_bytes:
                    raise UncompressedTooLarge(
                        f"{name} was not imported, because its uncompressed size exceeds"
                        f" {max_bytes:,} bytes. To import it, increase BACKUP_UPLOAD_MAX_BYTES."
                    )
                head += chunk[: max(0, _HEAD_BYTES - len(head))]
                plain.update(chunk)
                scan.feed(chunk)
                report(0 if raw.closed or not raw.seekable() else raw.tell())
            scan.finish()
        _check_end(name, source, compression)
    except (*DECOMPRESSION_ERRORS, ValueError) as error:
        raise BackupDamaged(
            f"{name} was not imported, because it is truncated or damaged: {error}"
        ) from error
    _check_dump(name, head, statistics)
    return _CheckedDump(sha256, plain.hexdigest(), count, head, statistics)


def _hash_file(source: Path, report: Callable[[int], None]) -> str:
    compressed = hashlib.sha256()
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            compressed.update(chunk)
            report(0)
    return compressed.hexdigest()


def _check_end(name: str, source: Path, compression: BackupCompression) -> None:
    if compression is BackupCompression.ZSTD and not name.endswith(SUFFIX):
        with source.open("rb") as file:
            check_zstd_frames(file)


def _check_dump(name: str, head: bytes, statistics: DumpStatistics) -> None:
    if _TITLE.search(head) is None:
        raise NotADump(
            f"{name} was not imported, because it does not start with the header of mariadb-dump or"
            " mysqldump."
        )
    if not statistics.last_line.startswith(TRAILER):
        raise BackupDamaged(
            f'{name} was not imported, because it is truncated: its last line is not "-- Dump'
            ' completed".'
        )
    if not statistics.count("table"):
        raise NotADump(f"{name} was not imported, because it contains no table.")


def _manifest(
    name: str, checked: _CheckedDump, request: BackupRequest, status: os.stat_result
) -> BackupManifest:
    statistics = checked.statistics
    tables = tuple(sorted({table for kind, table in statistics.objects if kind == "table"}))
    rows, title = statistics.rows_of(tables), _TITLE.search(checked.head)
    now, count = datetime.now(UTC), statistics.count
    assert title is not None
    server = _find(_SERVER, checked.head) or title[2].decode(errors="replace")
    return BackupManifest(
        name=name,
        kind=request.kind,
        created_at=datetime.fromtimestamp(status.st_mtime, UTC),
        finished_at=now,
        duration_ms=0,
        size_bytes=status.st_size,
        uncompressed_bytes=checked.uncompressed_bytes,
        sha256=checked.sha256,
        uncompressed_sha256=checked.uncompressed_sha256,
        compression=compression_of(Path(name)),
        encrypted=name.endswith(SUFFIX),
        database=_find(_DATABASE, checked.head) or "",
        table_count=len(tables),
        view_count=count("view"),
        trigger_count=count("trigger"),
        routine_count=count("procedure", "function", "package", "package body"),
        event_count=count("event"),
        row_count=sum(rows.values()),
        rows_per_table=rows,
        server_vendor="MariaDB" if "mariadb" in (server + title[1].decode()).lower() else "MySQL",
        server_version=server,
        client_version=title[0].decode(errors="replace").rpartition("-- ")[2],
        schema_version=None,
        application_version=__version__,
        job_id=request.job_id,
        requested_by=request.requested_by,
    )


def _find(pattern: re.Pattern[bytes], head: bytes) -> str | None:
    match = pattern.search(head)
    return match[1].decode(errors="replace") if match else None
