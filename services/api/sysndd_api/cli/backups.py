"""Commands of ``sysndd-admin`` that create, list, verify and upload backups."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from sysndd_api.backups.models import BackupView, RetentionEntry
from sysndd_api.backups.retention import Retention
from sysndd_api.backups.service import Backups
from sysndd_api.cli.command import AddCommand, CommandResult, WatchJob
from sysndd_api.context import Context
from sysndd_api.jobs.models import JobView
from sysndd_api.security.access import COMMAND_LINE
from sysndd_api.web.site_features import SiteFeatures
from sysndd_core.errors import SysnddError
from sysndd_core.jobs.models import ImportBackup

_CHUNK = 1 << 20
_SHOWN = 20


def add_backup_commands(add: AddCommand, watch: WatchJob) -> None:
    """Add the commands to the parser.

    Args:
        add: Adds a command.
        watch: Polls a job until it ends.
    """
    commands = _Backups(watch)
    add("backup", commands.backup, "create a backup and wait for it")
    add("list", commands.list, "list backups, newest first")
    verify = add(
        "verify",
        commands.verify,
        "verify a backup by restoring it into a scratch schema, or import an unmanaged file;"
        " waits for the result",
    )
    verify.add_argument("backup", help="name as in `sysndd-admin list`, or `latest`")
    retention = add(
        "retention",
        commands.retention,
        "show which backups the next run of the retention policy keeps and deletes, and why",
    )
    retention.add_argument(
        "--accept-size",
        metavar="NAME",
        help="first accept that this backup is much smaller than the previous one, so that backups"
        " expire again",
    )
    upload = add("upload", commands.upload, "upload a .sql, .sql.gz or .sql.zst file and import it")
    upload.add_argument("file", type=Path, help="path of the dump")


class _Backups:
    def __init__(self, watch: WatchJob) -> None:
        self._watch = watch

    async def backup(self, context: Context, options: argparse.Namespace) -> CommandResult:
        job_id = await context[Backups].create_backup(COMMAND_LINE)
        job = await self._watch(context, job_id, options)
        return CommandResult(_describe(job), job.model_dump(mode="json"))

    async def verify(self, context: Context, options: argparse.Namespace) -> CommandResult:
        job_id = await context[Backups].verify_backup(COMMAND_LINE, options.backup)
        job = await self._watch(context, job_id, options)
        if job.kind == ImportBackup.job_kind:
            text = f"Imported {_describe(job)}"
        else:
            name = (job.result or {}).get("name")
            text = f"{name} is verified: the restored copy matches the dump."
        return CommandResult(text, job.model_dump(mode="json"))

    async def upload(self, context: Context, options: argparse.Namespace) -> CommandResult:
        path: Path = options.file
        try:
            size = (await asyncio.to_thread(path.stat)).st_size
            job_id = await context[Backups].upload_backup(
                COMMAND_LINE, path.name, _chunks(path), size
            )
        except OSError as error:
            raise SysnddError(f"{path}: {error.strerror}") from error
        job = await self._watch(context, job_id, options)
        return CommandResult(_describe(job), job.model_dump(mode="json"))

    async def list(self, context: Context, _: argparse.Namespace) -> CommandResult:
        manifests, unmanaged_files = (
            await context[Backups].list_all(),
            await context[Backups].unmanaged_files(),
        )
        own = await context[SiteFeatures].site_id()
        decisions = (await context[Retention].plan(manifests)).by_name()
        views = [BackupView.of(one, own, decisions[one.name]) for one in manifests]
        lines = [
            f"{view.created_at:%Y-%m-%d %H:%M:%S}  {view.kind:<11}  {view.size_bytes:>14,}"
            f"  {view.table_count:>4} tables  {view.verification or '-':<8}"
            f"  {'+'.join(view.locations):<8}  {view.name}"
            f"{'  (of another site)' if view.foreign else ''}"
            f"{'  (incomplete)' if view.incomplete else ''}"
            f"{'  (much smaller than the previous one)' if view.size_drop else ''}"
            f"{rows_left_out(view.excluded_rows)}"
            for view in views
        ]
        lines += [
            f"{unmanaged.modified_at:%Y-%m-%d %H:%M:%S}  {'no manifest':<11}"
            f"  {unmanaged.size_bytes:>14,}  {'':<29}  {unmanaged.name}"
            for unmanaged in unmanaged_files
        ]
        text = "\n".join(lines) or "There is no backup yet. Create one with: sysndd-admin backup"
        return CommandResult(
            text,
            {
                "data": [view.model_dump(mode="json") for view in views],
                "unmanaged_files": [
                    unmanaged.model_dump(mode="json") for unmanaged in unmanaged_files
                ],
            },
        )

    async def retention(self, context: Context, options: argparse.Namespace) -> CommandResult:
        if options.accept_size is not None:
            await context[Retention].accept_size(COMMAND_LINE, options.accept_size)
        preview = await context[Retention].preview()
        lines = [
            f"{_until(entry):<18}  {entry.name}  {entry.rule}"
            f"{f' {entry.size_drop}' if entry.size_drop else ''}"
            for entry in preview.data
        ]
        if preview.warning is not None:
            lines += ["", f"Warning: {preview.warning}"]
        text = "\n".join(lines) or "There is no backup yet. Create one with: sysndd-admin backup"
        return CommandResult(text, preview.model_dump(mode="json"))


def _until(entry: RetentionEntry) -> str:
    if entry.expires_next:
        return "expires next"
    return f"until {entry.kept_until:%Y-%m-%d}" if entry.kept_until is not None else "kept"


def _describe(job: JobView) -> str:
    result = job.result or {}
    text = (
        f"{result['name']}: {result['size_bytes']:,} bytes, {result['table_count']} tables,"
        f" {result['row_count']:,} rows."
    )
    text += rows_left_out(result.get("excluded_rows", []))
    if result.get("offsite_error"):
        text += f" There is no off-site copy: {result['offsite_error']}"
    return text


def rows_left_out(tables: list[str], effect: str = "") -> str:
    """Return a sentence, with a space before it, that names up to 20 tables; empty without tables.

    Args:
        tables: The tables whose rows a backup leaves out.
        effect: What follows from it, with its punctuation.
    """
    if not tables:
        return ""
    more = f" and {len(tables) - _SHOWN:,} more" if len(tables) > _SHOWN else ""
    return f" Rows left out of the backup{effect}: {', '.join(tables[:_SHOWN])}{more}."


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
