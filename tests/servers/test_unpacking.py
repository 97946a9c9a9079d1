"""A failed unpacking reports its cause and leaves nothing behind."""

import dataclasses
import platform
from pathlib import Path

import pytest

from sysndd_local.ports import free_port
from tests.servers.recipes import RECIPES
from tests.servers.unpacking import NotUnpacked, unpacked


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no mirror in the settings."""
    monkeypatch.setenv("TEST_SERVERS_DIR", str(tmp_path / "servers"))
    monkeypatch.delenv("DEBIAN_MIRROR", raising=False)
    return tmp_path / "servers"


def test_an_unreachable_mirror_is_reported(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBIAN_MIRROR", f"http://127.0.0.1:{free_port()}/debian")
    with pytest.raises(NotUnpacked, match=r"does not give out the release(?s:.*)DEBIAN_MIRROR"):
        unpacked(RECIPES[0])
    assert unpacked_folders(cache) == []


def test_a_mirror_without_the_release_is_reported(cache: Path) -> None:
    with pytest.raises(NotUnpacked, match=r"the release no-such-release(?s:.*)update failed"):
        unpacked(dataclasses.replace(RECIPES[0], suite="no-such-release"))
    assert unpacked_folders(cache) == []


def test_a_machine_without_apt_is_reported(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotUnpacked, match="no apt-get and no dpkg-deb: run this on Debian"):
        unpacked(RECIPES[0])
    assert unpacked_folders(cache) == []


def test_another_distribution_requires_a_named_mirror(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        platform, "freedesktop_os_release", lambda: {"ID": "other", "PRETTY_NAME": "Other 1"}
    )
    with pytest.raises(NotUnpacked, match="runs Other 1, not Debian"):
        unpacked(RECIPES[0])
    assert unpacked_folders(cache) == []


def unpacked_folders(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir() if path.suffix != ".lock"]
