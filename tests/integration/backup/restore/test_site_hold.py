"""Hooks, and locked database accounts, while a restore or an undo swaps tables."""

import asyncio
import contextlib
import dataclasses
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pymysql
import pymysql.err
import pytest
from pymysql.cursors import Cursor

from sysndd_backup.context import SiteHoldConfig
from sysndd_backup.restore.recovery import Recovery
from sysndd_core.jobs.models import Consent, CreateBackup, Job, RestoreBackup, UndoRestore
from sysndd_core.settings.base import Settings
from sysndd_core.settings.site_hold import SiteHoldSettings
from tests.support.burst import stored_row
from tests.support.servers import DatabaseServer
from tests.support.site import REPOSITORY, Site
from tests.support.workers import PACKAGES, BackupBench, backup_bench, eventually

LOCK_ACCOUNT = REPOSITORY / "deploy" / "accounts" / "lock_account.sql"
LOCK_PASSWORD = "Password4lock1234"
ACCOUNT_IS_LOCKED = {4151, 3118}
"""Error numbers of MariaDB and MySQL."""


class _Settings(Settings):
    site_hold: SiteHoldSettings


@dataclasses.dataclass
class Held:
    """A site with a backup, a program with database accounts, and a directory for hooks.

    Attributes:
        app: User name of the program's accounts, which have the hosts ``%`` and ``localhost``.
        variables: Settings of the hold, for this process and for killed workers.
    """

    bench: BackupBench
    directory: Path
    app: str
    variables: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def site(self) -> Site:
        return self.bench.site

    @property
    def calls(self) -> list[str]:
        """What the hooks of ``recording_hook`` wrote: event and outcome of each call."""
        file = self.directory / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def hook(self, name: str, script: str) -> str:
        """Write a shell script; return its path."""
        path = self.directory / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    def recording_hook(self, then: str = "") -> str:
        """Return a hook that records its calls, and runs ``then``."""
        calls = self.directory / "calls"
        return self.hook(
            f"hook_{secrets.token_hex(4)}",
            f'echo "$SYSNDD_EVENT $SYSNDD_OUTCOME" >> {calls}\n{then}',
        )

    def locking(self, accounts: str) -> None:
        """Lock accounts during restores."""
        self.variables |= {
            "RESTORE_LOCK_ACCOUNTS": accounts,
            "RESTORE_LOCK_USER": "sysndd_lock",
            "RESTORE_LOCK_PASSWORD": LOCK_PASSWORD,
        }

    @property
    def config(self) -> SiteHoldConfig:
        """The configuration of the worker."""
        settings = self.site.load(_Settings, **self.variables).site_hold
        users = (self.site.database.user, settings.lock_user)
        return SiteHoldConfig.configured(settings, os.environ, users)

    @property
    def recovery(self) -> Recovery:
        """Crash recovery with the configuration of the worker."""
        return Recovery(self.bench.database, 24, self.config)

    async def run(self, job: Job) -> dict[str, Any]:
        """Run a job; return its row."""
        tools = dataclasses.replace(self.bench.tools, site_hold=self.config)
        return await self.bench.run(job, tools)

    def restore(self) -> RestoreBackup:
        """Return the job that restores the first backup."""
        return RestoreBackup(
            name=self.bench.store.manifests()[-1].name, accept=(Consent.NO_ADMINISTRATOR,)
        )

    def connect(self, host: str = "127.0.0.1") -> "pymysql.Connection[Cursor]":
        """Sign in as the program."""
        server = self.site.server
        return pymysql.connect(
            host=host, port=server.port, user=self.app, password="pw", database=self.site.app
        )

    def is_locked(self, host: str = "%") -> bool:
        """Return whether an account of the program is locked."""
        if self.site.server.is_mariadb:
            sql = (
                "SELECT COALESCE(JSON_VALUE(Priv, '$.account_locked'), 0) = 1"
                " FROM mysql.global_priv WHERE User = %s AND Host = %s"
            )
        else:
            sql = "SELECT account_locked = 'Y' FROM mysql.user WHERE User = %s AND Host = %s"
        ((locked,),) = self.site.server.execute(sql, (self.app, host))
        return bool(locked)

    def lock(self, host: str) -> None:
        """Lock an account as an administrator."""
        self.site.server.execute(f"ALTER USER '{self.app}'@'{host}' ACCOUNT LOCK")

    def journal(self) -> dict[str, Any]:
        """Return the latest row of the restore journal."""
        with (
            self.site.server.connect(self.site.ops) as connection,
            connection.cursor(pymysql.cursors.DictCursor) as cursor,
        ):
            cursor.execute("SELECT * FROM restore_journal ORDER BY id DESC LIMIT 1")
            row = cursor.fetchone()
        assert row is not None
        return row

    def assert_released(self) -> None:
        """Check that nothing is held any more, and the journal is closed."""
        row = self.journal()
        assert (row["locked_accounts"], row["post_hook_due"]) == (None, 0)
        assert row["finished_at"] is not None
        assert not self.is_locked()
        self.connect().close()

    def start_killed_worker(self, at: str, when: str, victim: int = 0) -> None:
        """Run the due jobs in a separate process that sends a SIGKILL at a kill point."""
        folders = [REPOSITORY, *(REPOSITORY / package for package in PACKAGES)]
        subprocess.run(
            [sys.executable, "-m", "tests.support.killed_worker", at, when, str(victim)],
            env={
                **os.environ,
                **self.site.environ,
                **self.variables,
                "PYTHONPATH": os.pathsep.join(map(str, folders)),
            },
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def expire_lease(self) -> None:
        """Let the lease of a killed worker expire, which would take twelve seconds."""
        self.site.server.execute(
            f"UPDATE `{self.site.ops}`.job SET lease_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND"
            " WHERE state = 'running'"
        )

    async def recover(self) -> None:
        """Run crash recovery until nothing is left to do."""
        self.expire_lease()
        journal = self.recovery.journal
        deadline = time.monotonic() + 30
        while await journal.unfinished() or await journal.still_held():
            assert time.monotonic() < deadline
            await self.recovery.recover()
            await asyncio.sleep(0.05)
        await self.bench.rows.reclaim()


@pytest.fixture
async def held(site: Site, tmp_path: Path) -> AsyncIterator[Held]:
    server, app = site.server, f"app_{secrets.token_hex(4)}"
    for host in ("%", "localhost"):
        server.execute(f"CREATE USER '{app}'@'{host}' IDENTIFIED BY 'pw'")
        server.execute(f"GRANT ALL PRIVILEGES ON `{site.app}`.* TO '{app}'@'{host}'")
    create_lock_account(server)
    try:
        async with backup_bench(site) as bench:
            assert (await bench.run(CreateBackup()))["state"] == "succeeded"
            server.execute("DELETE FROM entity_category LIMIT 1", schema=site.app)
            directory = tmp_path / "hooks"
            directory.mkdir()
            yield Held(bench, directory, app)
    finally:
        server.execute(f"DROP USER '{app}'@'%', '{app}'@'localhost', 'sysndd_lock'@'%'")


def create_lock_account(server: DatabaseServer) -> None:
    """Create the account with the shipped statements."""
    lines = LOCK_ACCOUNT.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    with server.connect() as connection, connection.cursor() as cursor:
        for statement in text.split(";\n"):
            if statement.strip():
                cursor.execute(statement.replace("{{lock_password}}", f"'{LOCK_PASSWORD}'"))


class Receiver:
    """An HTTP server that receives hooks, and answers with a status."""

    def __init__(self) -> None:
        self.status = 204
        self.location: str | None = None
        self.body = b""
        self.received: list[dict[str, Any]] = []
        self.stall = threading.Event()
        self.stall.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(json.loads(content))
                receiver.stall.wait(30)
                self.send_response(receiver.status)
                if receiver.location is not None:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", str(len(receiver.body)))
                self.end_headers()
                self.wfile.write(receiver.body)

            def log_message(self, format: str, *args: Any) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hold?token=canary-token"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever)
    thread.start()
    yield receiver
    receiver.stall.set()
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


async def test_hooks_run_before_and_after_a_restore_and_an_undo(held: Held) -> None:
    held.variables = {
        "RESTORE_PRE_HOOK": held.recording_hook(),
        "RESTORE_POST_HOOK": held.recording_hook(),
    }
    for job in (held.restore(), UndoRestore()):
        row = await held.run(job)
        assert row["state"] == "succeeded", row["error"]
        assert json.loads(row["result"])["warnings"] == []
    assert held.calls == [
        *("restore_starting ", "restore_ended done"),
        *("undo_starting ", "undo_ended done"),
    ]
    held.assert_released()


async def test_a_command_gets_the_event_and_none_of_the_workers_secrets(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in held.site.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-aws-key")
    seen = held.directory / "environment"
    held.variables = {"RESTORE_PRE_HOOK": held.hook("pre", f"env > {seen}")}
    row = await held.run(held.restore())
    assert row["state"] == "succeeded", row["error"]
    environment = dict(line.split("=", 1) for line in seen.read_text().splitlines())
    # The shell adds the last two.
    assert set(environment) <= {
        *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"),
        *("SYSNDD_EVENT", "SYSNDD_JOB_ID", "SYSNDD_BACKUP", "SYSNDD_SCHEMA", "SYSNDD_OUTCOME"),
        *("PWD", "_", "SHLVL", "OLDPWD"),
    }
    assert environment["SYSNDD_EVENT"] == "restore_starting"
    assert environment["SYSNDD_JOB_ID"] == row["id"]
    assert environment["SYSNDD_BACKUP"] == held.bench.store.manifests()[-1].name
    assert environment["SYSNDD_SCHEMA"] == held.site.app
    assert environment["SYSNDD_OUTCOME"] == ""
    secret = held.site.environ["DB_PASSWORD"]
    assert not [name for name, value in environment.items() if secret in value]
    assert "canary" not in seen.read_text()


async def test_a_url_gets_the_event_as_json(held: Held, receiver: Receiver) -> None:
    held.variables = {"RESTORE_PRE_HOOK": receiver.url, "RESTORE_POST_HOOK": receiver.url}
    row = await held.run(held.restore())
    assert row["state"] == "succeeded", row["error"]
    common = {
        "job_id": row["id"],
        "schema": held.site.app,
        "backup": held.bench.store.manifests()[-1].name,
    }
    assert receiver.received == [
        {"event": "restore_starting", **common, "outcome": None},
        {"event": "restore_ended", **common, "outcome": "done"},
    ]


def command_fails(held: Held, receiver: Receiver) -> tuple[str, str]:
    hook = held.hook("fails", "echo first line\necho second line >&2\nexit 3")
    return hook, f"{hook} exited with code 3. Output: first line / second line."


def command_takes_too_long(held: Held, receiver: Receiver) -> tuple[str, str]:
    hook = held.hook("slow", "sleep 1000")
    return hook, f"{hook} did not end within 1 s and was killed."


def program_is_gone(held: Held, receiver: Receiver) -> tuple[str, str]:
    return "/nowhere/hold", "/nowhere/hold cannot be run: No such file or directory."


def url_answers_500(held: Held, receiver: Receiver) -> tuple[str, str]:
    receiver.status, receiver.body = 500, b"the site is busy"
    return receiver.url, "127.0.0.1 responded with HTTP 500. Output: the site is busy."


def url_redirects(held: Held, receiver: Receiver) -> tuple[str, str]:
    receiver.status, receiver.location = 307, "/elsewhere"
    return receiver.url, "127.0.0.1 responded with HTTP 307, and a hook does not follow redirects."


def url_takes_too_long(held: Held, receiver: Receiver) -> tuple[str, str]:
    receiver.stall.clear()
    return receiver.url, "127.0.0.1 did not respond within 1 s."


def url_is_closed(held: Held, receiver: Receiver) -> tuple[str, str]:
    return "http://127.0.0.1:1/", "the request to 127.0.0.1 failed: ConnectError"


FAILING = (
    command_fails,
    command_takes_too_long,
    program_is_gone,
    url_answers_500,
    url_redirects,
    url_takes_too_long,
    url_is_closed,
)


@pytest.mark.parametrize("prepare", FAILING, ids=lambda prepare: prepare.__name__)
async def test_a_failing_pre_hook_stops_the_restore(
    held: Held, receiver: Receiver, prepare: Callable[[Held, Receiver], tuple[str, str]]
) -> None:
    hook, reason = prepare(held, receiver)
    held.locking(held.app)
    held.variables |= {
        "RESTORE_PRE_HOOK": hook,
        "RESTORE_POST_HOOK": held.recording_hook(),
        "RESTORE_HOOK_TIMEOUT": "1",
    }
    before, backups = held.bench.checksums(), len(held.bench.store.manifests())
    with held.connect() as session:
        row = await held.run(held.restore())
        session.ping(reconnect=False)
    assert (row["state"], row["error_code"]) == ("failed", "restore_hook_failed")
    error = str(row["error"])
    assert error.startswith(f"RESTORE_PRE_HOOK failed: {reason}")
    assert "Nothing was changed." in error
    assert "canary-token" not in error
    assert held.bench.checksums() == before
    assert len(held.bench.store.manifests()) == backups, "no safety backup is created"
    assert held.calls == ["restore_ended rolled_back"]
    assert len(receiver.received) <= 1
    held.assert_released()


async def test_a_failing_pre_hook_stops_the_undo(held: Held) -> None:
    assert (await held.run(held.restore()))["state"] == "succeeded"
    live = held.bench.checksums()
    held.variables = {
        "RESTORE_PRE_HOOK": held.recording_hook("exit 1"),
        "RESTORE_POST_HOOK": held.recording_hook(),
    }
    row = await held.run(UndoRestore())
    assert (row["state"], row["error_code"]) == ("failed", "restore_hook_failed")
    assert held.calls == ["undo_starting ", "undo_ended rolled_back"]
    assert held.bench.checksums() == live
    held.variables = {}
    assert (await held.run(UndoRestore()))["state"] == "succeeded", "the undo is still possible"


async def test_a_timeout_ends_the_processes_that_a_hook_started(held: Held) -> None:
    child = held.directory / "child"
    held.variables = {
        "RESTORE_PRE_HOOK": held.hook("slow", f"sleep 1000 &\necho $! > {child}\nwait"),
        "RESTORE_HOOK_TIMEOUT": "1",
    }
    assert (await held.run(held.restore()))["error_code"] == "restore_hook_failed"
    pid = int(child.read_text())
    await asyncio.to_thread(eventually, "the child ends", lambda: not runs(pid), seconds=10)


async def test_a_process_that_a_hook_leaves_running_does_not_delay_it(held: Held) -> None:
    child = held.directory / "child"
    held.variables = {
        "RESTORE_PRE_HOOK": held.hook("daemon", f"sleep 1000 &\necho $! > {child}"),
        "RESTORE_HOOK_TIMEOUT": "30",
    }
    row = await held.run(held.restore())
    assert row["state"] == "succeeded", row["error"]
    pid = int(child.read_text())
    assert runs(pid)
    os.kill(pid, 9)


def runs(pid: int) -> bool:
    """Return whether a process runs; a zombie has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_the_post_hook_runs_after_a_restore_that_fails_later(held: Held) -> None:
    held.variables = {"RESTORE_POST_HOOK": held.recording_hook()}
    held.bench.tools = dataclasses.replace(
        held.bench.tools,
        clients=dataclasses.replace(held.bench.tools.clients, dump="/bin/false"),
    )
    row = await held.run(held.restore())
    assert (row["state"], row["error_code"]) == ("failed", "safety_backup_failed")
    assert held.calls == ["restore_ended rolled_back"]


async def test_a_failing_post_hook_is_a_warning(held: Held) -> None:
    hook = held.recording_hook("exit 4")
    held.variables = {"RESTORE_POST_HOOK": hook}
    row = await held.run(held.restore())
    assert row["state"] == "succeeded"
    assert json.loads(row["result"])["warnings"] == [
        f"RESTORE_POST_HOOK failed: {hook} exited with code 4."
    ]
    await held.recovery.recover()
    assert held.calls == ["restore_ended done"], "it ran, so it is not repeated"


async def test_the_last_lines_of_a_hook_are_in_the_log_of_the_job(
    held: Held, receiver: Receiver
) -> None:
    held.variables = {
        "RESTORE_PRE_HOOK": held.hook("pre", "seq -f 'line %.0f' 1 1000000"),
        "RESTORE_POST_HOOK": receiver.url,
    }
    job_id = await held.bench.submit(held.restore())
    await asyncio.to_thread(held.start_killed_worker, "0", "before")
    rows = held.site.server.execute(
        f"SELECT line FROM `{held.site.ops}`.job_log WHERE job_id = %s ORDER BY id", (job_id,)
    )
    lines = [line for (line,) in rows]
    output = [line for line in lines if line.startswith("hook_output")]
    assert output == [
        f"hook_output hook=RESTORE_PRE_HOOK line=line {n}" for n in range(999_951, 1_000_001)
    ]
    assert any(line.startswith("hook_succeeded hook=RESTORE_POST_HOOK") for line in lines)
    assert not [line for line in lines if "canary-token" in line]


@contextlib.asynccontextmanager
async def blocked_swap(held: Held, job: Job) -> AsyncIterator["asyncio.Task[dict[str, Any]]"]:
    """Start a job, and read a table until the end of the block, so that the swap waits for it."""
    with held.site.server.connect(held.site.app) as blocker, blocker.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT COUNT(*) FROM review")
        work = asyncio.create_task(held.run(job))
        while not held.site.waiting_for_a_table():
            assert not work.done(), (await work)["error"]
            await asyncio.sleep(0.02)
        yield work
        blocker.rollback()


async def test_locked_accounts_have_no_sessions_while_tables_are_swapped(held: Held) -> None:
    held.locking(held.app)
    held.variables["RESTORE_POST_HOOK"] = held.recording_hook()
    for job in (held.restore(), UndoRestore()):
        # Its transaction would block the swap.
        session = held.connect()
        with session.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM entity_category")
        async with blocked_swap(held, job) as work:
            with pytest.raises(pymysql.err.Error):
                session.ping(reconnect=False)
            assert held.is_locked("%")
            assert held.is_locked("localhost")
            with pytest.raises(pymysql.err.OperationalError) as refused:
                held.connect()
            assert refused.value.args[0] in ACCOUNT_IS_LOCKED
            assert len(json.loads(held.journal()["locked_accounts"])) == 2
        row = await work
        assert row["state"] == "succeeded", row["error"]
        held.assert_released()
        assert not held.is_locked("localhost")
    assert held.calls == ["restore_ended done", "undo_ended done"]


async def test_accounts_that_were_locked_before_stay_locked(held: Held) -> None:
    held.locking(f"{held.app}@%,{held.app}@localhost")
    held.lock("localhost")
    async with blocked_swap(held, held.restore()) as work:
        assert json.loads(held.journal()["locked_accounts"]) == [{"user": held.app, "host": "%"}]
        assert held.is_locked("%")
    assert (await work)["state"] == "succeeded"
    assert held.is_locked("localhost")
    held.assert_released()


async def test_the_session_of_an_account_that_is_not_named_continues(held: Held) -> None:
    server = held.site.server
    server.execute(f"CREATE USER '{held.app}'@'127.0.0.1' IDENTIFIED BY 'pw'")
    try:
        server.execute(f"GRANT ALL ON `{held.site.app}`.* TO '{held.app}'@'127.0.0.1'")
        held.locking(f"{held.app}@%")
        with held.connect() as session:
            row = await held.run(held.restore())
            assert row["state"] == "succeeded", row["error"]
            session.ping(reconnect=False)
    finally:
        server.execute(f"DROP USER '{held.app}'@'127.0.0.1'")


async def test_an_account_that_does_not_exist_is_skipped(held: Held) -> None:
    held.locking(f"nobody_{held.app},{held.app}@%")
    async with blocked_swap(held, held.restore()) as work:
        assert held.is_locked("%")
        assert not held.is_locked("localhost")
    assert (await work)["state"] == "succeeded"
    held.assert_released()


async def test_accounts_that_cannot_be_unlocked_are_unlocked_by_recovery(held: Held) -> None:
    held.locking(held.app)
    held.variables["RESTORE_POST_HOOK"] = held.recording_hook()
    async with blocked_swap(held, held.restore()) as work:
        held.site.server.execute("ALTER USER 'sysndd_lock'@'%' IDENTIFIED BY 'another'")
    row = await work
    assert row["state"] == "succeeded", row["error"]
    (warning,) = json.loads(row["result"])["warnings"]
    assert "The site is still held: RESTORE_LOCK_USER sysndd_lock cannot sign in" in warning
    await held.recovery.recover()
    assert held.is_locked()
    assert held.calls == [], "the post-hook waits until the site's program can sign in"
    held.site.server.execute(f"ALTER USER 'sysndd_lock'@'%' IDENTIFIED BY '{LOCK_PASSWORD}'")
    await held.recover()
    assert held.calls == ["restore_ended done"]
    held.assert_released()


KILL_POINTS = (
    ("ALTER USER", "before"),
    ("ALTER USER", "after"),
    ("KILL CONNECTION", "before"),
    ("RENAME TABLE", "before"),
    ("RENAME TABLE", "after"),
)


@pytest.mark.parametrize(("at", "when"), KILL_POINTS)
@pytest.mark.parametrize("kind", [RestoreBackup, UndoRestore])
async def test_recovery_releases_the_site_after_a_killed_worker(
    held: Held, kind: type[Job], at: str, when: str
) -> None:
    job: Job = held.restore()
    if kind is UndoRestore:
        assert (await held.run(job))["state"] == "succeeded"
        job = UndoRestore()
    await check_killed_worker(held, job, at, when)


async def test_recovery_releases_the_site_after_a_worker_killed_in_its_pre_hook(
    held: Held,
) -> None:
    held.variables["RESTORE_PRE_HOOK"] = held.recording_hook("kill -9 $PPID")
    await check_killed_worker(held, held.restore(), "0", "before")
    assert held.calls[0] == "restore_starting "


async def check_killed_worker(held: Held, job: Job, at: str, when: str) -> None:
    held.locking(held.app)
    held.lock("localhost")
    held.variables["RESTORE_POST_HOOK"] = held.recording_hook()
    before = held.bench.checksums()
    # The killed worker ends this session, so that there is one to end.
    session = held.connect()
    job_id = await held.bench.submit(job)
    await asyncio.to_thread(held.start_killed_worker, at, when)
    session.close()
    row = held.journal()
    assert row["finished_at"] is None, "the worker was killed during the job"
    assert row["post_hook_due"] == 1
    assert not [call for call in held.calls if "ended" in call]
    if at != "0":
        assert json.loads(row["locked_accounts"]) == [{"user": held.app, "host": "%"}]
        assert held.is_locked() is ((at, when) != ("ALTER USER", "before"))
    await held.recover()
    moved = (at, when) == ("RENAME TABLE", "after")
    assert (held.bench.checksums() == before) is not moved
    name = "undo" if isinstance(job, UndoRestore) else "restore"
    assert held.calls[-1] == f"{name}_ended {'done' if moved else 'rolled_back'}"
    assert held.is_locked("localhost")
    held.assert_released()
    expected = "succeeded" if moved else "failed"
    assert (await stored_row(held.bench.rows, job_id))["state"] == expected


async def test_recovery_releases_the_site_after_a_killed_server(
    held: Held, private_database_server: DatabaseServer
) -> None:
    assert held.site.server is private_database_server, "the test did not start this server"
    assert private_database_server.process is not None
    held.locking(held.app)
    held.variables["RESTORE_POST_HOOK"] = held.recording_hook()
    await held.bench.submit(held.restore())
    victim = private_database_server.process.pid
    worker = threading.Thread(
        target=held.start_killed_worker, args=("RENAME TABLE", "before", victim)
    )
    worker.start()
    while private_database_server.process.is_running():
        assert worker.is_alive()
        await asyncio.sleep(0.01)
    private_database_server.start()
    while worker.is_alive():  # noqa: ASYNC110 - a thread
        await asyncio.sleep(0.01)
    await held.recover()
    assert held.calls[-1].startswith("restore_ended ")
    held.assert_released()


async def test_accounts_of_the_platform_are_never_locked(held: Held) -> None:
    server, before = held.site.server, held.bench.checksums()
    for name in (held.site.database.user, "sysndd_api"):
        held.locking(name)
        row = await held.run(held.restore())
        assert (row["state"], row["error_code"]) == ("failed", "restore_failed")
        assert f"{name} is an account of the platform" in str(row["error"])
    pattern = held.site.ops.replace("_", "\\_")
    server.execute(f"GRANT SELECT ON `{pattern}`.* TO '{held.app}'@'%'")
    held.locking(held.app)
    row = await held.run(held.restore())
    assert f"has privileges on the platform schema {held.site.ops}" in str(row["error"])
    assert held.bench.checksums() == before
    assert not held.is_locked()


async def test_a_missing_privilege_is_reported_before_the_restore_starts(held: Held) -> None:
    held.locking(held.app)
    held.variables["RESTORE_PRE_HOOK"] = held.recording_hook()
    server = held.site.server
    table = "mysql.global_priv" if server.is_mariadb else "mysql.user"
    column = "Priv" if server.is_mariadb else "account_locked"
    for revoked in ("PROCESS ON *.*", f"SELECT (User, Host, {column}) ON {table}"):
        server.execute(f"REVOKE {revoked} FROM 'sysndd_lock'@'%'")
        row = await held.run(held.restore())
        assert (row["state"], row["error_code"]) == ("failed", "restore_failed")
        assert "GRANT CREATE USER, PROCESS, CONNECTION" in str(row["error"])
        assert "'sysndd_lock'@'%'" in str(row["error"])
    assert held.calls == []


async def test_mysql_requires_system_user_to_lock_an_account_that_has_it(held: Held) -> None:
    server, before = held.site.server, held.bench.checksums()
    server.execute(f"GRANT ALL PRIVILEGES ON *.* TO '{held.app}'@'%'")
    held.locking(held.app)
    held.variables["RESTORE_POST_HOOK"] = held.recording_hook()
    if not server.is_mariadb:
        row = await held.run(held.restore())
        assert (row["state"], row["error_code"]) == ("failed", "restore_failed")
        assert "GRANT SYSTEM_USER ON *.* TO 'sysndd_lock'@'%';" in str(row["error"])
        assert held.bench.checksums() == before
        assert not held.is_locked("localhost"), "what was locked before the error is unlocked"
        assert held.calls == ["restore_ended rolled_back"]
        held.assert_released()
        server.execute("GRANT SYSTEM_USER ON *.* TO 'sysndd_lock'@'%'")
    with held.connect() as session:
        row = await held.run(held.restore())
        assert row["state"] == "succeeded", row["error"]
        with pytest.raises(pymysql.err.Error):
            session.ping(reconnect=False)
    held.assert_released()


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"RESTORE_PRE_HOOK": "/nowhere/hold now"}, "the program /nowhere/hold does not exist"),
        ({"RESTORE_LOCK_ACCOUNTS": "app"}, "CREATE USER 'sysndd_lock'@'%' IDENTIFIED BY"),
        (
            {"RESTORE_LOCK_ACCOUNTS": "sysndd_api", "RESTORE_LOCK_USER": "lock"},
            "sysndd_api is an account of the platform",
        ),
    ],
)
def test_the_worker_does_not_start_with_invalid_settings(
    site: Site, variables: dict[str, str], reason: str
) -> None:
    paths = os.pathsep.join(str(REPOSITORY / package) for package in PACKAGES)
    done = subprocess.run(
        [sys.executable, "-m", "sysndd_backup"],
        env={**os.environ, **site.environ, **variables, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert reason in done.stderr
