"""A running system for the tests in this folder."""

from collections.abc import Iterator

import pytest

from tests.support.local_run import LocalRun


@pytest.fixture(scope="module")
def local_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    # A deep path with a space and a character that configuration files expand.
    deep = tmp_path_factory.mktemp("local") / ("d" * 60) / ("e" * 60) / "100% mine"
    run = LocalRun(deep)
    run.up()
    yield run
    run.command("reset", CONFIRM="yes")
