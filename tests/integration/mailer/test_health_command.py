"""`sysndd-mailer health`, which the health check of the container runs."""

import re
import subprocess
import sys
import time
from pathlib import Path

from tests.support.site import Site
from tests.support.workers import eventually, service_process


def health(site: Site, module: str = "sysndd_mailer") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, "health"],
        env=site.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_worker_is_healthy_while_it_reports(site: Site, tmp_path: Path) -> None:
    unseen = health(site)
    assert (unseen.returncode, unseen.stdout) == (1, "")
    assert (
        "The mail worker on this host has not reported recently (last seen: never)."
        in unseen.stderr
    )
    with service_process("sysndd_mailer", site, tmp_path) as process:
        eventually("the worker registers", lambda: health(site).returncode == 0, seconds=60)
        # The worker of another queue on the same host does not count.
        assert health(site, "sysndd_backup").returncode == 1
        process.kill()
    # A killed worker does not delete its row, which grows old.
    site.server.execute(
        f"UPDATE `{site.ops}`.worker SET seen_at = UTC_TIMESTAMP(6) - INTERVAL 31 SECOND"
    )
    started = time.monotonic()
    gone = health(site)
    elapsed = time.monotonic() - started
    assert gone.returncode == 1
    reported = re.fullmatch(
        r"The mail worker on this host has not reported recently \(last seen: (\d+) s ago\)\.\n",
        gone.stderr,
    )
    assert reported is not None, gone.stderr
    # The report rounds to whole seconds.
    assert 31 <= int(reported[1]) <= 32 + elapsed


def test_unavailable_database_is_reported(site: Site) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "sysndd_mailer", "health"],
        env={**site.environ, "DB_PORT": "1", "DB_HOST": "127.0.0.1", "DB_SOCKET": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 1
    assert result.stderr.strip()
    assert "Traceback" not in result.stderr
