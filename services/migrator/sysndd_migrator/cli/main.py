"""The entry point of ``sysndd-migrator``, and the commands ``up``, ``status`` and ``wait``.

Results go to stdout as sentences or JSON, errors and logs to stderr.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pymysql.err

from sysndd_core.errors import SettingsError, SysnddError
from sysndd_core.logging import configure, get_logger
from sysndd_core.settings.base import load
from sysndd_core.settings.log import LogFormat, LogLevel, LogSettings
from sysndd_migrator.cli.arguments import parser
from sysndd_migrator.cli.printing import count, duration, needs_resolution, print_json
from sysndd_migrator.commands.up import Applied, Migrator, open_migrator
from sysndd_migrator.errors import ExitCode, MigratorError, ServerUnavailable, WaitTimedOut
from sysndd_migrator.ledger.status import PROBLEMS, WAITING, FileState, State
from sysndd_migrator.server.interruption import Interruption
from sysndd_migrator.server.session import server_error
from sysndd_migrator.settings import MigratorSettings

log = get_logger(__name__)

_SCRATCH_COMMANDS = frozenset({"baseline", "verify", "plan", "lint"})

_POLL_SECONDS = 1.0
_REPORT_SECONDS = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "split":
            return int(_other_commands()["split"](options))
        settings = _settings(options, os.environ)
        configure(_log_settings(options, settings), service="migrator")
        if options.command == "new":
            return int(_other_commands()["new"](options, settings))
        return asyncio.run(_run(options, settings))
    except SysnddError as error:
        return _report_error(options, error)
    except pymysql.err.Error as error:
        number, reason = server_error(error)
        return _report_error(options, MigratorError(f"{reason} (error {number})."))
    except BrokenPipeError:
        # The reader (head, less) has exited; without this, Python would report it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED


def _other_commands() -> Mapping[str, Callable[..., Any]]:
    """Import the other commands on demand, so that an ``up`` with nothing to do starts quickly."""
    from sysndd_migrator.cli import (  # noqa: PLC0415
        check_commands,
        file_commands,
        ledger_commands,
    )

    return {
        "split": file_commands.run_split,
        "new": ledger_commands.run_new,
        "resolve": file_commands.run_resolve,
        "adopt": ledger_commands.run_adopt,
        "baseline": ledger_commands.run_baseline,
        "verify": check_commands.run_verify,
        "plan": check_commands.run_plan,
        "lint": check_commands.run_lint,
    }


def _settings(options: argparse.Namespace, environ: Mapping[str, str]) -> MigratorSettings:
    chosen = dict(environ)
    if options.dir is not None:
        chosen.pop("MIGRATIONS_DIR_FILE", None)
        chosen["MIGRATIONS_DIR"] = str(options.dir)
    if not chosen.get("LOG_FORMAT") and sys.stderr.isatty():
        chosen["LOG_FORMAT"] = LogFormat.CONSOLE.value
    return load(MigratorSettings, chosen)


def _log_settings(options: argparse.Namespace, settings: MigratorSettings) -> LogSettings:
    # The result reports what runs in a scratch schema; the log is for what happens in the live one.
    if options.command in _SCRATCH_COMMANDS and settings.log.level is LogLevel.INFO:
        return settings.log.model_copy(update={"level": LogLevel.WARNING})
    return settings.log


async def _run(options: argparse.Namespace, settings: MigratorSettings) -> int:
    interruption = Interruption(settings.database)
    with interruption.signals():
        if options.command == "wait":
            return await _wait(options, settings, interruption)
        if options.command not in {"up", "status"}:
            run = _other_commands()[options.command]
            return int(await run(options, settings, interruption))
        async with open_migrator(
            settings.database, settings.migrations.directory, interruption
        ) as migrator:
            if options.command == "up":
                return await _up(options, migrator)
            return await _status(options, migrator)


# -- up -----------------------------------------------------------------------------------------


async def _up(options: argparse.Namespace, migrator: Migrator) -> int:
    started = time.monotonic()

    def announce(applied: Applied) -> None:
        if not options.json:
            print(_applied_sentence(applied), flush=True)

    report = await migrator.up(
        timeout=options.timeout,
        announce=announce,
        strict=options.strict,
        accept_drift=options.accept_drift,
    )
    if options.json:
        files = [
            {
                "schema": applied.schema,
                "filename": applied.filename,
                "statements": applied.statements,
                "duration_ms": applied.duration_ms,
                "changed": applied.changed,
            }
            for applied in report.applied
        ]
        print_json({"applied": files, "remarks": report.remarks})
        return ExitCode.OK
    for remark in report.remarks:
        print(f"Note: {remark}")
    if report.applied:
        files_text = count(len(report.applied), "file")
        print(f"Done: {files_text} applied in {duration(time.monotonic() - started)}.")
    else:
        print("Nothing to do: every migration is applied.")
    return ExitCode.OK


def _applied_sentence(applied: Applied) -> str:
    statements = count(applied.statements, "statement")
    took = duration(applied.duration_ms / 1000)
    return f"Applied {applied.filename} to {applied.schema}: {statements} in {took}."


# -- status and wait ----------------------------------------------------------------------------


async def _status(options: argparse.Namespace, migrator: Migrator) -> int:
    states = await migrator.assess()
    holder = await migrator.lock.holder()
    code = _status_code(states)
    idle = await migrator.without_effect(states)
    # While another process changes the schema, differences are expected.
    drift = [] if holder else await migrator.drift_sentences(states)
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
            print("  no migrations")
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


async def _wait(
    options: argparse.Namespace, settings: MigratorSettings, interruption: Interruption
) -> int:
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


# -- printing -----------------------------------------------------------------------------------


def _report_error(options: argparse.Namespace, error: SysnddError) -> int:
    if options.json:
        print_json({"error": {"code": error.code, "detail": error.detail, **error.extra}})
    print(f"sysndd-migrator: {error.detail}", file=sys.stderr)
    if isinstance(error, MigratorError):
        return error.exit_code
    return ExitCode.USAGE if isinstance(error, SettingsError) else ExitCode.FAILED
