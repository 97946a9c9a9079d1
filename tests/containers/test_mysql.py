"""The same deployment on MySQL; only DB_IMAGE differs."""

import json
from pathlib import Path

from sysndd_preflight.checks import CATALOG
from tests.containers.stack import Stack, preflight, run_end_to_end, system_json


def test_the_end_to_end_tests_pass_on_mysql(mysql: Stack, tmp_path: Path) -> None:
    shown = mysql.compose("exec", "-T", "backup-worker", "mysqldump", "--version").stdout
    assert "Ver 9.7." in shown
    assert "MariaDB" not in shown
    walked = run_end_to_end(system_json(mysql, tmp_path))
    assert walked.returncode == 0, walked.stdout[-6000:]


def test_preflight_passes_on_mysql(mysql: Stack) -> None:
    done = preflight(mysql.site, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    states = {check["id"]: check["status"] for check in json.loads(done.stdout)["checks"]}
    assert states == dict.fromkeys(CATALOG, "pass")
