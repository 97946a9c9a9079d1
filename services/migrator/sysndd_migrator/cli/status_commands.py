"""The commands ``status`` and ``wait``: output and exit codes."""

import argparse
import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sysndd_core.logging import get_logger
from sysndd_migrator.cli.printing import count, duration, needs_resolution, print_json
from sysndd_migrator.commands.migrator import Migrator, open_migrator
from sysndd_migrator.commands.status import drift_sentences, without_effect
from sysndd_migrator.errors import ExitCode, ServerUnavailable, WaitTimedOut
from sysndd_migrator.ledger.status import PROBLEMS, WAITING, FileState, State
from sysndd_migrator.server.interruption import Interruption
from sysndd_migrator.settings import MigratorSettings

log = get_logger(__name__)

_POLL_SECONDS = 1.0
_REPORT_SECONDS = 10.0


async def run_status(
    options: argparse.Namespace, settings: MigratorSettings, interruption: Interruption
) -> int:
    """Run ``status``; return its exit code."""
    async with open_migrator(
        settings.database, settings.migrations.directory, interruption
    ) as migrator:
        return await _status(options, migrator)


async def _status(options: argparse.Namespace, migrator: Migrator) -> int:
    states = await migrator.assess()
    holder = await migrator.lock.holder()
    code = _status_code(states)
    idle = await without_effect(migrator, states)
    # While another process changes the schema, differences are expected.
    drift = [] if holder else await drift_sentences(migrator, states)
    if options.json:
        document = _status_document(migrator, states, str(holder) if holder else None)
        print_json({**document, "without_effect": idle, "drift": drift})
        return code
    for source in migrator.sources:
        print(f"{source.schema} ({source.name})")
        found = states[source.name]
        width = max((len(state.filename) for state in found), default=0)
        for state in found:
            print(
                f"  {state.filename:<{width}}  {_state_sentence(state, running=holder is not None)}"
            )
        if not found:
            print("  no migrations" if source.managed else "  not managed (SCHEMA_MODE=observe)")
    remarks = [
        state.remark
        for state in _all(states)
        if state.remark and not (holder and state.state is State.INTERRUPTED)
    ]
    for remark in dict.fromkeys(remarks):  # files with the same number have the same remark
        print(f"\n{remark}")
    for sentence in (*idle, *(f"Drift: {text}" for text in drift)):
        print(f"\n{sentence}")
    if holder is not None:
        print(f"\nMigration lock held by {holder}.")
    waiting = sum(state.state in WAITING for state in _all(states))
    problems = sum(state.state in PROBLEMS for state in _all(states))
    print(f"\n{_verdict(waiting, problems)}")
    return code


def _verdict(waiting: int, problems: int) -> str:
    if problems:
        return needs_resolution(problems)
    if waiting:
        return f"{count(waiting, 'file')} pending; apply with `sysndd-migrator up`."
    return "Everything is applied."


def _status_code(states: Mapping[str, list[FileState]]) -> ExitCode:
    found = {state.state for state in _all(states)}
    if found & PROBLEMS:
        return ExitCode.NOT_CLEAN
    return ExitCode.PENDING if found & WAITING else ExitCode.OK


def _state_sentence(state: FileState, *, running: bool) -> str:
    row = state.row
    if row is not None and row.success:
        when = f"{row.applied_at:%Y-%m-%d %H:%M:%S} UTC"
        how = f"in {duration(row.duration_ms / 1000)} by {row.applied_by}"
        if row.applied_by.startswith(("adopted by ", "baseline by ")):
            how = f"({row.applied_by})"
        digest = row.checksum.removeprefix("sha256:")[:12] or "unknown"
        applied = f"applied {when} {how}, sha256 {digest}"
        marks = {
            State.COSMETIC: ", comments changed since",
            State.CHANGED: ", CHANGED SINCE",
            State.MISSING: ", file missing",
            State.DUPLICATE: ", DUPLICATE NUMBER",
        }
        return applied + marks.get(state.state, "")
    return {
        State.PENDING: "pending",
        State.OUT_OF_ORDER: "pending, out of order",
        State.INTERRUPTED: "being applied now" if running else "interrupted; `up` resumes it",
    }.get(state.state, state.state.value.upper().replace("_", " "))


def _status_document(
    migrator: Migrator, states: Mapping[str, list[FileState]], holder: str | None
) -> dict[str, Any]:
    files = [
        {
            "schema": source.schema,
            "source": source.name,
            "filename": state.filename,
            "state": state.state.value,
            "applied_at": f"{state.row.applied_at.isoformat()}Z" if state.row else None,
            "duration_ms": state.row.duration_ms if state.row else None,
            "checksum": state.row.checksum if state.row else None,
            "applied_by": state.row.applied_by if state.row else None,
            "tool_version": state.row.tool_version if state.row else None,
            "error": state.row.error if state.row else None,
            "failed": asdict(state.failed) if state.failed else None,
            "remark": state.remark or None,
        }
        for source in migrator.sources
        for state in states[source.name]
    ]
    return {
        "current": _status_code(states) is ExitCode.OK,
        "pending": sum(state.state in WAITING for state in _all(states)),
        "problems": sum(state.state in PROBLEMS for state in _all(states)),
        "lock_held_by": holder,
        "files": files,
    }


def _all(states: Mapping[str, list[FileState]]) -> list[FileState]:
    return [state for found in states.values() for state in found]


async def run_wait(
    options: argparse.Namespace, settings: MigratorSettings, interruption: Interruption
) -> int:
    """Run ``wait``; return its exit code."""
    started = time.monotonic()
    reported = started
    while True:
        interruption.check()
        reason = await _reason_to_wait(settings, interruption)
        waited = time.monotonic() - started
        if reason is None:
            _print_wait(options, waited)
            return ExitCode.OK
        if options.timeout is not None and waited >= options.timeout:
            raise WaitTimedOut(f"Migrations still pending after {options.timeout:g} s: {reason}")
        if time.monotonic() - reported >= _REPORT_SECONDS:
            reported = time.monotonic()
            log.info("migrations_awaited", reason=reason, waited=round(waited))
        await asyncio.sleep(_POLL_SECONDS)


async def _reason_to_wait(settings: MigratorSettings, interruption: Interruption) -> str | None:
    directory = settings.migrations.directory
    try:
        async with open_migrator(settings.database, directory, interruption) as migrator:
            states = _all(await migrator.assess())
    except ServerUnavailable as error:
        return error.detail
    left = [state for state in states if state.state in WAITING | PROBLEMS]
    if not left:
        return None
    return f"{count(len(left), 'file')} not applied; first {left[0].filename}, {left[0].state}."


def _print_wait(options: argparse.Namespace, waited: float) -> None:
    if options.json:
        print_json({"current": True, "waited_seconds": round(waited, 3)})
    else:
        print(f"Everything is applied (waited {duration(waited)}).")
