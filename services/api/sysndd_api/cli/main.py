"""``sysndd-admin``: the services of the API on the command line.

Exit codes: 0 success; 1 refused or failed, with the reason on stderr; 2 usage error.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sysndd_api.backups.restore import RESTORE_WORD, UNDO_WORD, Restores
from sysndd_api.backups.service import Backups, check_confirmation
from sysndd_api.cli.accounts import add_account_commands
from sysndd_api.cli.backups import add_backup_commands, rows_left_out
from sysndd_api.cli.command import AddCommand, Command, CommandResult
from sysndd_api.cli.inspections import add_inspection_commands
from sysndd_api.cli.operators import add_operator_commands
from sysndd_api.cli.site import add_site_commands
from sysndd_api.cli.without_site import OwnWorker, ensure_platform_schema
from sysndd_api.context import Context, open_context
from sysndd_api.jobs.models import JobQuery, JobView
from sysndd_api.jobs.service import Jobs
from sysndd_api.mail.service import Mails
from sysndd_api.security.access import COMMAND_LINE
from sysndd_api.settings import ApiSettings
from sysndd_api.site.service import Sites
from sysndd_core.db.database import Database
from sysndd_core.db.site import check_site
from sysndd_core.errors import MailNotFound, SysnddError, Unavailable
from sysndd_core.jobs.models import Consent
from sysndd_core.jobs.rows import JobState
from sysndd_core.logging import configure
from sysndd_core.mail.outbox import MailState
from sysndd_core.settings.base import load
from sysndd_core.settings.log import LogLevel

_POLL_SECONDS = 0.5
_RESTART_SECONDS = 60.0
_BEFORE_THE_START = {"attach", "rebind-site"}
"""Commands that end the state in which every process refuses to start."""

_RISKS = {
    Consent.NO_ADMINISTRATOR: "restore a backup that contains no active administrator",
    Consent.FOREIGN_BACKUP: "restore a backup of another site",
    Consent.CONSTRAINT_VIOLATIONS: "restore data that violates its constraints",
    Consent.INCOMPLETE_SAFETY_BACKUP: "replace a damaged live database after a safety backup of"
    " what can be read",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments, run one command and print its result."""
    options = _parser().parse_args(arguments)
    try:
        settings = load(ApiSettings, os.environ)
        configure(settings.log.model_copy(update={"level": LogLevel.ERROR}), service="sysndd-admin")
        result = asyncio.run(_run(settings, options))
    except SysnddError as error:
        _print_error(options, error)
        return 1
    except KeyboardInterrupt:
        # The worker continues the job; only the polling ends.
        print("Interrupted. A submitted job continues; see `sysndd-admin jobs`.", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(result.data, indent=2, default=str))
    else:
        print(result.text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sysndd-admin",
        description="Operate the platform.",
        epilog="Exit codes: 0 success; 1 refused or failed; 2 usage error.",
    )
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")

    def add(name: str, command: Command, summary: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.add_argument("--json", action="store_true", help="print JSON")
        sub.set_defaults(command=command)
        return sub

    add_operator_commands(add, commands)
    add_account_commands(add)
    add_site_commands(add)
    add_backup_commands(add, _watch)
    _add_restore_commands(add)
    add_inspection_commands(add, _watch)
    jobs = add("jobs", _jobs, "list jobs, newest first")
    jobs.add_argument(
        "--limit",
        type=int,
        default=20,
        choices=range(1, 501),
        metavar="1-500",
        help="maximum number of jobs (default 20)",
    )
    mail = add("test-mail", _test_mail, "send a test email and wait for the mail server's reply")
    mail.add_argument("--to", required=True, help="address of the recipient")
    mail.add_argument("--timeout", type=float, default=60, help="seconds to wait (default 60)")
    return parser


def _add_restore_commands(add: AddCommand) -> None:
    restore = add("restore", _restore, "restore a backup and wait for it")
    restore.add_argument("backup", help="name as in `sysndd-admin list`, or `latest`")
    restore.add_argument(
        "--confirm",
        metavar="WORD",
        help=f"the word {RESTORE_WORD}; a terminal prompts for it if omitted",
    )
    restore.add_argument(
        "--accept",
        metavar="CONSENT",
        action="append",
        default=[],
        choices=[consent.value for consent in Consent],
        help=f"a risk to accept; may be repeated. {_accepted_risks()}",
    )
    undo = add("undo-restore", _undo_restore, "undo the last restore and wait for it")
    undo.add_argument(
        "--confirm",
        metavar="WORD",
        help=f"the word {UNDO_WORD}; a terminal prompts for it if omitted",
    )


def _accepted_risks() -> str:
    return " ".join(f"{consent}: {_RISKS[consent]}." for consent in Consent)


async def _run(settings: ApiSettings, options: argparse.Namespace) -> CommandResult:
    async with open_context(settings) as context:
        if options.name not in _BEFORE_THE_START:
            await check_site(context[Database], settings.database)
        command: Command = options.command
        return await command(context, options)


def _print_error(options: argparse.Namespace, error: SysnddError) -> None:
    if options.json:
        print(json.dumps({"code": error.code, "detail": error.detail, **error.extra}))
    print(f"sysndd-admin {options.name}: {error.detail}", file=sys.stderr)


async def _restore(context: Context, options: argparse.Namespace) -> CommandResult:
    confirm = options.confirm
    if confirm is not None:
        check_confirmation(confirm, RESTORE_WORD)
    created = await ensure_platform_schema(context[Database])
    manifest = await context[Backups].find(options.backup)
    if created and manifest.site_id is not None:
        # A new platform schema has no history, so it takes the ID of the site from the backup.
        await context[Sites].rebind(COMMAND_LINE, previous=None, site_id=manifest.site_id)
    if confirm is None and sys.stdin.isatty():
        print(
            f"This replaces the live database with {manifest.name} of"
            f" {manifest.created_at:%Y-%m-%d %H:%M} UTC ({manifest.row_count:,} rows)."
            f"{rows_left_out(manifest.excluded_rows, '; these tables will be empty')}"
            " A safety backup is created first.",
            file=sys.stderr,
        )
        confirm = await asyncio.to_thread(input, f"Type {RESTORE_WORD} to continue: ")
    job_id = await context[Restores].restore_backup(
        COMMAND_LINE, manifest.name, confirm, map(Consent, options.accept)
    )
    job = await _watch(context, job_id, options)
    result = job.result or {}
    return CommandResult(
        f"Restored {result['restored']}. {_safety_backup(result)}"
        + (" Pending migrations were applied." if result.get("migrated") else "")
        + rows_left_out(result.get("excluded_rows", []))
        + _warnings(result),
        job.model_dump(mode="json"),
    )


def _safety_backup(result: Mapping[str, Any]) -> str:
    name, missing = result["safety_backup"], result.get("missing_from_safety_backup") or []
    if name is None:
        return "There is no safety backup, because nothing in the live database could be read."
    if not missing:
        return f"Safety backup: {name}."
    listed = "".join(f"\n  {one['kind']} {one['name']}: {one['reason']}" for one in missing)
    return f"Safety backup: {name}. It does not contain:{listed}\n"


def _warnings(result: Mapping[str, Any]) -> str:
    return "".join(f" Warning: {text}" for text in result.get("warnings", ()))


async def _undo_restore(context: Context, options: argparse.Namespace) -> CommandResult:
    confirm = options.confirm
    if confirm is None and sys.stdin.isatty():
        print(
            "This returns to the tables that the last restore replaced. Data written since then"
            " will no longer be visible.",
            file=sys.stderr,
        )
        confirm = await asyncio.to_thread(input, f"Type {UNDO_WORD} to continue: ")
    job_id = await context[Restores].undo_restore(COMMAND_LINE, confirm)
    job = await _watch(context, job_id, options)
    result = job.result or {}
    if "undone" not in result:
        return CommandResult(job.message or "Done.", job.model_dump(mode="json"))
    return CommandResult(
        f"Restore of {result['undone']} undone. Since the restore,"
        f" {result['rows_added']:,} rows were added and {result['rows_removed']:,} removed; the"
        f" schema {result['kept_in']} contains that data." + _warnings(result),
        job.model_dump(mode="json"),
    )


async def _get(context: Context, job_id: str) -> JobView:
    """Read a job; wait for a database server that restarts."""
    until = time.monotonic() + _RESTART_SECONDS
    while True:
        try:
            return await context[Jobs].get(job_id)
        except Unavailable:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(_POLL_SECONDS)


async def _watch(context: Context, job_id: str, options: argparse.Namespace) -> JobView:
    """Poll a job until it ends, with a progress bar on a terminal.

    If no worker claims a backup job, this command runs it.

    Raises:
        SysnddError: The job failed or was cancelled.
    """
    bar = sys.stderr.isatty() and not options.json
    async with OwnWorker(context, job_id) as own_worker:
        while True:
            job = await _get(context, job_id)
            if bar:
                done = "#" * (job.percent // 4)
                step = f"{job.step or job.state}  {job.message or ''}"
                line = f"[{done:<25}] {job.percent:3} % {step}"
                print(f"\r{line[:100]:<100}", end="", file=sys.stderr, flush=True)
            if job.finished_at is not None:
                break
            await own_worker.check(job)
            await asyncio.sleep(_POLL_SECONDS)
    if bar:
        print(file=sys.stderr)
    if job.state != JobState.SUCCEEDED:
        reason = job.error.detail if job.error else "no reason was recorded"
        raise SysnddError(f"Job {job.id} {job.state}: {reason}")
    return job


async def _jobs(context: Context, options: argparse.Namespace) -> CommandResult:
    views, total = await context[Jobs].page(JobQuery(page_size=options.limit))
    lines = [
        f"{view.created_at:%Y-%m-%d %H:%M:%S}  {view.state:<9}  {view.percent:>3} %"
        f"  {view.kind:<14}  {view.id}  {view.error.detail if view.error else ''}".rstrip()
        for view in views
    ]
    return CommandResult(
        "\n".join(lines) or "There are no jobs yet.",
        {
            "data": [view.model_dump(mode="json") for view in views],
            "total": total,
        },
    )


async def _test_mail(context: Context, options: argparse.Namespace) -> CommandResult:
    mail_id = await context[Mails].queue_test(options.to, requested_by=None)
    deadline = time.monotonic() + options.timeout
    while True:
        try:
            mail = await context[Mails].detail(mail_id)
        except MailNotFound as error:
            raise SysnddError(f"The email {mail_id} no longer exists in the outbox.") from error
        if mail.state == MailState.SENT:
            text = f"Sent to {options.to}. The mail server replied: {mail.last_reply}"
            return CommandResult(
                text, {"id": mail_id, "message_id": mail.message_id, "state": "sent"}
            )
        if mail.state in (MailState.FAILED, MailState.CANCELLED):
            raise SysnddError(
                f"Not sent: {mail.last_code or ''} {mail.last_reply or mail.state}".strip()
            )
        if time.monotonic() > deadline:
            last = mail.last_reply or "no mailer has claimed it"
            raise SysnddError(
                f"Not sent after {options.timeout:g} s ({last}). The email {mail_id} stays in the"
                " outbox and will be retried."
            )
        await asyncio.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
