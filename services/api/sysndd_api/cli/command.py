"""What a command of ``sysndd-admin`` is, and what its modules need to add and run one."""

import argparse
from collections.abc import Awaitable, Callable
from typing import Any

from sysndd_api.context import Context
from sysndd_api.jobs.models import JobView

Command = Callable[[Context, argparse.Namespace], Awaitable[dict[str, Any]]]
"""Runs, and returns the result as JSON values; ``say`` is what a person reads of it."""

AddCommand = Callable[[str, Command, str], argparse.ArgumentParser]
"""Makes a sub-parser of a name, a command and a summary."""

WatchJob = Callable[[Context, str, argparse.Namespace], Awaitable[JobView]]
"""Polls a job to its end."""
