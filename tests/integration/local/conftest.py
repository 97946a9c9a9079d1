"""One running system for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.support.local_run import LocalRun


@pytest.fixture(scope="module")
def local_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    # A folder as people have them: deep, with a blank, and with what configuration files expand.
    deep = tmp_path_factory.mktemp("local") / ("d" * 60) / ("e" * 60) / "100% mine"
    run = LocalRun(deep)
    run.up()
    yield run
    run.command("reset", CONFIRM="yes")
