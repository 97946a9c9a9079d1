"""``sysndd-admin restore`` without a working site: no worker, no Redis, no schemas."""

import dataclasses
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sysndd_backup.archive.off_site import OffsiteStorage
from sysndd_backup.jobs import BackupPolicy
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.jobs.models import CreateBackup
from sysndd_local.ports import free_port
from tests.support.runbooks import commands
from tests.support.s3 import TestS3
from tests.support.site import REPOSITORY, Site
from tests.support.workers import PACKAGES, backup_bench, checksums, eventually, service_process

_COMMAND = commands("damaged-database.md", "Restore without a working site")[0]
_RESTORE = (*shlex.split(_COMMAND)[1:], "--accept", "no_administrator")
"""The command of the runbook; the site of the test has no administrator."""


def start(site: Site, *arguments: str, **changes: str) -> subprocess.Popen[str]:
    """Start ``sysndd-admin``; Redis is unreachable."""
    paths = os.pathsep.join(str(REPOSITORY / package) for package in PACKAGES)
    environ = {**os.environ, **site.environ, "PYTHONPATH": paths}
    return subprocess.Popen(
        [sys.executable, "-m", "sysndd_api.cli.main", *arguments],
        env={**environ, "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0", **changes},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(site: Site, *arguments: str, **changes: str) -> tuple[str, str]:
    """Run ``sysndd-admin``; return what it printed."""
    process = start(site, *arguments, **changes)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    return out, err


async def _back_up(site: Site) -> None:
    async with backup_bench(site) as bench:
        bench.policy = BackupPolicy()
        assert (await bench.run(CreateBackup()))["state"] == "succeeded"


@pytest.mark.parametrize("lost", ["nothing", "ledger", "application", "platform", "both"])
async def test_a_restore_needs_no_running_service(site: Site, lost: str) -> None:
    site.server.execute(
        f"INSERT INTO `{site.app}`.`user` (user_name, email) VALUES ('here', 'h@x')"
    )
    before = checksums(site, site.app)
    await _back_up(site)
    if lost == "ledger":
        site.server.execute(f"DROP TABLE `{site.app}`.schema_version")
    if lost in ("application", "both"):
        site.server.execute(f"DROP DATABASE `{site.app}`")
    if lost in ("platform", "both"):
        site.server.execute(f"DROP DATABASE `{site.ops}`")
    out, err = run(site, *_RESTORE)
    assert out.startswith("Restored manual_")
    assert "No worker has claimed the job for 10 s. This command runs it." in err
    assert checksums(site, site.app) == before
    assert (f"The platform schema {site.ops} is missing" in err) == (lost in ("platform", "both"))
    (manifest,) = [
        one for one in BackupDirectory(site.backup_dir).manifests() if one.kind == "manual"
    ]
    # The backup is this site's own, also with a new platform schema.
    assert site.server.execute(f"SELECT id FROM `{site.ops}`.site") == ((manifest.site_id,),)
    (job,) = site.server.execute(
        f"SELECT state, attempt FROM `{site.ops}`.job WHERE kind = 'restore_backup'"
    )
    assert job == ("succeeded", 1)


async def test_a_restore_from_a_bucket_into_an_empty_server(
    site: Site, s3_server: TestS3, bucket: str, tmp_path: Path
) -> None:
    """Left are the bucket and the settings: a new machine with an empty backup directory."""
    site.server.execute(
        f"INSERT INTO `{site.app}`.`user` (user_name, email) VALUES ('here', 'h@x')"
    )
    before = checksums(site, site.app)
    async with backup_bench(site) as bench:
        offsite = OffsiteStorage(bench.store, s3_server.copies(bucket))
        bench.tools = dataclasses.replace(bench.tools, offsite=offsite)
        bench.policy = BackupPolicy()
        assert (await bench.run(CreateBackup()))["state"] == "succeeded"
    site.server.execute(f"DROP DATABASE `{site.app}`")
    site.server.execute(f"DROP DATABASE `{site.ops}`")
    (tmp_path / "empty").mkdir()
    out, _ = run(site, *_RESTORE, BACKUP_DIR=str(tmp_path / "empty"), **s3_server.environ(bucket))
    assert out.startswith("Restored manual_")
    assert checksums(site, site.app) == before


async def test_a_worker_that_claims_the_job_runs_it(site: Site, tmp_path: Path) -> None:
    await _back_up(site)
    with service_process("sysndd_backup", site, tmp_path):
        out, err = run(site, *_RESTORE)
    assert out.startswith("Restored manual_")
    assert "This command runs it." not in err


async def test_a_killed_command_leaves_the_old_or_the_new_database(site: Site) -> None:
    """Its worker completes the restore, which is not interruptible."""
    site.server.execute(
        f"INSERT INTO `{site.app}`.`user` (user_name, email) VALUES ('here', 'h@x')"
    )
    before = checksums(site, site.app)
    await _back_up(site)
    site.server.execute(f"DROP DATABASE `{site.app}`")
    process = start(site, *_RESTORE)

    def state() -> object:
        return site.server.execute(
            f"SELECT state FROM `{site.ops}`.job WHERE kind = 'restore_backup'"
        )

    eventually("a running restore", lambda: state() == (("running",),), seconds=60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    eventually("an end", lambda: state() != (("running",),), seconds=60)
    assert state() == (("succeeded",),)
    assert checksums(site, site.app) == before


async def test_a_failed_own_worker_names_its_reason(site: Site) -> None:
    await _back_up(site)
    process = start(site, *_RESTORE, RESTORE_PRE_HOOK="/nonexistent/hook")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "RESTORE_PRE_HOOK" in err
    assert "worker of this command ended with exit code 1" in err
