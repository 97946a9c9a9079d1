"""The commands and their options."""

import argparse
from pathlib import Path
from typing import TypeAlias

from sysndd_migrator.errors import ExitCode

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Type of ``add_subparsers``; argparse has no public name for it."""

COPY_ROWS = 100_000
"""Rows from which ``lint`` reports a table copy."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print JSON instead of sentences")
    shared.add_argument(
        "--dir",
        type=Path,
        metavar="DIR",
        help="directory of the NNN_name.sql files (default: MIGRATIONS_DIR)",
    )
    shared.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="limit the wait for the lock, or the whole command with verify, plan, lint and wait",
    )
    program = argparse.ArgumentParser(
        prog="sysndd-migrator",
        description="Applies NNN_name.sql files to MySQL and MariaDB, each once, under a lock.",
        epilog="Exit codes: "
        + "; ".join(f"{code.value} {code.name.lower().replace('_', ' ')}" for code in ExitCode),
    )
    commands = program.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", parents=[shared], help="apply pending files")
    up.add_argument(
        "--strict",
        action="store_true",
        help="reject a file that changes nothing and has no line `-- expect: no-op`",
    )
    up.add_argument(
        "--accept-drift",
        action="store_true",
        help="accept schema changes that no migration made",
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
    split = commands.add_parser("split", parents=[shared], help="print a file's statements")
    split.add_argument("file", type=Path, metavar="FILE")
    resolve = commands.add_parser(
        "resolve", parents=[shared], help="record a decision about a failed file"
    )
    resolve.add_argument("file", metavar="FILE", help="name of the file, such as 004_reviews.sql")
    decision = resolve.add_mutually_exclusive_group(required=True)
    decision.add_argument(
        "--applied",
        action="store_true",
        help="record it as applied, after its work was done by hand",
    )
    decision.add_argument(
        "--from-statement", type=int, metavar="K", help="resume at statement K in the next `up`"
    )


def _add_ledger_commands(commands: Subparsers, shared: argparse.ArgumentParser) -> None:
    commands.add_parser(
        "adopt", parents=[shared], help="take over SysNDD's earlier schema_version table"
    )
    baseline = commands.add_parser(
        "baseline", parents=[shared], help="record files as applied to a database without a ledger"
    )
    baseline.add_argument(
        "file", metavar="FILE", help="last migration already present in the schema"
    )
    baseline.add_argument(
        "--accept-differences",
        action="store_true",
        help="record them although the schema differs from the result of the files",
    )
    new = commands.add_parser("new", parents=[shared], help="write the next numbered file")
    new.add_argument("name", nargs="+", metavar="NAME", help="description in a few words")


def _add_check_commands(commands: Subparsers, shared: argparse.ArgumentParser) -> None:
    verify = commands.add_parser(
        "verify", parents=[shared], help="apply every file twice in a scratch schema"
    )
    _add_server(verify)
    commands.add_parser("plan", parents=[shared], help="measure which locks `up` would take")
    lint = commands.add_parser(
        "lint", parents=[shared], help="report unsafe or non-portable statements and suggest fixes"
    )
    _add_server(lint)
    lint.add_argument("--offline", action="store_true", help="static rules only; no server needed")
    lint.add_argument(
        "--copy-rows",
        type=int,
        default=COPY_ROWS,
        metavar="N",
        help="rows from which a table copy is a finding (default: %(default)s)",
    )


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--server",
        metavar="URL",
        help="use another server: mysql://user@host:port (password: VERIFY_SERVER_PASSWORD)",
    )
