"""Types that the modules of ``sysndd-admin`` use to add and run commands."""

import argparse
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sysndd_api.context import Context
from sysndd_api.jobs.models import JobView


@dataclass(frozen=True)
class CommandResult:
    """What a command prints.

    Attributes:
        text: the output.
        data: the same as JSON values, for ``--json``.
    """

    text: str
    data: Mapping[str, Any]


Command = Callable[[Context, argparse.Namespace], Awaitable[CommandResult]]
"""Runs a command."""

AddCommand = Callable[[str, Command, str], argparse.ArgumentParser]
"""Adds a command by name, function and summary; returns its parser for further arguments."""

WatchJob = Callable[[Context, str, argparse.Namespace], Awaitable[JobView]]
"""Polls a job until it ends."""
