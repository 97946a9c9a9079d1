"""Proves a backup: loads it into a scratch schema, dumps that, and compares the two part by part."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

import aiomysql

from sysndd_backup.archive.compression import UNPACK_ERRORS, open_reader
from sysndd_backup.archive.reader import check_hash, make_readable
from sysndd_backup.dump.create_backup import BackupTools
from sysndd_backup.dump.dump import flags_for
from sysndd_backup.dump.scanner import DumpScan
from sysndd_backup.load.client import Load
from sysndd_backup.pace import pace
from sysndd_backup.progress import Progress
from sysndd_backup.server.clients import ClientRun, Process
from sysndd_backup.server.server import quoted
from sysndd_backup.verify.dump_digest import Content, NeutralReader, difference
from sysndd_core.backups.manifest import BackupManifest, Proof
from sysndd_core.db.database import Database, connect
from sysndd_core.errors import BackupDamaged, ProofFailed, RestoreFailed, Unavailable
from sysndd_core.logging import get_logger

log = get_logger(__name__)

_CHUNK = 1 << 20
_PROGRESS_SECONDS = 0.5


async def prove(
    tools: BackupTools, name: str, progress: Progress, *, low: int = 0, high: int = 100
) -> BackupManifest:
    """Load a backup beside live, dump it again, and write into its manifest what came of it.

    Args:
        tools: server, client programs and store.
        name: of a listed backup.
        progress: shown to the operator.
        low, high: the range of percent that this fills within its job.

    Returns:
        The manifest, with ``proof`` as PROVEN.

    Raises:
        BackupNotFound: there is none of that name.
        EncryptionKeyMissing, EncryptionKeyWrong: nothing was begun.
        ProofFailed, BackupDamaged: naming what differs; the manifest says so too.
    """
    manifest = await asyncio.to_thread(tools.store.manifest, name)
    await make_readable(tools, manifest, progress, percent=low)
    try:
        await _compare(tools, manifest, progress, low, high)
    except (ProofFailed, BackupDamaged) as error:
        await _record(tools, name, Proof.FAILED, error.detail)
        raise
    return await _record(tools, name, Proof.PROVEN, None)


async def _record(tools: BackupTools, name: str, proof: Proof, error: str | None) -> BackupManifest:
    changes = {"proof": proof, "proof_at": datetime.now(UTC), "proof_error": error}
    manifest = await asyncio.to_thread(tools.store.amend, name, changes)
    if tools.second is not None:
        await tools.second.bring_manifest(name)
    return manifest


async def _compare(
    tools: BackupTools, manifest: BackupManifest, progress: Progress, low: int, high: int
) -> None:
    middle = low + (high - low) // 2
    await progress("proving", low, "Reading the file")
    path = tools.store.path(manifest.name)
    await asyncio.to_thread(check_hash, tools, manifest)
    async with _scratch_schema(tools.database) as scratch:
        told = _Told(progress, manifest.uncompressed_bytes)
        loaded = await told.watch("loading", low, middle, _Loading(tools, scratch, path))
        if loaded.plain != manifest.uncompressed_sha256:
            raise BackupDamaged("The unpacked dump's SHA-256 is not the one of its manifest.")
        again = await told.watch("comparing", middle, high - 1, _Dumping(tools, scratch))
    differs = difference(loaded.digests, again.digests)
    if differs is not None:
        raise ProofFailed(f"Loaded and dumped again, {manifest.name} differs in the {differs}.")


@contextlib.asynccontextmanager
async def _scratch_schema(database: Database) -> AsyncIterator[str]:
    """Make an empty schema with live's character set; gone again at the end."""
    live = database.settings.name
    scratch = f"{live}_proof"
    row = await database.fetch_one(
        "SELECT default_character_set_name AS charset, default_collation_name AS collation"
        " FROM information_schema.schemata WHERE schema_name = %s",
        (live,),
    )
    assert row is not None
    await _run(database, f"DROP DATABASE IF EXISTS {quoted(scratch)}")
    await _run(
        database,
        f"CREATE DATABASE {quoted(scratch)} CHARACTER SET {row['charset']}"
        f" COLLATE {row['collation']}",
    )
    try:
        yield scratch
    finally:
        await _run(database, f"DROP DATABASE IF EXISTS {quoted(scratch)}")


async def _run(database: Database, statement: str) -> None:
    # Not from the pool: its connections are bounded in time, and dropping a large schema is not.
    connection = await connect(database.settings, init_command="sql_notes = 0")
    try:
        async with connection.cursor() as cursor:
            await cursor.execute(statement)
    except aiomysql.Error as error:
        raise ProofFailed(f"The server refused {statement[:60]}: {error}") from error
    finally:
        connection.close()


class _Outcome:
    """Hashes of what passed by: of each part, and of the whole as it was."""

    def __init__(self, digests: dict[str, str], plain: str = "") -> None:
        self.digests = digests
        self.plain = plain


class _Loading:
    """Loads the file into the scratch schema."""

    def __init__(self, tools: BackupTools, scratch: str, path: Path) -> None:
        self._load = Load(tools.database.settings, tools.clients, scratch)
        self._path = path
        self._keys = tools.keys
        self._reader: NeutralReader | None = None

    @property
    def done(self) -> int:
        return self._load.bytes_sent

    async def run(self) -> _Outcome:
        try:
            await self._load.run(self._open)
        except RestoreFailed as error:
            raise ProofFailed(f"It can't be loaded: {error.detail}") from error
        except UNPACK_ERRORS as error:
            raise BackupDamaged(f"The file can't be read to its end: {error}") from error
        assert self._reader is not None
        return _Outcome(self._reader.content.digests(), self._reader.plain.hexdigest())

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        with open_reader(self._path, self._keys) as source:
            self._reader = NeutralReader(source)
            yield cast("IO[bytes]", self._reader)


class _Dumping:
    """Dumps the scratch schema, to hash it."""

    def __init__(self, tools: BackupTools, scratch: str) -> None:
        self.done = 0
        self._client = ClientRun(
            tools.database.settings,
            tools.clients.dump,
            [*flags_for(tools.server), scratch],
            stdout=subprocess.PIPE,
        )

    async def run(self) -> _Outcome:
        work = asyncio.create_task(asyncio.to_thread(self._client.run, self._pump))
        try:
            content, ended = await asyncio.shield(work)
        except asyncio.CancelledError:
            self._client.stop()
            await asyncio.gather(work, return_exceptions=True)
            raise
        if ended.exit_code != 0:
            raise ProofFailed(
                f"The loaded copy can't be dumped: the client ended with {ended.exit_code}:"
                f" {ended.complaint}"
            )
        return _Outcome(content.digests())

    def _pump(self, process: Process) -> Content:
        assert process.stdout is not None
        content = Content()
        scan = DumpScan(content)
        while chunk := process.stdout.read(_CHUNK):
            scan.feed(chunk)
            self.done += len(chunk)
        scan.finish()
        return content


class _Told:
    """Tells the operator how far loading and comparing are."""

    def __init__(self, progress: Progress, expected: int) -> None:
        self._progress = progress
        self._expected = max(1, expected)

    async def watch(self, step: str, low: int, high: int, work: "_Loading | _Dumping") -> _Outcome:
        begun = time.monotonic()
        task = asyncio.create_task(work.run())
        try:
            while not task.done():
                share = min(1.0, work.done / self._expected)
                text = pace(work.done, self._expected, time.monotonic() - begun)
                with contextlib.suppress(Unavailable):
                    await self._progress(step, low + int((high - low) * share), text)
                await asyncio.wait([task], timeout=_PROGRESS_SECONDS)
        except BaseException:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        return task.result()
