"""The images, built once, and one running deployment that the tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.stack import OURS, Stack, copied, system_json


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployment on MariaDB with two API replicas, up and healthy."""
    assert (
        os.environ.get("DOCKER_HOST")
        or os.environ.get("DOCKER_CONTEXT")
        or Path("/var/run/docker.sock").exists()
    ), "run these by `make test-containers`, which has an engine"
    stack = copied(tmp_path_factory.mktemp("mariadb") / "site", subnet=241)
    stack.compose("build", *OURS, seconds=1200)
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``system.json`` of the deployment, with an administrator."""
    return system_json(stack, tmp_path_factory.mktemp("system"))
