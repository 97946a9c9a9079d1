"""Installs the distribution's packages of PHP, WordPress and MediaWiki."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
WORDPRESS = Path("/usr/share/wordpress")
MEDIAWIKI = Path("/usr/share/mediawiki")

_INSTALL = ("bash", "deploy/local/bootstrap.sh", "sites")


def install_packages() -> None:
    """Install what is missing, with the script that installs the servers of all tests.

    The test fails, and is never skipped, if that is not possible.
    """
    if _is_installed():
        return
    done = subprocess.run(
        _INSTALL,
        cwd=REPOSITORY,
        env={**os.environ, "VENV": sys.prefix},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or not _is_installed():
        pytest.fail(f"`{' '.join(_INSTALL)}` failed:\n{done.stderr[-2000:]}", pytrace=False)


def _is_installed() -> bool:
    files = (WORDPRESS / "wp-load.php", MEDIAWIKI / "maintenance" / "install.php")
    return shutil.which("php") is not None and all(file.is_file() for file in files)
