"""The images, built once, and running deployments shared by the tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.base_images import IMAGES
from tests.containers.stack import (
    SERVICES,
    Stack,
    create_production_stack,
    create_stack,
    system_json,
)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The production deployment on MariaDB, with TLS and two API replicas; all services healthy."""
    assert (
        os.environ.get("DOCKER_HOST")
        or os.environ.get("DOCKER_CONTEXT")
        or Path("/var/run/docker.sock").exists()
    ), "no container engine; run these tests with `make lane LANE=containers`"
    stack = create_production_stack(tmp_path_factory.mktemp("mariadb") / "site", subnet=241)
    stack.compose("build", *SERVICES, seconds=1200)
    with pytest.MonkeyPatch.context() as environment:
        # For all clients in this and in other processes.
        environment.setenv("SSL_CERT_FILE", str(stack.certificate))
        try:
            stack.up()
            yield stack
        finally:
            stack.down()


@pytest.fixture(scope="session")
def mysql(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The base file on MySQL; only DB_IMAGE differs."""
    assert stack
    mysql = create_stack(
        tmp_path_factory.mktemp("mysql") / "site",
        subnet=243,
        DB_IMAGE=IMAGES["mysql"],
        SYSNDD_VERSION="lane-mysql",
        API_REPLICAS="1",
    )
    mysql.compose("build", *SERVICES, seconds=1200)
    try:
        mysql.up()
        yield mysql
    finally:
        mysql.down()


@pytest.fixture(scope="session")
def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``system.json`` of the deployment, with an administrator."""
    return system_json(stack, tmp_path_factory.mktemp("system"))
