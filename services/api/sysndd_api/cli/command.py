"""Types that the modules of ``sysndd-admin`` use to add and run commands."""

import argparse
from collections.abc import Awaitable, Callable
from typing import Any

from sysndd_api.context import Context
from sysndd_api.jobs.models import JobView

Command = Callable[[Context, argparse.Namespace], Awaitable[dict[str, Any]]]
"""Runs a command and returns its result as JSON values; ``say`` is the text output."""

AddCommand = Callable[[str, Command, str], argparse.ArgumentParser]
"""Adds a command by name, function and summary; returns its parser for further arguments."""

WatchJob = Callable[[Context, str, argparse.Namespace], Awaitable[JobView]]
"""Polls a job until it ends."""
