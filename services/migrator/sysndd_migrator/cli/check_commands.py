"""The commands ``verify``, ``plan`` and ``lint``: options, output and exit codes."""

import argparse
import asyncio
import contextlib
from collections.abc import Awaitable, Iterator
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from sysndd_core.errors import SettingsError
from sysndd_core.settings.database import DatabaseSettings
from sysndd_migrator.apply.failure import shortened
from sysndd_migrator.checks.lock_class import LockClass
from sysndd_migrator.cli.printing import count, needs_resolution, print_json, size
from sysndd_migrator.commands.lint import ScratchRun, lint
from sysndd_migrator.commands.plan import Plan, Step, plan
from sysndd_migrator.commands.verify import Verification, verify
from sysndd_migrator.errors import ExitCode, WaitTimedOut
from sysndd_migrator.server.interruption import Interruption
from sysndd_migrator.settings import MigratorSettings

ResultT = TypeVar("ResultT")


def _database(options: argparse.Namespace, settings: MigratorSettings) -> DatabaseSettings:
    """Return the server on which files are run: the live one, or that of ``--server``."""
    if options.server is None:
        return settings.database
    try:
        url = urlsplit(options.server)
        port = url.port or 3306
    except ValueError as error:
        raise SettingsError([f"--server {options.server!r}: {error}"]) from error
    if url.scheme not in {"mysql", "mariadb"} or not url.hostname or not url.username:
        raise SettingsError(["--server must be of the form mysql://user@host:port"])
    if url.password is not None:
        raise SettingsError(
            [
                "--server contains a password, which process lists show; set "
                "VERIFY_SERVER_PASSWORD or VERIFY_SERVER_PASSWORD_FILE instead"
            ]
        )
    return settings.database.model_copy(
        update={
            "host": url.hostname,
            "port": port,
            "socket": None,
            "user": unquote(url.username),
            "password": settings.other_server.password,
        }
    )


@contextlib.contextmanager
def _stopping(
    options: argparse.Namespace, settings: MigratorSettings, interruption: Interruption
) -> Iterator[Interruption]:
    """Send a signal's KILL QUERY to the server on which files are run."""
    if options.server is None:
        yield interruption
        return
    other = Interruption(_database(options, settings))
    with other.signals():
        yield other


async def _in_time(options: argparse.Namespace, work: Awaitable[ResultT]) -> ResultT:
    try:
        async with asyncio.timeout(options.timeout):
            return await work
    except TimeoutError as error:
        raise WaitTimedOut(
            f"Not finished within {options.timeout:g} s. The next run drops any scratch schema "
            "that this one could not drop."
        ) from error


# -- verify -------------------------------------------------------------------------------------


async def run_verify(
    options: argparse.Namespace, settings: MigratorSettings, interruption: Interruption
) -> int:
    """Run ``verify``; return its exit code."""
    directory = settings.migrations.directory
    with _stopping(options, settings, interruption) as stopping:
        done = await _in_time(options, verify(_database(options, settings), directory, stopping))
    if options.json:
        _print_verification(done)
    else:
        for finding in done.findings:
            print(f"{finding.filename} {finding.fault.replace('_', ' ')} → {finding.why}")
        print(_verdict(done))
    return ExitCode.FINDINGS if done.findings else ExitCode.OK


def _verdict(done: Verification) -> str:
    files = count(done.files, "file")
    if done.not_reached:
        not_reached = ", ".join(done.not_reached)
        return f"{files} applied on {done.server} before one failed. Not reached: {not_reached}."
    if done.findings:
        return f"{files} applied twice on {done.server}: {count(len(done.findings), 'finding')}."
    return f"{files} applied twice on {done.server}: no findings."


def _print_verification(done: Verification) -> None:
    print_json(
        {
            "ok": not done.findings,
            "server": done.server,
            "files": done.files,
            "findings": [
                {
                    "schema": finding.schema,
                    "file": finding.filename,
                    "fault": finding.fault.value,
                    "why": finding.why,
                }
                for finding in done.findings
            ],
            "not_reached": done.not_reached,
        }
    )


# -- plan ---------------------------------------------------------------------------------------

_EFFECTS = {
    LockClass.INSTANT: "no copy; reads and writes continue",
    LockClass.INPLACE: "reads and writes continue",
    LockClass.INPLACE_SHARED: "writes wait until it is done",
    LockClass.COPY: "the table is copied; writes wait until it is done",
    LockClass.NEW: "a new table; no client waits",
    LockClass.DEFINITION: "waits for open transactions of the object",
    LockClass.ROWS: "locks the rows it changes",
    LockClass.UNKNOWN: "its lock is unknown",
}


async def run_plan(
    options: argparse.Namespace, settings: MigratorSettings, interruption: Interruption
) -> int:
    """Run ``plan``; return its exit code."""
    directory = settings.migrations.directory
    found = await _in_time(options, plan(settings.database, directory, interruption))
    if options.json:
        print_json(
            {
                "pending": [file.document() for file in found.files],
                "problems": [
                    {"file": state.filename, "state": state.state.value, "remark": state.remark}
                    for state in found.problems
                ],
            }
        )
    else:
        _print_plan(found)
    if found.problems:
        return ExitCode.NOT_CLEAN
    return ExitCode.PENDING if found.files else ExitCode.OK


def _print_plan(found: Plan) -> None:
    for state in found.problems:
        print(f"{state.remark}\n")
    for file in found.files:
        print(f"{file.source}: {file.state.filename} ({file.state.state})")
        for step in file.steps:
            print(_step_lines(step))
        for warning in file.warnings:
            print(f"  lint: {warning}")
    if found.problems:
        print(needs_resolution(len(found.problems)))
    elif found.files:
        print(f"`up` would apply {count(len(found.files), 'file')}. Nothing was changed.")
    else:
        print("Nothing to do: every migration is applied.")


def _step_lines(step: Step) -> str:
    done = step.classified
    on = ""
    if step.size is not None:
        on = f" on {done.table}, about {step.size.rows:,} rows, {size(step.size.size_bytes)}"
    lines = [
        f"  line {done.statement.line}: {shortened(done.sent)}",
        f"    {done.lock.value}{on}: {_EFFECTS.get(done.lock, 'this connection only')}",
    ]
    if done.error:
        lines.append(f"    On an empty clone: {done.error}")
    return "\n".join(lines)


# -- lint ---------------------------------------------------------------------------------------


async def run_lint(
    options: argparse.Namespace, settings: MigratorSettings, interruption: Interruption
) -> int:
    """Run ``lint``; return its exit code."""
    scratch_run = None
    if not options.offline:
        scratch_run = ScratchRun(_database(options, settings), options.copy_rows)
    directory = settings.migrations.directory
    with _stopping(options, settings, interruption) as stopping:
        found = await _in_time(options, lint(settings.database, directory, stopping, scratch_run))
    if options.json:
        print_json({"findings": [finding.document() for finding in found]})
    else:
        for finding in found:
            print(finding)
        how = "by rule" if options.offline else "by rule and by execution"
        print(f"Checked {how}: {count(len(found), 'finding') if found else 'no findings'}.")
    return ExitCode.FINDINGS if found else ExitCode.OK
