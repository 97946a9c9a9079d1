"""Makes a backup of a dump that comes from elsewhere: an upload, or a file without a manifest.

It is read to its end first: unpacked, within a bound, counted, its trailer seen. Only then it gets
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

from sysndd_backup.archive.compression import UNPACK_ERRORS, packing_of, unpack
from sysndd_backup.archive.directory import partial_file, publish
from sysndd_backup.archive.encryption import SUFFIX
from sysndd_backup.archive.zstd_frames import check_whole
from sysndd_backup.dump.create_backup import BackupTools
from sysndd_backup.dump.manifest import BackupOrder
from sysndd_backup.dump.scanner import DumpScan
from sysndd_backup.dump.statistics import Census
from sysndd_backup.pace import watched
from sysndd_backup.progress import Progress
from sysndd_core import tool_version
from sysndd_core.backups.directory import UPLOAD_SUFFIX
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.errors import BackupDamaged, BackupNotFound, NotADump, UnpacksTooLarge
from sysndd_core.settings.backup import BackupCompression

_CHUNK = 1 << 20
_HEAD_BYTES = 4096
_TRAILER = b"-- Dump completed"
_TITLE = re.compile(
    # MariaDB's newer client (11.x) leaves the word Distrib out.
    rb"^(?:/\*M?!999999[^\n]*\n)?-- (MariaDB|MySQL) dump \d+\.\d+(?:\s+Distrib |-)([\w.-]+)",
    re.MULTILINE,
)
_DATABASE = re.compile(rb"^-- Host: [^\n]*?Database: (\S+)", re.MULTILINE)
_SERVER = re.compile(rb"^-- Server version\s+(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Adoption:
    """Which file.

    Attributes:
        name: of the backup that it becomes.
        uploaded: whether it lies there as an upload; else under its own name.
    """

    name: str
    uploaded: bool


@dataclass
class _Read:
    """What a pass over the file found."""

    sha256: str
    plain_sha256: str
    plain_bytes: int
    head: bytes
    census: Census


async def adopt(
    tools: BackupTools, adoption: Adoption, order: BackupOrder, progress: Progress, bound: int
) -> BackupManifest:
    """Read a dump to its end and list it.

    Args:
        tools: keys and store.
        adoption: which file.
        order: kind, job and who asked.
        progress: shown to the operator.
        bound: bytes that it may unpack to.

    Returns:
        The manifest. With encryption the backup's name has the suffix of that.

    Raises:
        BackupNotFound: there is no such file.
        BackupDamaged, NotADump, UnpacksTooLarge: an upload is deleted; a file of somebody else's
            stays as it was.
    """
    source = tools.store.path(adoption.name)
    if adoption.uploaded:
        source = source.with_name(source.name + UPLOAD_SUFFIX)
    try:
        done = await asyncio.to_thread(_adopted_already, tools, order)
        if done is not None:
            return done
        found = await asyncio.to_thread(source.stat)
        await progress("reading", 0, f"Reading {adoption.name} to its end")
        read = await watched(
            lambda told: _read(tools, adoption.name, source, bound, told),
            progress, "reading", (0, 80), found.st_size,
        )  # fmt: skip
        manifest = _manifest(adoption.name, read, order, found)
        await progress("publishing", 90, f"Publishing {adoption.name}")
        return await asyncio.to_thread(_publish, tools, source, manifest, adoption.uploaded)
    except FileNotFoundError as error:
        raise BackupNotFound() from error
    finally:
        if adoption.uploaded:
            source.unlink(missing_ok=True)


def _adopted_already(tools: BackupTools, order: BackupOrder) -> BackupManifest | None:
    """Find what an earlier attempt of this job has listed: its worker died before it could say so."""
    return next((one for one in tools.store.manifests() if one.job_id == order.job_id), None)


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
    """At rest it is encrypted like every other one."""
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
    tools: BackupTools, name: str, source: Path, bound: int, told: Callable[[int], None]
) -> _Read:
    compression = packing_of(Path(name))
    packed, plain, census, count, head = hashlib.sha256(), hashlib.sha256(), Census(), 0, b""
    scan = DumpScan(census)
    try:
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK):
                packed.update(chunk)
                told(0)
        raw = tools.keys.open(source, name=name)
        with unpack(raw, compression) as reader:
            while chunk := reader.read(_CHUNK):
                count += len(chunk)
                if count > bound:
                    raise UnpacksTooLarge(
                        f"It unpacks to more than {bound:,} bytes (BACKUP_UPLOAD_MAX_BYTES)."
                    )
                head += chunk[: max(0, _HEAD_BYTES - len(head))]
                plain.update(chunk)
                scan.feed(chunk)
                told(0 if raw.closed or not raw.seekable() else raw.tell())
            scan.finish()
        _check_end(name, source, compression)
    except (*UNPACK_ERRORS, ValueError) as error:
        raise BackupDamaged(f"The file can't be read to its end: {error}") from error
    _check_dump(head, census)
    return _Read(packed.hexdigest(), plain.hexdigest(), count, head, census)


def _check_end(name: str, source: Path, compression: BackupCompression) -> None:
    if compression is BackupCompression.ZSTD and not name.endswith(SUFFIX):
        with source.open("rb") as file:
            check_whole(file)


def _check_dump(head: bytes, census: Census) -> None:
    if _TITLE.search(head) is None:
        raise NotADump("It does not begin like a dump of mariadb-dump or mysqldump.")
    if not census.last_line.startswith(_TRAILER):
        raise BackupDamaged('The dump was cut off: its last line is not "-- Dump completed".')
    if not census.count("table"):
        raise NotADump("The dump holds no table.")


def _manifest(name: str, read: _Read, order: BackupOrder, found: os.stat_result) -> BackupManifest:
    tables = tuple(sorted({found for kind, found in read.census.objects if kind == "table"}))
    rows, title = read.census.rows_of(tables), _TITLE.search(read.head)
    now, count = datetime.now(UTC), read.census.count
    assert title is not None
    server = _found(_SERVER, read.head) or title[2].decode(errors="replace")
    return BackupManifest(
        name=name,
        kind=order.kind,
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
        application_version=tool_version(),
        job_id=order.job_id,
        requested_by=order.requested_by,
    )


def _found(pattern: re.Pattern[bytes], head: bytes) -> str | None:
    match = pattern.search(head)
    return match[1].decode(errors="replace") if match else None
