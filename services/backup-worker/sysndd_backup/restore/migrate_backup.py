"""Migrates an older backup in its shadow schema, by running the migrator.

Before the exchange, not after it: a migration that fails leaves live untouched, and what goes live is
complete. The migrator locks each schema by itself, so its lock does not conflict with the restore's.
"""

import asyncio
import contextlib
import ctypes
import re
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sysndd_core.errors import RestoreFailed

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_SHOWN = 1000


@dataclass(frozen=True)
class Migrator:
    """The ``sysndd-migrator`` program and the environment it needs.

    Attributes:
        program: its path.
        variables: the environment of the worker; names server, accounts and ``MIGRATIONS_DIR``.
    """

    program: str
    variables: Mapping[str, str] = field(repr=False)

    async def apply(self, schema: str) -> None:
        """Apply every pending migration to a schema.

        Raises:
            RestoreFailed: it could not; the detail is what the migrator said.
        """
        process = await asyncio.create_subprocess_exec(
            self.program,
            "up",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**self.variables, "DB_NAME": schema},
            preexec_fn=_end_with_parent,
        )
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            said = " ".join(output.decode(errors="replace").split())[-_SHOWN:]
            raise RestoreFailed(f"The backup's pending migrations could not be applied: {said}")


def find_migrator(environ: Mapping[str, str]) -> Migrator | None:
    """Find the program next to this one or on the PATH; None where it is not installed."""
    sibling = Path(sys.executable).with_name("sysndd-migrator")
    program = str(sibling) if sibling.exists() else shutil.which("sysndd-migrator")
    return Migrator(program, dict(environ)) if program else None


def is_older(backup: str | None, live: str | None) -> bool:
    """Compare two versions, such as ``005_vocabularies.sql``, by their numbers."""
    return backup is not None and live is not None and _number(backup) < _number(live)


def _number(version: str) -> int:
    found = re.match(r"\d+", version)
    return int(found[0]) if found else 0


def _end_with_parent() -> None:
    """Let the kernel end the migrator when its worker is killed (prctl(2)).

    It would continue otherwise, and create the schema again that recovery has just dropped.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
