"""``baseline``: records files as applied to an existing database, without running them.

First the files are applied to a scratch schema. Each object that they create there must be
identical in the live schema, which may contain others.
"""

from pathlib import Path

from sysndd_core import __version__
from sysndd_core.logging import get_logger
from sysndd_migrator.checks.scratch import Purpose, scratch_schemas
from sysndd_migrator.checks.scratch_run import refuse_outside, with_scripts
from sysndd_migrator.commands.migrator import Migrator, open_migrator
from sysndd_migrator.commands.up import up
from sysndd_migrator.errors import InputUnreadable, NotClean
from sysndd_migrator.files.script import Script
from sysndd_migrator.ledger.ledger import Ledger
from sysndd_migrator.server.interruption import Interruption
from sysndd_migrator.server.session import Session, Write
from sysndd_migrator.server.snapshot import Snapshot, missing_or_different, read_snapshot

log = get_logger(__name__)


async def baseline(
    migrator: Migrator,
    directory: Path,
    interruption: Interruption,
    *,
    filename: str,
    accept_differences: bool,
    timeout: float | None,
) -> tuple[list[str], list[str]]:
    """Record the files up to a given one as applied.

    Args:
        migrator: The migrator.
        directory: The application's migrations.
        interruption: The request to stop.
        filename: The last file that is already present in the database.
        accept_differences: Record them although the schemas differ.
        timeout: Seconds to wait for the lock.

    Returns:
        The recorded files, and the differences that were accepted.

    Raises:
        NotClean: A ledger exists, or the live schema differs from the result of the files.
        InputUnreadable: The file does not exist.
    """
    scripts = _up_to(migrator, filename)
    await migrator.lock.acquire(timeout=timeout)
    try:
        ledger = migrator.ledger("application")
        await _refuse_used_ledger(ledger)
        live = await _live(migrator.session, ledger.schema)
        expected = await _made_by(migrator.session, directory, interruption, scripts)
        differences = list(missing_or_different(expected, live))
        if differences and not accept_differences:
            raise NotClean(_refusal(ledger.schema, filename, differences), differences=differences)
        await _record(migrator, ledger, scripts, differences)
        return [script.filename for script in scripts], differences
    finally:
        await migrator.lock.release()


async def _record(
    migrator: Migrator, ledger: Ledger, scripts: list[Script], differences: list[str]
) -> None:
    await ledger.create()
    await migrator.write([write for script in scripts for write in _writes(ledger, script)])
    log.warning("baseline_recorded", files=len(scripts), accepted=differences)


def _up_to(migrator: Migrator, filename: str) -> list[Script]:
    scripts = migrator.sources[1].scripts
    last = next((script for script in scripts if script.filename == filename), None)
    if last is None:
        raise InputUnreadable(f"There is no migration {filename} in the directory.")
    return [script for script in scripts if script.number <= last.number]


async def _refuse_used_ledger(ledger: Ledger) -> None:
    rows = await ledger.read()
    if rows:
        raise NotClean(
            f"{ledger.table} has {len(rows)} rows already; `baseline` is for a database without a "
            "ledger. Nothing was changed.",
            rows=sorted(rows),
        )


async def _live(session: Session, schema: str) -> Snapshot:
    live = await read_snapshot(session, schema, contents=False)
    if not live.definitions:
        raise NotClean(
            f"The schema {schema} is empty or does not exist, so there is nothing to record. "
            "Run `sysndd-migrator up`."
        )
    return live


async def _made_by(
    session: Session, directory: Path, interruption: Interruption, scripts: list[Script]
) -> Snapshot:
    async with (
        scratch_schemas(session.settings, Purpose.BASELINE) as scratch,
        open_migrator(scratch.settings, directory, interruption) as scratch_run,
    ):
        await refuse_outside(scratch.holder, scripts)
        platform, application = scratch_run.sources
        scratch_run.sources = (platform, with_scripts(application, scripts))
        await up(scratch_run)
        return await read_snapshot(scratch.holder, scratch.settings.name, contents=False)


def _refusal(schema: str, filename: str, different: list[str]) -> str:
    listed = "\n".join(f"  {line}" for line in different)
    return (
        f"The schema {schema} differs from the result of the files up to {filename}:\n{listed}\n"
        "Nothing was recorded. Name an earlier file, or correct the schema, or, if each difference "
        "is intended, pass --accept-differences."
    )


def _writes(ledger: Ledger, script: Script) -> list[Write]:
    return [
        ledger.begun(
            filename=script.filename,
            checksum=script.checksum,
            statements_checksum=script.statements_checksum,
            statements=len(script.statements),
            tool_version=__version__,
            run_id="",
        ),
        ledger.succeeded(script.filename, 0),
        (
            f"UPDATE {ledger.table} SET applied_by = CONCAT('baseline by ', CURRENT_USER()), "
            "run_id = NULL WHERE filename = %s",
            (script.filename,),
        ),
    ]
