"""SIGKILL of worker and server at all steps of backup, restore and undo, with concurrent readers.

``make lane LANE=kills-backups`` runs it with ``KILLS=100``. A failure reports the kill point and
the seed.
"""

import asyncio
import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pymysql.err
import pytest

from sysndd_backup.archive.compression import open_reader
from sysndd_backup.restore.recovery import Recovery
from sysndd_core.db.database import errors_mapped
from sysndd_core.errors import Unavailable
from sysndd_core.jobs.models import Consent, CreateBackup, Job, RestoreBackup, UndoRestore
from tests.support.burst import stored_row
from tests.support.random_faults import spread
from tests.support.servers import DatabaseServer
from tests.support.site import REPOSITORY, Site
from tests.support.workers import PACKAGES, BackupBench, backup_bench, checksums

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("SEED", "7"))
RECOVERY_SECONDS = 30
ROWS = 300

SCHEMA = """
CREATE TABLE part_a (id INT PRIMARY KEY, generation INT NOT NULL);
CREATE TABLE part_b (id INT PRIMARY KEY, generation INT NOT NULL,
  CONSTRAINT b_of_a FOREIGN KEY (id) REFERENCES part_a (id));
CREATE TABLE part_c (id INT PRIMARY KEY, generation INT NOT NULL,
  CONSTRAINT c_of_b FOREIGN KEY (id) REFERENCES part_b (id));
CREATE VIEW whole AS SELECT a.generation AS x, c.generation AS y
  FROM part_a AS a JOIN part_c AS c ON c.id = a.id;
CREATE VIEW above_whole AS SELECT x FROM whole;
CREATE TRIGGER part_a_kept BEFORE DELETE ON part_a FOR EACH ROW SET @deleted = OLD.id;
CREATE PROCEDURE nothing() SELECT 1;
CREATE EVENT never ON SCHEDULE EVERY 1 YEAR DISABLE DO SELECT 1
"""

JOIN = (
    "SELECT DISTINCT a.generation, b.generation, c.generation FROM part_a AS a"
    " JOIN part_b AS b ON b.id = a.id JOIN part_c AS c ON c.id = a.id"
)


class Reader:
    """Joins three tables repeatedly in a separate thread, as API requests do."""

    def __init__(self, site: Site) -> None:
        self.reads = self.refused = 0
        self.mixed: list[object] = []
        self.errors: list[str] = []
        self._site = site
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with errors_mapped(), self._site.server.connect(self._site.app) as connection:
                    while not self._stop.is_set():
                        self._read(connection)
            except Unavailable:
                self.refused += 1
                time.sleep(0.02)
            except Exception as error:  # noqa: BLE001 - the test fails with it
                self.errors.append(repr(error))
                time.sleep(0.02)

    def _read(self, connection: "pymysql.Connection[pymysql.cursors.Cursor]") -> None:
        with connection.cursor() as cursor:
            cursor.execute(JOIN)
            rows = cursor.fetchall()
        self.reads += 1
        if len(rows) != 1 or len(set(rows[0])) != 1:
            self.mixed.append(rows)
        time.sleep(0.001)


class Chaos:
    """A site whose live database is the old or the new one, with kills during the swaps.

    Attributes:
        states: Content of the two databases.
        now: The live database, ``old`` or ``new``.
    """

    def __init__(self, bench: BackupBench, backup: str, directory: Path) -> None:
        self.bench = bench
        self.site = bench.site
        self.backup = backup
        self.now = "old"
        self.slowest = 0.0
        self.recovery = Recovery(bench.database, bench.tools.undo_hours)
        self.states: dict[str, tuple[object, ...]] = {}
        self.points = {RestoreBackup: 0, UndoRestore: 0, CreateBackup: 0}
        self._log = directory / "killed_worker.log"

    def job(self) -> Job:
        """Return the job that makes the other database live."""
        return (
            RestoreBackup(name=self.backup, accept=tuple(Consent))
            if self.now == "old"
            else UndoRestore()
        )

    async def learn(self) -> None:
        """Restore and undo without a kill, to count kill points and record both states."""
        self.states["old"] = live_state(self.site)
        for state in ("new", "old"):
            job = self.job()
            await self.bench.submit(job)
            self.points[type(job)] = int(await asyncio.to_thread(self.start, "0", "before", 0))
            self.now = state
            self.states.setdefault(state, live_state(self.site))
            assert live_state(self.site) == self.states[state]
        assert self.states["old"] != self.states["new"]
        await self.bench.submit(CreateBackup())
        self.points[CreateBackup] = int(await asyncio.to_thread(self.start, "0", "before", 0))

    def start(self, at: str, when: str, victim: int) -> str:
        """Run a worker that kills ``victim`` (0: itself) at a kill point; return its output."""
        folders = [REPOSITORY, *(REPOSITORY / package for package in PACKAGES)]
        environ = {
            **os.environ,
            **self.site.environ,
            "PYTHONPATH": os.pathsep.join(map(str, folders)),
        }
        command = [sys.executable, "-m", "tests.support.killed_worker", at, when, str(victim)]
        with self._log.open("ab") as log:
            return subprocess.run(
                command, stdout=subprocess.PIPE, stderr=log, env=environ, check=False, text=True
            ).stdout

    async def kill_once(
        self, chance: random.Random, share: float, server: DatabaseServer | None, job: Job
    ) -> None:
        """Kill at one point, recover, and check the live database and the list of backups."""
        job_id = await self.bench.submit(job)
        at = 1 + int(share * self.points[type(job)])
        when = chance.choice(["before", "during", "after"])
        victim = server.process.pid if server is not None and server.process is not None else 0
        what = f"{job.job_kind} {when} point {at} of {self.points[type(job)]}, SEED={SEED}"
        work = asyncio.create_task(asyncio.to_thread(self.start, str(at), when, victim))
        if server is not None:
            await self.start_again(server, work)
        await work
        started = time.monotonic()
        await self.recover(what)
        self.slowest = max(self.slowest, time.monotonic() - started)
        if isinstance(job, CreateBackup):
            # The queue retries the job.
            await self.bench.worker().run_until_idle()
        self.check(what, job, str((await stored_row(self.bench.rows, job_id))["state"]))
        self.check_list(what)

    async def recover(self, what: str) -> None:
        """Run crash recovery until no entry is open, as if the lease had expired."""
        started = time.monotonic()
        # Let the lease expire immediately, which would take twelve seconds.
        self.site.server.execute(
            f"UPDATE `{self.site.ops}`.job SET lease_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND"
            " WHERE state = 'running'"
        )
        while await self.recovery.journal.unfinished():
            await self.recovery.recover()
            assert time.monotonic() - started < RECOVERY_SECONDS, what
            await asyncio.sleep(0.05)
        await self.bench.rows.reclaim()

    async def start_again(self, server: DatabaseServer, work: "asyncio.Task[str]") -> None:
        """Start the server as soon as it was killed, while its worker keeps running."""
        assert server.process is not None
        while not work.done() and server.process.is_running():  # noqa: ASYNC110 - a process
            await asyncio.sleep(0.01)
        server.start()

    def check_list(self, what: str) -> None:
        """Check that all listed backups can be decompressed and match their manifests."""
        for manifest in self.bench.store.manifests():
            plain = hashlib.sha256()
            with open_reader(self.bench.store.path(manifest.name), self.bench.tools.keys) as reader:
                while chunk := reader.read(1 << 20):
                    plain.update(chunk)
            assert plain.hexdigest() == manifest.uncompressed_sha256, f"{manifest.name}: {what}"

    def check(self, what: str, job: Job, job_state: str) -> None:
        """Check that the live database is one of the two, and that no other schema remains."""
        seen = live_state(self.site)
        live = [name for name, state in self.states.items() if state == seen]
        assert live, f"the live database is neither the old nor the new one: {what}"
        moved = live[0] != self.now
        if isinstance(job, CreateBackup):
            assert not moved, what
            assert job_state in {"succeeded", "failed"}, what
        else:
            # A worker that was killed after the swap could not record its success.
            assert job_state in {"succeeded" if moved else "failed", "failed"}, what
        self.now = live[0]
        left = schemas(self.site)
        kinds = {name.removeprefix(self.site.app).split("_")[1] for name in left}
        assert kinds <= {"before", "undone"}, f"{left} after {what}"
        if self.now == "new":
            assert "before" in kinds, f"{left} after {what}"


def live_state(site: Site) -> tuple[object, ...]:
    """Return checksums of the tables and definitions of the stored objects."""
    described: list[object] = [sorted(checksums(site, site.app).items())]
    for table, columns, schema in (
        ("views", "table_name, view_definition, definer, security_type", "table_schema"),
        ("triggers", "trigger_name, action_statement, definer, sql_mode", "trigger_schema"),
        ("routines", "routine_name, routine_definition, definer, sql_mode", "routine_schema"),
        ("events", "event_name, event_definition, status, definer", "event_schema"),
        (
            "referential_constraints",
            "constraint_name, unique_constraint_schema",
            "constraint_schema",
        ),
    ):
        described.append(
            site.server.execute(
                f"SELECT {columns} FROM information_schema.{table} WHERE {schema} = %s ORDER BY 1",
                (site.app,),
            )
        )
    return tuple(described)


def schemas(site: Site) -> list[str]:
    """Return the names of a site's schemas other than its application and platform schema."""
    rows = site.server.execute(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s",
        (f"{site.app}\\_%",),
    )
    return sorted(name for (name,) in rows if name != site.ops)


@pytest.fixture
async def chaos(site: Site, tmp_path: Path) -> AsyncIterator[Chaos]:
    for statement in SCHEMA.strip().split(";\n"):
        site.server.execute(statement, schema=site.app)
    for table in ("part_a", "part_b", "part_c"):
        numbers = ", ".join(f"({n}, 1)" for n in range(ROWS))
        site.server.execute(f"INSERT INTO `{site.app}`.{table} VALUES {numbers}")
    async with backup_bench(site) as bench:
        assert (await bench.run(CreateBackup()))["state"] == "succeeded"
        (manifest,) = bench.store.manifests()
        with site.server.connect(site.app) as connection, connection.cursor() as cursor:
            cursor.execute(
                "UPDATE part_a AS a, part_b AS b, part_c AS c"
                " SET a.generation = 2, b.generation = 2, c.generation = 2"
                " WHERE b.id = a.id AND c.id = a.id"
            )
            cursor.execute("DROP VIEW above_whole")
            cursor.execute("CREATE VIEW only_in_the_old_one AS SELECT x FROM whole")
        chaos = Chaos(bench, manifest.name, tmp_path)
        await chaos.learn()
        yield chaos


async def test_restore_and_undo_survive_a_killed_worker(chaos: Chaos) -> None:
    await kill_often(chaos, max(1, KILLS * 3 // 5), None)


async def test_backups_survive_a_killed_worker(chaos: Chaos) -> None:
    await kill_often(chaos, max(1, KILLS * 3 // 20), None, job=CreateBackup())


async def test_restore_and_undo_survive_a_killed_server(
    chaos: Chaos, private_database_server: DatabaseServer
) -> None:
    assert chaos.site.server is private_database_server, "the test did not start this server"
    await kill_often(chaos, max(1, KILLS // 4), private_database_server)


async def test_a_restore_over_a_damaged_database_survives_a_killed_worker(chaos: Chaos) -> None:
    """Its live database has lost a table, to which foreign keys and views refer."""
    job = RestoreBackup(name=chaos.backup, accept=tuple(Consent))

    def damage() -> dict[str, int]:
        with chaos.site.server.connect(chaos.site.app) as connection, connection.cursor() as cursor:
            cursor.execute("SET foreign_key_checks = 0")
            cursor.execute("DROP TABLE part_a")
        return checksums(chaos.site, chaos.site.app)

    damaged, restored = damage(), chaos.states["new"]
    await chaos.bench.submit(job)
    points = int(await asyncio.to_thread(chaos.start, "0", "before", 0))
    assert live_state(chaos.site) == restored
    chance = random.Random(SEED)  # noqa: S311 - chooses where to kill
    for share in spread(max(2, KILLS // 5), chance):
        assert damage().keys() == damaged.keys()
        at, when = 1 + int(share * points), chance.choice(["before", "during", "after"])
        await chaos.bench.submit(job)
        await asyncio.to_thread(chaos.start, str(at), when, 0)
        what = f"{when} point {at} of {points}, SEED={SEED}"
        await chaos.recover(what)
        if live_state(chaos.site) != restored:
            assert checksums(chaos.site, chaos.site.app).keys() == damaged.keys(), what
            # Nothing of the killed restore prevents the next one.
            row = await chaos.bench.run(job)
            assert row["state"] == "succeeded", f"{row['error']} after {what}"
            assert live_state(chaos.site) == restored, what


async def test_stored_objects_that_cannot_be_created_roll_the_tables_back(chaos: Chaos) -> None:
    await chaos.bench.submit(chaos.job())
    await asyncio.to_thread(chaos.start, "RENAME TABLE", "after", 0)
    assert live_state(chaos.site)[0] == chaos.states["new"][0], "the tables have moved"
    chaos.site.server.execute(
        f"UPDATE `{chaos.site.ops}`.restore_journal SET new_objects ="
        " REPLACE(new_objects, 'VIEW `above_whole`', 'VIEW nonsense!') WHERE outcome IS NULL"
    )
    await chaos.recovery.recover()
    assert live_state(chaos.site) == chaos.states["old"]
    assert [name for name in schemas(chaos.site) if "_undone_" not in name] == []


async def kill_often(
    chaos: Chaos, kills: int, server: DatabaseServer | None, *, job: Job | None = None
) -> None:
    """Distribute kills over all kill points, with two concurrent readers."""
    chance = random.Random(SEED)  # noqa: S311 - chooses where to kill
    shares = spread(kills, chance)
    chance.shuffle(shares)
    with Reader(chaos.site) as one, Reader(chaos.site) as two:
        for share in shares:
            await chaos.kill_once(chance, share, server, job or chaos.job())
    sys.stdout.write(
        f"{kills} kills, {one.reads + two.reads} reads, {one.refused + two.refused} of them 503,"
        f" slowest recovery {chaos.slowest:.2f} s\n"
    )
    assert one.mixed + two.mixed == []
    assert one.errors + two.errors == []
    assert min(one.reads, two.reads) > kills
