"""The commands ``adopt``, ``baseline`` and ``new``: options, output and exit codes."""

import argparse

from sysndd_migrator.cli.printing import count, print_json
from sysndd_migrator.cli.template import write_new
from sysndd_migrator.commands.adopt import Adoption, adopt
from sysndd_migrator.commands.baseline import baseline
from sysndd_migrator.commands.migrator import open_migrator
from sysndd_migrator.errors import ExitCode
from sysndd_migrator.server.interruption import Interruption
from sysndd_migrator.settings import MigratorSettings


async def run_adopt(
    options: argparse.Namespace, settings: MigratorSettings, interruption: Interruption
) -> int:
    """Run ``adopt``; return its exit code."""
    async with open_migrator(
        settings.database, settings.migrations.directory, interruption
    ) as migrator:
        done = await adopt(migrator, timeout=options.timeout)
    if options.json:
        print_json(
            {
                "adopted": done.adopted,
                "failed_migration": done.failed,
                "without_file": done.without_file,
                "columns_added": done.columns,
            }
        )
    else:
        print(_adoption_summary(done))
    return ExitCode.OK


def _adoption_summary(done: Adoption) -> str:
    if not done.adopted and not done.columns:
        return "Nothing to take over: schema_version is the migrator's ledger already."
    lines = [
        f"Took over {count(len(done.adopted), 'file')} without applying anything. Rows and times "
        "are unchanged; the checksums are those of the current files."
    ]
    if done.without_file:
        lines.append(f"Not in the directory: {', '.join(done.without_file)}.")
    for name in done.failed:
        lines.append(
            f"{name} was recorded as failed. Inspect the schema, then run `sysndd-migrator "
            f"resolve {name} --applied` or `--from-statement K`."
        )
    lines.append("Next: `sysndd-migrator status`, then `sysndd-migrator up`.")
    return "\n".join(lines)


async def run_baseline(
    options: argparse.Namespace, settings: MigratorSettings, interruption: Interruption
) -> int:
    """Run ``baseline``; return its exit code."""
    directory = settings.migrations.directory
    async with open_migrator(settings.database, directory, interruption) as migrator:
        recorded, accepted = await baseline(
            migrator,
            directory,
            interruption,
            filename=options.file,
            accept_differences=options.accept_differences,
            timeout=options.timeout,
        )
    if options.json:
        print_json({"recorded": recorded, "accepted_differences": accepted})
        return ExitCode.OK
    checked = "with the differences below accepted" if accepted else "after a check of the schema"
    print(f"Recorded {count(len(recorded), 'file')} as applied, {checked}; nothing was run.")
    for line in accepted:
        print(f"  {line}")
    return ExitCode.OK


def run_new(options: argparse.Namespace, settings: MigratorSettings) -> int:
    """Run ``new``; return its exit code."""
    path = write_new(settings.migrations.directory, " ".join(options.name))
    if options.json:
        print_json({"file": str(path)})
    else:
        print(f"{path}\nEdit it, then run `sysndd-migrator verify`, `lint` and `plan`.")
    return ExitCode.OK
