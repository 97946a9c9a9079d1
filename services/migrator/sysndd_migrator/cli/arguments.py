"""The commands and their options: what argparse needs to read a command line and to print its help."""

import argparse
from pathlib import Path
from typing import TypeAlias

from sysndd_migrator.errors import ExitCode

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What ``add_subparsers`` returns; argparse gives it no public name."""

COPY_ROWS = 100_000
"""Rows from which on ``lint`` calls a table copy a finding."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print JSON instead of sentences")
    shared.add_argument(
        "--dir", type=Path, metavar="DIR", help="the NNN_name.sql files (default: MIGRATIONS_DIR)"
    )
    shared.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="give up waiting after so many seconds (default: wait while there is progress)",
    )
    program = argparse.ArgumentParser(
        prog="sysndd-migrator",
        description="Applies NNN_name.sql files to MySQL and MariaDB, once, under a lock.",
        epilog="Exit codes: "
        + "; ".join(f"{code.value} {code.name.lower().replace('_', ' ')}" for code in ExitCode),
    )
    commands = program.add_subparsers(dest="command", required=True, metavar="COMMAND")
    upper = commands.add_parser("up", parents=[shared], help="apply what is pending")
    upper.add_argument(
        "--strict",
        action="store_true",
        help="refuse a file that changes nothing and has no line `-- expect: no-op`",
    )
    upper.add_argument(
        "--accept-drift",
        action="store_true",
        help="expect from now on what was changed without a migration",
    )
    commands.add_parser("status", parents=[shared], help="list every file and its state")
    commands.add_parser("wait", parents=[shared], help="block until nothing is pending")
    _add_file_commands(commands, shared)
    _add_ledger_commands(commands, shared)
    _add_check_commands(commands, shared)
    return program


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


def _add_file_commands(commands: Subparsers, shared: argparse.ArgumentParser) -> None:
    cutter = commands.add_parser("split", parents=[shared], help="print a file's statements")
    cutter.add_argument("file", type=Path, metavar="FILE")
    resolver = commands.add_parser(
        "resolve", parents=[shared], help="record a person's decision about a failed file"
    )
    resolver.add_argument("file", metavar="FILE", help="its name, such as 004_reviews.sql")
    decision = resolver.add_mutually_exclusive_group(required=True)
    decision.add_argument("--applied", action="store_true", help="its work was done by hand")
    decision.add_argument(
        "--from-statement", type=int, metavar="K", help="the next `up` goes on at statement K"
    )


def _add_ledger_commands(commands: Subparsers, shared: argparse.ArgumentParser) -> None:
    commands.add_parser(
        "adopt", parents=[shared], help="take over SysNDD's earlier schema_version table in place"
    )
    first = commands.add_parser(
        "baseline", parents=[shared], help="record files as applied to a database without a ledger"
    )
    first.add_argument("file", metavar="FILE", help="the newest file whose work is there already")
    first.add_argument(
        "--accept-differences",
        action="store_true",
        help="record them although the schema is not quite what the files make",
    )
    new = commands.add_parser("new", parents=[shared], help="write the next numbered file")
    new.add_argument("name", nargs="+", metavar="NAME", help="what it does, in a few words")


def _add_check_commands(commands: Subparsers, shared: argparse.ArgumentParser) -> None:
    verifier = commands.add_parser(
        "verify", parents=[shared], help="apply every file twice in a scratch schema"
    )
    _add_server(verifier)
    commands.add_parser(
        "plan", parents=[shared], help="show what `up` would do, and what each statement locks"
    )
    linter = commands.add_parser(
        "lint", parents=[shared], help="say what a migration should not say, and what instead"
    )
    _add_server(linter)
    linter.add_argument("--offline", action="store_true", help="by the rules alone; no server")
    linter.add_argument(
        "--copy-rows",
        type=int,
        default=COPY_ROWS,
        metavar="N",
        help="rows from which on a table copy is a finding (default: %(default)s)",
    )


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--server",
        metavar="URL",
        help="try it on another server: mysql://user@host:port (password: VERIFY_SERVER_PASSWORD)",
    )
