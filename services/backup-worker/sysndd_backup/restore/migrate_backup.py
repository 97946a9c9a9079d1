"""Migrates an older backup in its shadow schema, with the migrator.

It runs before the swap, so that a failed migration does not change the live database. The migrator
locks each schema separately, so its lock does not conflict with the lock of the restore.
"""

import asyncio
import contextlib
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sysndd_core.child_process import end_with_parent
from sysndd_core.errors import RestoreFailed

_OUTPUT_CHARACTERS = 1000


@dataclass(frozen=True)
class Migrator:
    """The program ``sysndd-migrator``.

    Attributes:
        program: Path of the program.
        variables: Environment variables of the worker, with server, accounts and
            ``MIGRATIONS_DIR``.
        platform: Name of the platform schema, whose default would depend on the schema.
    """

    program: str
    variables: Mapping[str, str] = field(repr=False)
    platform: str

    async def apply(self, schema: str) -> None:
        """Apply all pending migrations to a schema.

        Raises:
            RestoreFailed: A migration failed; the detail contains the output of the migrator.
        """
        process = await asyncio.create_subprocess_exec(
            self.program,
            "up",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**self.variables, "DB_NAME": schema, "OPS_DB_NAME": self.platform},
            # Otherwise it would recreate the schema that crash recovery has dropped.
            preexec_fn=end_with_parent,
        )
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            text = " ".join(output.decode(errors="replace").split())[-_OUTPUT_CHARACTERS:]
            raise RestoreFailed(f"The backup's pending migrations could not be applied: {text}")


def find_migrator(environ: Mapping[str, str], platform: str) -> Migrator | None:
    """Find the migrator next to this program or on the PATH; None if it is not installed.

    Args:
        environ: Environment of this process.
        platform: Name of the platform schema.
    """
    # A NAME and its NAME_FILE would contradict each other.
    variables = {
        name: value
        for name, value in environ.items()
        if name not in ("DB_NAME_FILE", "OPS_DB_NAME_FILE")
    }
    sibling = Path(sys.executable).with_name("sysndd-migrator")
    program = str(sibling) if sibling.exists() else shutil.which("sysndd-migrator")
    return Migrator(program, variables, platform) if program else None


def is_older(backup: str | None, live: str | None) -> bool:
    """Return whether a backup has an older schema version, such as ``005_vocabularies.sql``."""
    return backup is not None and live is not None and _number(backup) < _number(live)


def _number(version: str) -> int:
    found = re.match(r"\d+", version)
    return int(found[0]) if found else 0
