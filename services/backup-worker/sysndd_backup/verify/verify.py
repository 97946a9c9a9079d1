"""Verifies a backup: loads it into a scratch schema, dumps that, and compares the two part by part."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, cast

import aiomysql

from sysndd_backup.archive.compression import UNPACK_ERRORS
from sysndd_backup.context import BackupTools
from sysndd_backup.dump.dump import flags_for
from sysndd_backup.dump.scanner import DumpScan
from sysndd_backup.load.parallel import Load
from sysndd_backup.progress import Progress, ProgressReporter, run_in_thread
from sysndd_backup.server.clients import ClientRun, Process
from sysndd_backup.verify.dump_digest import DumpDigest, NormalizedReader, difference
from sysndd_core.backups.manifest import BackupManifest, Verification
from sysndd_core.db.database import Database, connect
from sysndd_core.errors import BackupDamaged, RestoreFailed, VerificationFailed
from sysndd_core.sql.identifiers import quote_name

_CHUNK = 1 << 20


async def verify_backup(
    tools: BackupTools, name: str, progress: Progress, *, low: int = 0, high: int = 100
) -> BackupManifest:
    """Load a backup into a scratch schema, dump it again, and record the result in its manifest.

    Args:
        tools: server, client programs and store.
        name: of a listed backup.
        progress: shown to the operator.
        low, high: the range of percent that this fills within its job.

    Returns:
        The manifest, with ``verification`` as VERIFIED.

    Raises:
        BackupNotFound: there is none of that name.
        EncryptionKeyMissing, EncryptionKeyWrong: nothing was begun.
        VerificationFailed, BackupDamaged: naming what differs; the manifest says so too.
    """
    manifest = await asyncio.to_thread(tools.store.manifest, name)
    await tools.reader.ensure_readable(manifest, progress, percent=low)
    try:
        await _compare(tools, manifest, progress, low, high)
    except (VerificationFailed, BackupDamaged) as error:
        await _record(tools, name, Verification.FAILED, error.detail)
        raise
    return await _record(tools, name, Verification.VERIFIED, None)


async def _record(
    tools: BackupTools, name: str, verification: Verification, error: str | None
) -> BackupManifest:
    changes = {
        "verification": verification,
        "verified_at": datetime.now(UTC),
        "verification_error": error,
    }
    manifest = await asyncio.to_thread(tools.store.amend, name, changes)
    if tools.offsite is not None:
        await tools.offsite.upload_manifest(name)
    return manifest


async def _compare(
    tools: BackupTools, manifest: BackupManifest, progress: Progress, low: int, high: int
) -> None:
    middle, size = low + (high - low) // 2, manifest.uncompressed_bytes
    await progress("verifying", low, "Reading the file")
    await asyncio.to_thread(tools.reader.check_hash, manifest)
    async with _scratch_schema(tools.database) as scratch:
        reporter = ProgressReporter(progress, "loading", (low, middle), size)
        loaded = await _load(tools, manifest, scratch, reporter)
        if loaded.uncompressed_sha256 != manifest.uncompressed_sha256:
            raise BackupDamaged("The unpacked dump's SHA-256 is not the one of its manifest.")
        reporter = ProgressReporter(progress, "comparing", (middle, high - 1), size)
        dumped = await _dump_again(tools, scratch, reporter)
    differs = difference(loaded.digests, dumped)
    if differs is not None:
        raise VerificationFailed(
            f"Loaded and dumped again, {manifest.name} differs in the {differs}."
        )


@contextlib.asynccontextmanager
async def _scratch_schema(database: Database) -> AsyncIterator[str]:
    """Create an empty schema with live's character set; dropped at the end."""
    live = database.settings.name
    scratch = f"{live}_verify"
    row = await database.fetch_one(
        "SELECT default_character_set_name AS charset, default_collation_name AS collation"
        " FROM information_schema.schemata WHERE schema_name = %s",
        (live,),
    )
    assert row is not None
    await _run(database, f"DROP DATABASE IF EXISTS {quote_name(scratch)}")
    await _run(
        database,
        f"CREATE DATABASE {quote_name(scratch)} CHARACTER SET {row['charset']}"
        f" COLLATE {row['collation']}",
    )
    try:
        yield scratch
    finally:
        await _run(database, f"DROP DATABASE IF EXISTS {quote_name(scratch)}")


async def _run(database: Database, statement: str) -> None:
    # Not from the pool: its connections are bounded in time, and dropping a large schema is not.
    connection = await connect(database.settings, init_command="sql_notes = 0")
    try:
        async with connection.cursor() as cursor:
            await cursor.execute(statement)
    except aiomysql.Error as error:
        raise VerificationFailed(f"The server refused {statement[:60]}: {error}") from error
    finally:
        connection.close()


@dataclass(frozen=True)
class _Loaded:
    """Hashes of a dump that was loaded: of each part, and of the whole as it was."""

    digests: dict[str, str]
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
            reader = NormalizedReader(source)
            yield cast("IO[bytes]", reader)

    try:
        await reporter.watch(load.run(normalized), load.bytes_sent)
    except RestoreFailed as error:
        raise VerificationFailed(f"It can't be loaded: {error.detail}") from error
    except UNPACK_ERRORS as error:
        raise BackupDamaged(f"The file can't be read to its end: {error}") from error
    assert reader is not None
    return _Loaded(reader.digest.digests(), reader.plain.hexdigest())


async def _dump_again(
    tools: BackupTools, scratch: str, reporter: ProgressReporter
) -> dict[str, str]:
    """Dump the scratch schema; return a hash for each part."""
    digest, done = DumpDigest(), 0
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
    if ended.exit_code != 0:
        raise VerificationFailed(
            f"The loaded copy can't be dumped: the client ended with {ended.exit_code}:"
            f" {ended.complaint}"
        )
    return digest.digests()
