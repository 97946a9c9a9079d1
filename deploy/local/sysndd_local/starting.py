"""``up``: bring the system to ready, from scratch, from a partial start or after a crash."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import RedisError

from sysndd_local import accounts, mariadb, ports, redis, reporting
from sysndd_local.errors import LocalRunError, NotReady
from sysndd_local.launch import program_environment
from sysndd_local.plan import ADMINISTRATOR, Plan, choose_ports, make_plan, script
from sysndd_local.run_folder import Json, RunFolder, read_json, write_private
from sysndd_local.settings import DEFAULT_PORTS, LocalSettings
from sysndd_local.supervision import Supervisor, last_lines, wait_until

SERVER_TIMEOUT = 120  # seconds; a database that was killed recovers first
LOG_LINES = 15


def up(settings: LocalSettings) -> None:
    """Start every process that does not run, wait until the system is ready, and print it.

    Args:
        settings: the settings of the run.

    Raises:
        LocalRunError: something does not start; running processes are left running.
    """
    folder = RunFolder(settings.run_dir)
    with folder.locked():
        state = folder.read_state()
        sockets = folder.sockets(state)
        # Written before anything can fail, so that `down` finds the folder of the sockets.
        folder.write_state(state)
        supervisor = Supervisor(folder, sockets)
        running = supervisor.is_alive()
        if running and _is_ready(supervisor, state):
            _print_ignored_ports(settings, state)
            reporting.print_system(read_json(folder.system_file), folder, supervisor.processes())
            return
        print(f"Starting SysNDD in {folder.root}", flush=True)
        for name in [] if running else supervisor.end_orphans():
            print(f"  {name} was still running without its supervisor; stopped it")
        chosen = choose_ports(settings, state.get("ports", {}), running=running)
        plan = make_plan(settings, folder, sockets, chosen)
        _Start(settings, folder, supervisor, plan, state).run(supervisor_runs=running)


class _Start:
    """The steps of a start; each one may find its work already done."""

    def __init__(
        self,
        settings: LocalSettings,
        folder: RunFolder,
        supervisor: Supervisor,
        plan: Plan,
        state: Json,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._supervisor = supervisor
        self._plan = plan
        self._state = state

    def run(self, *, supervisor_runs: bool) -> None:
        programs = [*self._plan.servers, *self._plan.services]
        self._state["ports"] = self._plan.ports
        self._state["programs"] = [program.name for program in programs]
        self._folder.write_state(self._state)
        self._write_configurations()
        self._supervisor.configure(programs, self._settings.repository)
        if not supervisor_runs:
            self._supervisor.launch()
        self._check_programs(expected=self._state["programs"])
        for program in self._plan.servers:
            self._supervisor.start(program.name)
        self._wait_for_servers()
        with _step("accounts"):
            self._create_accounts()
        with _step("migrations"):
            self._migrate()
        for program in self._plan.services:
            self._supervisor.start(program.name)
        with _step("operator"):
            self._create_operator()
        with _step("ready"):
            self._wait_until_ready()
        processes = self._supervisor.processes()
        document = reporting.describe_system(self._plan, self._folder, processes)
        write_private(self._folder.system_file, json.dumps(document, indent=2) + "\n")
        print()
        reporting.print_system(document, self._folder, processes)

    def _write_configurations(self) -> None:
        if self._plan.database is not None:
            mariadb.prepare(self._plan.database)
        if self._plan.redis is not None:
            redis.prepare(self._plan.redis)
        (self._folder.root / "mail").mkdir(mode=0o700, exist_ok=True)

    def _check_programs(self, *, expected: list[str]) -> None:
        known = {process.name for process in self._supervisor.processes()}
        if known != set(expected):
            raise LocalRunError(
                "the system that runs in this folder uses other servers, because DB_HOST, "
                "REDIS_URL or SMTP_HOST has changed.\n"
                "    Run `make down`, then `make up` again."
            )

    def _wait_for_servers(self) -> None:
        plan = self._plan
        database, redis_server = plan.database, plan.redis
        if database is not None:
            self._wait_for("mariadb", lambda: mariadb.answers(database))
        if redis_server is not None:
            self._wait_for("redis", lambda: redis_answers(redis_server.url))
        else:
            with _step("redis (REDIS_URL)"):
                _check_redis(plan.redis_url)
        if plan.catcher is not None:
            mail_ports = (plan.ports["SMTP_PORT"], plan.ports["MAIL_HTTP_PORT"])
            self._wait_for("mail-catcher", lambda: all(map(ports.accepts, mail_ports)))

    def _wait_for(self, name: str, answers: Callable[[], bool]) -> None:
        with _step(name):
            try:
                wait_until(
                    answers,
                    timeout=SERVER_TIMEOUT,
                    what=name,
                    find_failure=lambda: self._find_crash(name),
                )
            except NotReady as error:
                raise NotReady(self._with_log(str(error), name)) from error

    def _create_accounts(self) -> None:
        plan = self._plan
        if plan.database is None:
            accounts.check_access(plan.access, plan.access.operator)
            return
        template = self._settings.repository / "deploy" / "accounts" / "accounts.sql"
        with mariadb.connect_as_root(plan.database) as root:
            accounts.create_accounts(root, template, plan.access)

    def _migrate(self) -> None:
        log = self._folder.logs / "migrator.log"
        # For the preflight, which checks every account, not only those of running programs.
        program = {"environment": self._plan.migrator_environment}
        write_private(self._folder.programs / "migrator.json", json.dumps(program, indent=2))
        with log.open("ab") as stream:
            done = subprocess.run(
                [script("sysndd-migrator"), "up"],
                cwd=self._settings.repository,
                env=program_environment(self._plan.migrator_environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            raise NotReady(
                self._with_log(f"the migrator failed with exit code {done.returncode}", "migrator")
            )

    def _create_operator(self) -> None:
        api = next(program for program in self._plan.services if program.name == "api")
        command = [
            script("sysndd-admin"),
            *("operator", "create"),
            *("--user-name", ADMINISTRATOR),
            *("--email", f"{ADMINISTRATOR}@localhost.localdomain"),
            "--password-stdin",
        ]
        done = subprocess.run(
            command,
            cwd=self._settings.repository,
            env=program_environment(api.environment),
            input=self._folder.password("administrator") + "\n",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise NotReady(f"the first operator was not created:\n{done.stdout}{done.stderr}")

    def _wait_until_ready(self) -> None:
        port = self._plan.ports["HTTP_PORT"]
        reason: str | None = None

        def ready() -> bool:
            nonlocal reason
            reason = reporting.find_unready_reason(port)
            if reason is None and any(p.state != "RUNNING" for p in self._supervisor.processes()):
                reason = "a process has been running for less than two seconds"
            return reason is None

        try:
            wait_until(
                ready,
                timeout=self._settings.start_timeout,
                what="the system to become ready",
                find_failure=self._find_any_crash,
            )
        except NotReady as error:
            failed = [p.name for p in self._supervisor.processes() if p.state != "RUNNING"]
            raise NotReady(
                self._with_log(f"{error}\n    {reason}", *(failed or ["api"]))
            ) from error

    def _find_any_crash(self) -> str | None:
        found = (self._find_crash(process.name) for process in self._supervisor.processes())
        return next((reason for reason in found if reason), None)

    def _find_crash(self, name: str) -> str | None:
        """Return a message when a program crashed three times in a row or was given up."""
        process = next(p for p in self._supervisor.processes() if p.name == name)
        if process.state == "FATAL" or (process.state == "BACKOFF" and process.restarts >= 2):
            return f"{name} keeps crashing"
        return None

    def _with_log(self, message: str, *names: str) -> str:
        pieces = [message]
        for name in names:
            log = self._folder.logs / f"{name}.log"
            lines = last_lines(log, LOG_LINES) or ["(empty)"]
            pieces.append(f"\nlast lines of {log}:\n" + "\n".join(f"    {line}" for line in lines))
        pieces.append(
            "\nProcesses that started are still running. "
            "Inspect them with `make status` and `make logs`; stop them with `make down`."
        )
        return "\n".join(pieces)


def redis_answers(url: str) -> bool:
    """Return whether a Redis server answers."""
    try:
        _ping(url)
    except RedisError:
        return False
    return True


def _check_redis(url: str) -> None:
    try:
        _ping(url)
    except (RedisError, ValueError) as error:
        raise LocalRunError(f"the Redis server of REDIS_URL does not answer: {error}") from error


def _ping(url: str) -> None:
    with Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3) as client:
        client.ping()


def _is_ready(supervisor: Supervisor, state: Json) -> bool:
    port = state.get("ports", {}).get("HTTP_PORT")
    return (
        bool(port)
        and all(process.state == "RUNNING" for process in supervisor.processes())
        and reporting.find_unready_reason(port) is None
    )


def _print_ignored_ports(settings: LocalSettings, state: Json) -> None:
    """Print the ports that were requested of a running system, which keeps its own."""
    for setting, requested in settings.ports.items():
        current = state["ports"].get(setting)
        if requested and current and requested not in {current, DEFAULT_PORTS.get(setting)}:
            print(
                f"{setting}={requested} is not applied: the running system uses {current}. "
                "To change it, run `make down` first.\n"
            )


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Print a line for a step: its name at the start, its duration at the end."""
    started = time.monotonic()
    print(f"  {name:<16}", end="", flush=True)
    try:
        yield
    except BaseException:
        print("failed", flush=True)
        sys.stdout.flush()
        raise
    print(f"ok  {time.monotonic() - started:5.1f} s", flush=True)
