"""SIGKILL of the real worker process in mid-dump."""

import asyncio
import signal
from pathlib import Path

from sysndd_core.jobs import CreateBackup
from tests.support.site import Site
from tests.support.workers import backup_bench, children_of, end, eventually, service_process


async def test_killed_in_mid_dump_leaves_no_listed_file_and_the_job_is_run_again(
    site: Site, tmp_path: Path
) -> None:
    async with backup_bench(site) as bench:
        # A table that can't be read yet holds the dump up at a place of our choice.
        with site.server.connect(site.app) as blocker, blocker.cursor() as cursor:
            cursor.execute("LOCK TABLES review WRITE")
            with service_process("sysndd_backup", site, tmp_path) as worker:
                job_id = await bench.submit(CreateBackup())
                await asyncio.to_thread(
                    eventually, "a partial file", lambda: partials(site), seconds=15
                )
                dump_clients = children_of(worker.pid)
                worker.kill()
                # Its clients lose the pipe with it; they only wait for the lock.
                end(dump_clients)
            assert partials(site) != []
            assert bench.store.manifests() == []
            assert (await bench.rows.get(job_id))["state"] == "running"
            cursor.execute("UNLOCK TABLES")
        with service_process("sysndd_backup", site, tmp_path) as worker:
            await asyncio.to_thread(
                eventually, "the job is run again", lambda: state(site, job_id) == "succeeded",
                seconds=30,
            )  # fmt: skip
            second = await bench.submit(CreateBackup())
            await asyncio.to_thread(
                eventually, "the next backup", lambda: state(site, second) == "succeeded",
                seconds=15,
            )  # fmt: skip
            worker.send(signal.SIGTERM)
        assert partials(site) == []
        assert (await bench.rows.get(job_id))["attempt"] == 2
        manifests = bench.store.manifests()
        assert [manifest.job_id for manifest in manifests] == [second, job_id]
        assert len(list(site.backup_dir.iterdir())) == 4


def partials(site: Site) -> list[Path]:
    return list(site.backup_dir.glob("*.partial"))


def state(site: Site, job_id: str) -> str:
    rows = site.server.execute(f"SELECT state FROM `{site.ops}`.job WHERE id = %s", (job_id,))
    return str(rows[0][0])
