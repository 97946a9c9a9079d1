"""Verifies a backup: restores it into a scratch schema, dumps it again, and compares the dumps."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, cast

import aiomysql

from sysndd_backup.archive.compression import DECOMPRESSION_ERRORS
from sysndd_backup.context import BackupTools
from sysndd_backup.dump.dump import flags_for
from sysndd_backup.dump.scanner import DumpScan
from sysndd_backup.load.parallel import Load
from sysndd_backup.progress import Progress, ProgressReporter, run_in_thread
from sysndd_backup.server.clients import ClientRun, Process
from sysndd_backup.verify.damage import shows_damage
from sysndd_backup.verify.dump_digest import DumpDigest, NormalizedReader, Part, differences
from sysndd_backup.verify.loaded_schema import find_violations, verify_schema
from sysndd_core.backups.manifest import BackupManifest, Verification
from sysndd_core.db.database import Database, connect
from sysndd_core.errors import BackupDamaged, RestoreFailed, VerificationFailed
from sysndd_core.jobs.models import BackupKind
from sysndd_core.sql.identifiers import quote_name

_CHUNK = 1 << 20


async def verify_backup(
    tools: BackupTools, name: str, progress: Progress, *, low: int = 0, high: int = 100
) -> BackupManifest:
    """Verify a backup, and record the result in its manifest.

    Args:
        tools: Server, client programs and store.
        name: Name of the backup.
        progress: Reports the progress of the job.
        low, high: Percent of the job at the beginning and at the end of the verification.

    Returns:
        The manifest, with the verification ``VERIFIED``.

    Raises:
        BackupNotFound: There is no backup with this name.
        EncryptionKeyMissing, EncryptionKeyWrong: No identity can decrypt the backup; its
            verification is unchanged.
        VerificationFailed, BackupDamaged: The restored data differs from the dump, or the file is
            damaged; the manifest contains the detail.
    """
    manifest = await asyncio.to_thread(tools.store.manifest, name)
    try:
        await tools.reader.ensure_readable(manifest, progress, percent=low)
        violations = await _compare(tools, manifest, progress, low, high)
    except (VerificationFailed, BackupDamaged) as error:
        damaged = await shows_damage(tools, manifest, error)
        await _record(tools, name, Verification.FAILED, error.detail, damaged=damaged)
        raise
    return await _record(tools, name, Verification.VERIFIED, None, violations=violations)


async def _record(
    tools: BackupTools,
    name: str,
    verification: Verification,
    error: str | None,
    *,
    damaged: bool = False,
    violations: Sequence[str] = (),
) -> BackupManifest:
    changes = {
        "verification": verification,
        "verified_at": datetime.now(UTC),
        "verification_error": error,
        "damaged": damaged,
        "constraint_violations": list(violations),
    }
    manifest = await asyncio.to_thread(tools.store.amend, name, changes)
    if tools.offsite is not None:
        await tools.offsite.upload_manifest(name)
    return manifest


async def _compare(
    tools: BackupTools, manifest: BackupManifest, progress: Progress, low: int, high: int
) -> list[str]:
    """Compare the restored data with the dump; return the constraints that it violates."""
    middle, size = low + (high - low) // 2, manifest.uncompressed_bytes
    await progress("verifying", low, f"Checking the hash of {manifest.name}")
    await asyncio.to_thread(tools.reader.check_hash, manifest)
    async with _scratch_schema(tools.database) as scratch:
        reporter = ProgressReporter(progress, "loading", (low, middle), size)
        loaded = await _load(tools, manifest, scratch, reporter)
        if loaded.uncompressed_sha256 != manifest.uncompressed_sha256:
            raise BackupDamaged(
                f"The backup {manifest.name} is damaged: the SHA-256 of the decompressed dump"
                " differs from the manifest."
            )
        reporter = ProgressReporter(progress, "comparing", (middle, high - 1), size)
        dumped = await _dump_again(tools, manifest, scratch, reporter)
        found = differences(loaded.parts, dumped)
        if _is_worded_elsewhere(tools, manifest):
            # Another client or series words the same definition differently, and a client with
            # other options also the rows. So check what a restore checks.
            await _verify_loaded(tools, manifest, scratch)
            uploaded = manifest.kind is BackupKind.UPLOADED
            found = [one for one in found if one.in_rows and not uploaded]
        violations = await find_violations(tools, scratch)
    if found:
        raise VerificationFailed(
            f"Verification of {manifest.name} failed, because the restored data differs in the"
            f" {found[0]}. Keep the file, and create and verify another backup."
        )
    return violations


def _is_worded_elsewhere(tools: BackupTools, manifest: BackupManifest) -> bool:
    """Return whether a dump was not written by this server and dump client."""
    return (
        manifest.kind is BackupKind.UPLOADED
        or manifest.client_version != tools.clients.version
        or manifest.server_version != tools.server.version
    )


async def _verify_loaded(tools: BackupTools, manifest: BackupManifest, schema: str) -> None:
    try:
        await verify_schema(tools, manifest, schema)
    except RestoreFailed as error:
        raise VerificationFailed(
            f"Verification of {manifest.name} failed. {error.detail} Keep the file, and create and"
            " verify another backup."
        ) from error


@contextlib.asynccontextmanager
async def _scratch_schema(database: Database) -> AsyncIterator[str]:
    """Create an empty schema with the application schema's character set; drop it at the end."""
    live = database.settings.name
    scratch = f"{live}_verify"
    row = await database.fetch_one(
        "SELECT default_character_set_name AS charset, default_collation_name AS collation"
        " FROM information_schema.schemata WHERE schema_name = %s",
        (live,),
    )
    # The application schema may be lost.
    charset = f"CHARACTER SET {row['charset']} COLLATE {row['collation']}" if row else ""
    await _run(database, f"DROP DATABASE IF EXISTS {quote_name(scratch)}")
    await _run(
        database,
        f"CREATE DATABASE {quote_name(scratch)} {charset or 'CHARACTER SET utf8mb4'}",
    )
    try:
        yield scratch
    finally:
        await _run(database, f"DROP DATABASE IF EXISTS {quote_name(scratch)}")


async def _run(database: Database, statement: str) -> None:
    # Not from the pool, whose statement timeout is too short to drop a large schema.
    connection = await connect(database.settings, init_command="sql_notes = 0")
    try:
        async with connection.cursor() as cursor:
            await cursor.execute(statement)
    except aiomysql.Error as error:
        raise VerificationFailed(f"The server rejected {statement[:60]}: {error}") from error
    finally:
        connection.close()


@dataclass(frozen=True)
class _Loaded:
    """Hashes of a loaded dump: of each part, and of the dump before normalization."""

    parts: dict[str, Part]
    uncompressed_sha256: str


async def _load(
    tools: BackupTools, manifest: BackupManifest, scratch: str, reporter: ProgressReporter
) -> _Loaded:
    load = Load(tools.database.settings, tools.clients, scratch)
    reader: NormalizedReader | None = None

    @contextlib.contextmanager
    def normalized() -> Iterator[IO[bytes]]:
        nonlocal reader
        with tools.reader.open(manifest) as source:
            reader = NormalizedReader(
                source, manifest.database, scratch, excluded=manifest.excluded_rows
            )
            yield cast("IO[bytes]", reader)

    try:
        await reporter.watch(load.run(normalized), load.bytes_sent)
    except RestoreFailed as error:
        raise VerificationFailed(f"{manifest.name} cannot be loaded: {error.detail}") from error
    except DECOMPRESSION_ERRORS as error:
        raise BackupDamaged(
            f"The backup file {manifest.name} is truncated or damaged: {error}"
        ) from error
    assert reader is not None
    return _Loaded(reader.digest.parts(), reader.plain.hexdigest())


async def _dump_again(
    tools: BackupTools, manifest: BackupManifest, scratch: str, reporter: ProgressReporter
) -> dict[str, Part]:
    """Dump the scratch schema; return its parts."""
    digest, done = DumpDigest(scratch, excluded=manifest.excluded_rows), 0
    client = ClientRun(
        tools.database.settings,
        tools.clients.dump,
        [*flags_for(tools.server), scratch],
        stdout=subprocess.PIPE,
    )

    def read(process: Process) -> None:
        nonlocal done
        assert process.stdout is not None
        scan = DumpScan(digest)
        while chunk := process.stdout.read(_CHUNK):
            scan.feed(chunk)
            done += len(chunk)
        scan.finish()

    work = run_in_thread(lambda: client.run(read), client.stop)
    _, ended = await reporter.watch(work, lambda: done)
    if ended.code != 0:
        raise VerificationFailed(
            f"The scratch schema {scratch} cannot be dumped: the dump client failed with exit code"
            f" {ended.code}: {ended.stderr}"
        )
    return digest.parts()
