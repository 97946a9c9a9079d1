"""The setup script keeps foreign environments and reports what it cannot install."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.local_run import REPOSITORY


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with only the files that the script reads."""
    (tmp_path / "deploy" / "local").mkdir(parents=True)
    (tmp_path / "requirements").mkdir()
    shutil.copy(REPOSITORY / "deploy/local/bootstrap.sh", tmp_path / "deploy/local")
    shutil.copy(REPOSITORY / "requirements/dev.lock", tmp_path / "requirements")
    return tmp_path


def test_an_existing_virtual_environment_is_not_touched(checkout: Path) -> None:
    mine = checkout / ".venv" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    done = _bootstrap(checkout, "python")
    assert done.returncode == 1
    assert ".venv exists and was not created by this script" in done.stderr
    assert mine.read_text() == "mine"


def test_the_install_command_is_printed_where_apt_get_is_missing(checkout: Path) -> None:
    tools = checkout / "tools"
    tools.mkdir()
    for name in ("bash", "cat", "cksum", "dirname", "flock", "id", "ls"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    done = _bootstrap(checkout, "up", PATH=str(tools))
    assert done.returncode == 1
    assert "sudo apt-get install -y --no-install-recommends" in done.stderr
    assert "redis-server" in done.stderr
    assert not (checkout / ".venv").exists()


def test_an_unsuitable_python_is_reported(checkout: Path) -> None:
    done = _bootstrap(checkout, "python", PYTHON="/nonexistent/python3")
    assert done.returncode == 1
    assert "Python 3.11 or later" in done.stderr


def _bootstrap(checkout: Path, purpose: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shutil.which("bash") or "bash", str(checkout / "deploy/local/bootstrap.sh"), purpose],
        env={"PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
