"""SIGKILL of the real worker process during a dump."""

import asyncio
import contextlib
import os
import shutil
import signal
from pathlib import Path

import pytest

from sysndd_core.jobs.models import CreateBackup
from tests.support.burst import stored_row
from tests.support.site import Site
from tests.support.workers import backup_bench, children_of, end, eventually, service_process


async def test_a_worker_killed_during_a_dump_lists_no_backup_and_the_job_is_retried(
    site: Site, tmp_path: Path
) -> None:
    async with backup_bench(site) as bench:
        # A locked table blocks the dump at a known position.
        with site.server.connect(site.app) as blocker, blocker.cursor() as cursor:
            cursor.execute("LOCK TABLES review WRITE")
            with service_process("sysndd_backup", site, tmp_path) as worker:
                job_id = await bench.submit(CreateBackup())
                await asyncio.to_thread(
                    eventually, "a partial file", lambda: partials(site), seconds=60
                )
                dump_clients = children_of(worker.pid)
                worker.kill()
                # Its clients have lost their pipe, but they still wait for the lock.
                end(dump_clients)
            assert partials(site) != []
            assert bench.store.manifests() == []
            assert (await stored_row(bench.rows, job_id))["state"] == "running"
            cursor.execute("UNLOCK TABLES")
        with service_process("sysndd_backup", site, tmp_path) as worker:
            await asyncio.to_thread(
                eventually,
                "the job is retried",
                lambda: state(site, job_id) == "succeeded",
                seconds=90,
            )
            second = await bench.submit(CreateBackup())
            await asyncio.to_thread(
                eventually,
                "the next backup",
                lambda: state(site, second) == "succeeded",
                seconds=60,
            )
            worker.send(signal.SIGTERM)
        assert partials(site) == []
        assert (await stored_row(bench.rows, job_id))["attempt"] == 2
        manifests = bench.store.manifests()
        assert [manifest.job_id for manifest in manifests] == [second, job_id]
        assert len(list(site.backup_dir.iterdir())) == 4


@pytest.mark.parametrize("moment", ["before the client connects", "during the dump"])
async def test_the_password_is_in_no_file_of_a_killed_worker(
    site: Site, tmp_path: Path, moment: str
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    path = _with_waiting_client(site, tmp_path) if moment.startswith("before") else ""
    changes = {"TMPDIR": str(temporary), "PATH": path + os.environ["PATH"]}
    async with backup_bench(site) as bench:
        with site.server.connect(site.app) as blocker, blocker.cursor() as cursor:
            cursor.execute("LOCK TABLES review WRITE")
            with service_process("sysndd_backup", site, tmp_path, **changes) as worker:
                await bench.submit(CreateBackup())
                await asyncio.to_thread(
                    eventually,
                    "a client",
                    lambda: clients_of(worker.pid) and (path or site.waiting_for_a_table()),
                    seconds=60,
                )
                clients = clients_of(worker.pid)
                worker.kill()
                try:
                    secret = site.server.password.encode()
                    assert clients
                    seen = [
                        _bytes(Path(f"/proc/{pid}/{name}"))
                        for pid in clients
                        for name in ("cmdline", "environ")
                    ]
                    assert all(text and secret not in text for text in seen)
                    folders = [temporary, site.backup_dir, Path("/dev/shm")]
                    assert [file for file in _files_under(folders) if secret in _bytes(file)] == []
                finally:
                    end(clients)


def _with_waiting_client(site: Site, directory: Path) -> str:
    """Put a client first on the PATH that waits before it reads its options."""
    name = "mariadb-dump" if site.server.is_mariadb else "mysqldump"
    folder = directory / "bin"
    folder.mkdir()
    program = folder / name
    real = shutil.which(name)
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *--version*) exec {real} "$@";; esac\nexec sleep 60 # dump\n'
    )
    program.chmod(0o755)
    return f"{folder}{os.pathsep}"


def clients_of(pid: int) -> list[int]:
    """Return the worker's child processes that have an option file open."""
    found = []
    for child in children_of(pid):
        # The process may have ended.
        with contextlib.suppress(OSError):
            descriptors = list(Path(f"/proc/{child}/fd").iterdir())
            if any("sysndd-options" in str(one.readlink()) for one in descriptors):
                found.append(child)
    return found


def _files_under(folders: list[Path]) -> list[Path]:
    return [file for folder in folders for file in folder.rglob("*") if file.is_file()]


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        # A file of another process, which may have been deleted.
        return b""


def partials(site: Site) -> list[Path]:
    return list(site.backup_dir.glob("*.partial"))


def state(site: Site, job_id: str) -> str:
    rows = site.server.execute(f"SELECT state FROM `{site.ops}`.job WHERE id = %s", (job_id,))
    return str(rows[0][0])
