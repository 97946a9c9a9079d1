"""The commands ``split`` and ``resolve``: options, output and exit codes."""

import argparse

from sysndd_migrator.cli.printing import count, print_json
from sysndd_migrator.commands.migrator import open_migrator
from sysndd_migrator.commands.resolve import resolve
from sysndd_migrator.errors import ExitCode
from sysndd_migrator.files.script import read_bytes
from sysndd_migrator.files.splitter import split
from sysndd_migrator.server.interruption import Interruption
from sysndd_migrator.settings import MigratorSettings


async def run_resolve(
    options: argparse.Namespace, settings: MigratorSettings, interruption: Interruption
) -> int:
    """Run ``resolve``; return its exit code."""
    async with open_migrator(
        settings.database, settings.migrations.directory, interruption
    ) as migrator:
        done = await resolve(
            migrator, options.file, from_statement=options.from_statement, timeout=options.timeout
        )
    if options.json:
        print_json({"file": options.file, "decision": done})
    else:
        print(done)
    return ExitCode.OK


def run_split(options: argparse.Namespace) -> int:
    """Run ``split``; return its exit code."""
    statements = split(read_bytes(options.file), str(options.file))
    if options.json:
        print_json(
            {
                "statements": [
                    {"text": s.text, "start": s.start, "end": s.end, "line": s.line}
                    for s in statements
                ]
            }
        )
        return ExitCode.OK
    for statement in statements:
        print(f"-- {options.file}:{statement.line} bytes {statement.start}–{statement.end}")
        print(statement.text)
    print(f"-- {count(len(statements), 'statement')}")
    return ExitCode.OK
