"""Commands of ``sysndd-admin`` that inspect a backup before a restore."""

import argparse
from typing import Any

from sysndd_api.backups.inspections import Inspections
from sysndd_api.backups.restore import Restores
from sysndd_api.cli.command import AddCommand, CommandResult, WatchJob
from sysndd_api.context import Context
from sysndd_api.security.access import COMMAND_LINE
from sysndd_core.jobs.models import Consent

_SHOWN = 20
_CONSENT_REASONS = {
    Consent.NO_ADMINISTRATOR: "The backup contains no active administrator.",
    Consent.FOREIGN_BACKUP: "The backup was created by another site.",
    Consent.CONSTRAINT_VIOLATIONS: "The data of the backup violates its constraints.",
    Consent.INCOMPLETE_SAFETY_BACKUP: "The live database is damaged, so its safety backup will not"
    " be complete.",
}


def add_inspection_commands(add: AddCommand, watch: WatchJob) -> None:
    """Add the commands to the parser.

    Args:
        add: Adds a command.
        watch: Polls a job until it ends.
    """
    commands = _InspectionCommands(watch)
    dry_run = add(
        "dry-run", commands.dry_run, "report what a restore would change, and wait for it"
    )
    inspect = add("inspect", commands.inspect, "load one table of a backup into a separate schema")
    for parser in (dry_run, inspect):
        parser.add_argument("backup", help="name as in `sysndd-admin list`")
    inspect.add_argument("table", help="name of the table")
    add("inspections", commands.inspections, "list the schemas that `inspect` created")
    drop = add("drop-inspection", commands.drop, "drop a schema that `inspect` created")
    drop.add_argument("schema", help="name as in `sysndd-admin inspections`")


class _InspectionCommands:
    def __init__(self, watch: WatchJob) -> None:
        self._watch = watch

    async def dry_run(self, context: Context, options: argparse.Namespace) -> CommandResult:
        job_id = await context[Restores].dry_run(COMMAND_LINE, options.backup)
        job = await self._watch(context, job_id, options)
        return CommandResult(describe(job.result or {}), job.model_dump(mode="json"))

    async def inspect(self, context: Context, options: argparse.Namespace) -> CommandResult:
        job_id = await context[Inspections].inspect_table(
            COMMAND_LINE, options.backup, options.table
        )
        job = await self._watch(context, job_id, options)
        result = job.result or {}
        text = (
            f"{result['rows']:,} rows of {result['table']} are in the schema {result['schema']}."
            f" Drop it with: sysndd-admin drop-inspection {result['schema']}"
        )
        return CommandResult(text, job.model_dump(mode="json"))

    async def inspections(self, context: Context, _: argparse.Namespace) -> CommandResult:
        views = await context[Inspections].list_inspections()
        lines = [
            f"{view.schema_name}  {view.table_name} of {view.backup}"
            f"  until {view.kept_until:%Y-%m-%d %H:%M} UTC"
            for view in views
        ]
        data = [view.model_dump(mode="json") for view in views]
        return CommandResult("\n".join(lines) or "There are no inspections.", {"data": data})

    async def drop(self, context: Context, options: argparse.Namespace) -> CommandResult:
        job_id = await context[Inspections].drop_inspection(COMMAND_LINE, options.schema)
        job = await self._watch(context, job_id, options)
        return CommandResult(f"{options.schema} dropped.", job.model_dump(mode="json"))


def describe(result: dict[str, Any]) -> str:
    """Return the result of a dry run as text."""
    lines = [
        f"Live database: {result['live_row_count']:,} rows in {result['live_table_count']} tables."
        f" Backup: {result['row_count']:,} rows in {result['table_count']} tables."
    ]
    for one in result["tables"]:
        live, then = (
            "no table" if count is None else f"{count:,}"
            for count in (one["live_rows"], one["backup_rows"])
        )
        lines.append(f"  {one['table']}: {live} → {then}")
    if empty := result.get("excluded_rows"):
        lines.append("Will be empty, because their rows were left out of the backup:")
        lines += [f"  {one['table']}: {_live_rows(one['live_rows'])}" for one in empty]
    accounts = result["accounts"]
    for effect, key in (("removed", "vanish"), ("restored", "come_back")):
        if names := accounts[key]:
            lines.append(f"Accounts to be {effect}: {_names(names, accounts[f'{key}_count'])}")
    for one in accounts["changed"][:_SHOWN]:
        role = f" ({one['role'][0]} → {one['role'][1]})" if one["role"] else ""
        lines.append(
            f"  {one['user_name']} will revert to an older {', '.join(one['older'])}{role}"
        )
    if unreadable := result.get("unreadable"):
        lines.append("In the live database, these objects cannot be read:")
        lines += [f"  {one['kind']} {one['name']}: {one['reason']}" for one in unreadable]
    lines += result.get("constraint_violations") or []
    lines += [
        f"{_CONSENT_REASONS[consent]} A restore requires --accept {consent}."
        for consent in map(Consent, result["required_consents"])
    ]
    return "\n".join(lines)


def _live_rows(count: int | None) -> str:
    if count is None:
        return "not in the live database"
    return f"live has {count:,} {'row' if count == 1 else 'rows'}"


def _names(names: list[str], count: int) -> str:
    more = count - min(len(names), _SHOWN)
    return ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
