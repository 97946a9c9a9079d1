"""The entry point of ``sysndd-migrator``, and the command ``up``.

Results go to stdout as sentences or JSON, errors and logs to stderr.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pymysql.err

from sysndd_core.errors import SettingsError, SysnddError
from sysndd_core.logging import configure
from sysndd_core.settings.base import load
from sysndd_core.settings.log import LogFormat, LogLevel, LogSettings
from sysndd_migrator.cli.arguments import parser
from sysndd_migrator.cli.printing import count, duration, print_json
from sysndd_migrator.commands.migrator import open_migrator
from sysndd_migrator.commands.report import Applied
from sysndd_migrator.commands.up import up
from sysndd_migrator.errors import ExitCode, MigratorError
from sysndd_migrator.server.interruption import Interruption
from sysndd_migrator.server.session import server_error
from sysndd_migrator.settings import MigratorSettings

_SCRATCH_COMMANDS = frozenset({"baseline", "verify", "plan", "lint"})


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
        status_commands,
    )

    return {
        "status": status_commands.run_status,
        "wait": status_commands.run_wait,
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
        run = _run_up if options.command == "up" else _other_commands()[options.command]
        return int(await run(options, settings, interruption))


# -- up -----------------------------------------------------------------------------------------


async def _run_up(
    options: argparse.Namespace, settings: MigratorSettings, interruption: Interruption
) -> int:
    started = time.monotonic()

    def announce(applied: Applied) -> None:
        if not options.json:
            print(_applied_sentence(applied), flush=True)

    async with open_migrator(
        settings.database, settings.migrations.directory, interruption
    ) as migrator:
        report = await up(
            migrator,
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


# -- printing -----------------------------------------------------------------------------------


def _report_error(options: argparse.Namespace, error: SysnddError) -> int:
    if options.json:
        print_json({"error": {"code": error.code, "detail": error.detail, **error.extra}})
    print(f"sysndd-migrator: {error.detail}", file=sys.stderr)
    if isinstance(error, MigratorError):
        return error.exit_code
    return ExitCode.USAGE if isinstance(error, SettingsError) else ExitCode.FAILED
