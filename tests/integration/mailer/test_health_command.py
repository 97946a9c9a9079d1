"""`sysndd-mailer health`, which a container's health check runs beside the worker."""

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


def test_a_worker_is_healthy_while_it_is_seen(site: Site, tmp_path: Path) -> None:
    unseen = health(site)
    assert (unseen.returncode, unseen.stdout) == (1, "")
    assert (
        "The mail worker on this host has not reported recently (last seen: never)."
        in unseen.stderr
    )
    with service_process("sysndd_mailer", site, tmp_path) as process:
        eventually("it signs on", lambda: health(site).returncode == 0, seconds=60)
        # Another queue's worker of the same machine is another container's business.
        assert health(site, "sysndd_backup").returncode == 1
        process.kill()
    # Killed, it signs off nothing; what it wrote last gets old.
    site.server.execute(
        f"UPDATE `{site.ops}`.worker SET seen_at = UTC_TIMESTAMP(6) - INTERVAL 31 SECOND"
    )
    begun = time.monotonic()
    gone = health(site)
    elapsed = time.monotonic() - begun
    assert gone.returncode == 1
    reported = re.fullmatch(
        r"The mail worker on this host has not reported recently \(last seen: (\d+) s ago\)\.\n",
        gone.stderr,
    )
    assert reported is not None, gone.stderr
    # The report rounds to whole seconds.
    assert 31 <= int(reported[1]) <= 32 + elapsed


def test_without_the_database_it_says_so(site: Site) -> None:
    away = subprocess.run(
        [sys.executable, "-m", "sysndd_mailer", "health"],
        env={**site.environ, "DB_PORT": "1", "DB_HOST": "127.0.0.1", "DB_SOCKET": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert away.returncode == 1
    assert away.stderr.strip()
    assert "Traceback" not in away.stderr
