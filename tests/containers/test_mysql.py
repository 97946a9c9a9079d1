"""The same deployment on MySQL, by one setting."""

from pathlib import Path

from tests.containers.base_images import IMAGES
from tests.containers.stack import copied, run_main_path, system_json


def test_the_main_path_on_mysql(tmp_path: Path) -> None:
    stack = copied(
        tmp_path / "site", subnet=243, DB_IMAGE=IMAGES["mysql"], SYSNDD_VERSION="lane-mysql",
        API_REPLICAS="1",
    )  # fmt: skip
    try:
        stack.compose("build", seconds=1200)
        stack.up()
        shown = stack.compose("exec", "-T", "backup-worker", "mysqldump", "--version").stdout
        assert "Ver 9.7." in shown
        assert "MariaDB" not in shown
        walked = run_main_path(system_json(stack, tmp_path))
        assert walked.returncode == 0, walked.stdout[-6000:]
    finally:
        stack.down()
