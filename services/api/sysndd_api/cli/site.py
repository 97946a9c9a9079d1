"""Commands of ``sysndd-admin`` that attach a site's schema and bind the platform schema to it."""

import argparse

from sysndd_api.cli.command import AddCommand, CommandResult
from sysndd_api.context import Context
from sysndd_api.security.access import COMMAND_LINE
from sysndd_api.site.models import Attachment
from sysndd_api.site.service import Sites
from sysndd_core.settings.database import SchemaMode

_SHOWN = 12
_MEANING = {
    SchemaMode.OBSERVE: "The platform backs the schema up, verifies, restores and watches it. The"
    " site's own program migrates it. Nothing is created in it.",
    SchemaMode.MANAGE: "As observe, and sysndd-migrator applies the files of MIGRATIONS_DIR to it."
    " Its ledger, the table schema_version, is created in it.",
}


def add_site_commands(add: AddCommand) -> None:
    """Add the commands to the parser."""
    add("attach", _attach, "report what is in the site's schema, and how to attach the platform")
    rebind = add(
        "rebind-site",
        _rebind,
        "bind the platform schema to another application schema or site, after a rename or a loss",
    )
    rebind.add_argument(
        "--from",
        dest="previous",
        metavar="SCHEMA",
        help="the application schema that it is bound to now",
    )
    rebind.add_argument(
        "--site-id", help="the ID in the manifests of this site's backups, from before a loss"
    )


async def _attach(context: Context, _: argparse.Namespace) -> CommandResult:
    attachment = await context[Sites].attachment()
    return CommandResult(_describe(attachment), attachment.model_dump(mode="json"))


def _describe(attachment: Attachment) -> str:
    found = attachment.found
    views = sum(table.is_view for table in found.tables)
    objects = ", ".join(f"{number} {kind}" for kind, number in found.objects.items())
    names = [table.name for table in found.tables]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    lines = [
        f"Schema {found.name} on {found.server}: {len(names) - views} tables, {views} views,"
        f" {objects}.",
        *([f"  {', '.join(names[:_SHOWN])}{more}"] if names else []),
        *(f"Note: {remark}" for remark in attachment.remarks),
        f"SCHEMA_MODE is {attachment.mode or 'not set'}.",
    ]
    for mode in (SchemaMode.OBSERVE, SchemaMode.MANAGE):
        lines += ["", f"SCHEMA_MODE={mode}", f"  {_MEANING[mode]}"]
        lines += [f"  {n}. {step}" for n, step in enumerate(attachment.next_steps[mode], 1)]
        lines += ["  Statements:", *(f"    {one}" for one in attachment.statements[mode])]
    lines += ["", "Privileges of this account:", *(f"  {grant}" for grant in found.grants)]
    return "\n".join(lines)


async def _rebind(context: Context, options: argparse.Namespace) -> CommandResult:
    changed = await context[Sites].rebind(
        COMMAND_LINE, previous=options.previous, site_id=options.site_id
    )
    text = (
        f"The platform schema is bound to {changed.app_schema} (before:"
        f" {changed.previous_app_schema}), site {changed.site_id} (before:"
        f" {changed.previous_site_id}). Restart the services."
    )
    return CommandResult(text, changed.model_dump(mode="json"))
