"""Makes a backup of a dump that comes from elsewhere: an upload, or a file without a manifest.

It is read to its end first: unpacked, within a max_bytes, counted, its trailer seen. Only then it gets
a manifest, and with that it is listed.
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
    UNPACK_ERRORS,
    check_zstd_frames,
    packing_of,
    unpack,
)
from sysndd_backup.archive.directory import partial_file, publish
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
    # MariaDB's newer client (11.x) leaves the word Distrib out.
    rb"^(?:/\*M?!999999[^\n]*\n)?-- (MariaDB|MySQL) dump \d+\.\d+(?:\s+Distrib |-)([\w.-]+)",
    re.MULTILINE,
)
_DATABASE = re.compile(rb"^-- Host: [^\n]*?Database: (\S+)", re.MULTILINE)
_SERVER = re.compile(rb"^-- Server version\s+(\S+)", re.MULTILINE)


@dataclass
class _Read:
    """What one pass over the file found."""

    sha256: str
    plain_sha256: str
    plain_bytes: int
    head: bytes
    statistics: DumpStatistics


async def import_dump(
    tools: BackupTools,
    job: ImportBackup,
    request: BackupRequest,
    progress: Progress,
    max_bytes: int,
) -> BackupManifest:
    """Read a dump to its end and list it as a backup.

    Args:
        tools: keys and store.
        job: which file.
        request: kind, job and who asked.
        progress: shown to the operator.
        max_bytes: how large it may be uncompressed.

    Returns:
        The manifest. With encryption the backup's name has the suffix of that.

    Raises:
        BackupNotFound: there is no such file.
        BackupDamaged, NotADump, UncompressedTooLarge: an upload is deleted; another file stays.
    """
    source = _source(tools, job)
    try:
        done = await asyncio.to_thread(_imported_already, tools, request)
        if done is not None:
            return done
        status = await asyncio.to_thread(source.stat)
        await progress("reading", 0, f"Reading {job.name} to its end")
        read = await run_with_progress(
            lambda report: _read(tools, job.name, source, max_bytes, report),
            ProgressReporter(progress, "reading", (0, 80), status.st_size),
        )
        manifest = _manifest(job.name, read, request, status)
        await progress("publishing", 90, f"Publishing {job.name}")
        return await asyncio.to_thread(_publish, tools, source, manifest, job.uploaded)
    except FileNotFoundError as error:
        raise BackupNotFound() from error
    finally:
        if job.uploaded:
            source.unlink(missing_ok=True)


def _source(tools: BackupTools, job: ImportBackup) -> Path:
    path = tools.store.path(job.name)
    return path.with_name(path.name + UPLOAD_SUFFIX) if job.uploaded else path


def _imported_already(tools: BackupTools, request: BackupRequest) -> BackupManifest | None:
    """Find the result of an earlier attempt of this job, whose worker died after publishing it."""
    return next((one for one in tools.store.manifests() if one.job_id == request.job_id), None)


def _publish(
    tools: BackupTools, source: Path, manifest: BackupManifest, uploaded: bool
) -> BackupManifest:
    if uploaded and tools.keys.recipients:
        return _publish_encrypted(tools, source, manifest)
    if uploaded:
        publish(tools.store, source, manifest)
    else:
        tools.store.write_manifest(manifest)
    return manifest


def _publish_encrypted(
    tools: BackupTools, source: Path, manifest: BackupManifest
) -> BackupManifest:
    """Encrypt an upload: at rest it is like every other backup."""
    name = manifest.name + SUFFIX
    digest = hashlib.sha256()
    with partial_file(tools.store, name) as (partial, file):
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
        publish(tools.store, partial, manifest)
    return manifest


def _read(
    tools: BackupTools, name: str, source: Path, max_bytes: int, report: Callable[[int], None]
) -> _Read:
    compression, statistics = packing_of(Path(name)), DumpStatistics()
    plain, count, head = hashlib.sha256(), 0, b""
    scan = DumpScan(statistics)
    try:
        sha256 = _hash_file(source, report)
        raw = tools.keys.open(source, name=name)
        with unpack(raw, compression) as reader:
            while chunk := reader.read(_CHUNK):
                count += len(chunk)
                if count > max_bytes:
                    raise UncompressedTooLarge(
                        f"It unpacks to more than {max_bytes:,} bytes (BACKUP_UPLOAD_MAX_BYTES)."
                    )
                head += chunk[: max(0, _HEAD_BYTES - len(head))]
                plain.update(chunk)
                scan.feed(chunk)
                report(0 if raw.closed or not raw.seekable() else raw.tell())
            scan.finish()
        _check_end(name, source, compression)
    except (*UNPACK_ERRORS, ValueError) as error:
        raise BackupDamaged(f"The file can't be read to its end: {error}") from error
    _check_dump(head, statistics)
    return _Read(sha256, plain.hexdigest(), count, head, statistics)


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


def _check_dump(head: bytes, statistics: DumpStatistics) -> None:
    if _TITLE.search(head) is None:
        raise NotADump("It does not begin like a dump of mariadb-dump or mysqldump.")
    if not statistics.last_line.startswith(TRAILER):
        raise BackupDamaged('The dump was cut off: its last line is not "-- Dump completed".')
    if not statistics.count("table"):
        raise NotADump("The dump holds no table.")


def _manifest(
    name: str, read: _Read, request: BackupRequest, found: os.stat_result
) -> BackupManifest:
    tables = tuple(sorted({found for kind, found in read.statistics.objects if kind == "table"}))
    rows, title = read.statistics.rows_of(tables), _TITLE.search(read.head)
    now, count = datetime.now(UTC), read.statistics.count
    assert title is not None
    server = _found(_SERVER, read.head) or title[2].decode(errors="replace")
    return BackupManifest(
        name=name,
        kind=request.kind,
        created_at=datetime.fromtimestamp(found.st_mtime, UTC),
        finished_at=now,
        duration_ms=0,
        size_bytes=found.st_size,
        uncompressed_bytes=read.plain_bytes,
        sha256=read.sha256,
        uncompressed_sha256=read.plain_sha256,
        compression=packing_of(Path(name)),
        encrypted=name.endswith(SUFFIX),
        database=_found(_DATABASE, read.head) or "",
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


def _found(pattern: re.Pattern[bytes], head: bytes) -> str | None:
    match = pattern.search(head)
    return match[1].decode(errors="replace") if match else None
