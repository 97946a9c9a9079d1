"""supervisord: its configuration, start and control.

It keeps the programs running, rotates their logs and is controlled over a unix socket
(http://supervisord.org/api.html).
"""

import getpass
import http.client
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import Faults, SupervisorTransport

from sysndd_local import launch
from sysndd_local.errors import LocalRunError, NotReady
from sysndd_local.launch import program_environment
from sysndd_local.run_folder import RunFolder, read_json, write_private

LOG_BYTES = "10MB"
LOG_FILES = 3
# The delay between attempts grows by a second each time, so this number spans days: supervisord
# must not give up during an outage of the database.
START_RETRIES = 1000
CONTROL_USER = "make"


@dataclass(frozen=True)
class Program:
    """One supervised program.

    Args:
        name: as in ``make status``.
        command: path of the program and its arguments; the program stays in the foreground.
        environment: its settings.
        stop_seconds: time to end after SIGTERM before it is killed.
    """

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    stop_seconds: int = 10


@dataclass(frozen=True)
class ProcessState:
    """The state of one program.

    Args:
        name: the program.
        state: RUNNING, STARTING, BACKOFF (it keeps crashing), STOPPED, STOPPING, EXITED or FATAL.
        pid: its process id; 0 when it does not run.
        uptime: seconds since its start.
        restarts: number of automatic restarts since `up` started it.
        log: its log file.
    """

    name: str
    state: str
    pid: int
    uptime: float
    restarts: int
    log: Path


class Supervisor:
    """The supervisord of one run folder.

    Args:
        folder: the run folder.
        sockets: folder of its control socket.
    """

    def __init__(self, folder: RunFolder, sockets: Path) -> None:
        self._folder = folder
        self._socket = sockets / "supervisor.sock"
        self._directory = folder.root / "supervisor"

    def configure(self, programs: list[Program], repository: Path) -> None:
        """Write the configuration of supervisord and of each program.

        Args:
            programs: in the order in which they are started.
            repository: working directory of the programs.
        """
        self._directory.mkdir(mode=0o700, exist_ok=True)
        for program in programs:
            document = {
                "command": program.command,
                "environment": program_environment(program.environment),
                "directory": str(repository),
                "stop_seconds": program.stop_seconds,
            }
            write_private(self._program_file(program.name), json.dumps(document, indent=2))
        sections = [self._main_section(), *(self._program_section(p) for p in programs)]
        write_private(self._directory / "supervisord.conf", "\n".join(sections))

    def is_alive(self) -> bool:
        """Return whether this folder's supervisord answers."""
        if not self._socket.exists():
            return False
        try:
            self._call("getState")
        except LocalRunError:
            return False
        return True

    def launch(self) -> None:
        """Start supervisord in the background; it starts no program yet.

        Raises:
            LocalRunError: it does not start.
        """
        self._socket.unlink(missing_ok=True)
        started = subprocess.run(
            [
                *(sys.executable, "-m", "supervisor.supervisord"),
                *("-c", str(self._directory / "supervisord.conf")),
            ],
            cwd=self._folder.root,
            capture_output=True,
            text=True,
            check=False,
        )
        if started.returncode != 0:
            raise LocalRunError(f"supervisord did not start:\n{started.stdout}{started.stderr}")
        wait_until(self.is_alive, timeout=15, what="supervisord")

    def processes(self) -> list[ProcessState]:
        """Return every program, in the order in which they are started.

        Raises:
            LocalRunError: supervisord does not answer.
        """
        known = {info["name"]: info for info in self._call("getAllProcessInfo")}
        order = [name for name in self._folder.read_state().get("programs", []) if name in known]
        return [self._state_of(known[name]) for name in [*order, *sorted(set(known) - set(order))]]

    def start(self, name: str) -> None:
        """Start a program without waiting; no effect when it runs."""
        self._record_file(name).unlink(missing_ok=True)
        self._call_ignoring("startProcess", name, False, ignore=Faults.ALREADY_STARTED)

    def stop(self, name: str) -> None:
        """Stop a program and wait for its end; no effect when it does not run."""
        self._call_ignoring("stopProcess", name, True, ignore=Faults.NOT_RUNNING)
        launch.end_orphaned_group(read_json(self._record_file(name)))

    def shut_down(self) -> None:
        """Shut supervisord down and wait for its end."""
        pid_file = self._directory / "supervisord.pid"
        self._call("shutdown")
        wait_until(
            lambda: not pid_file.exists() and not self._socket.exists(),
            timeout=60,
            what="supervisord to end",
        )

    def end_orphans(self) -> list[str]:
        """End programs whose supervisord was killed, and return their names.

        A program is identified by process id, start time and boot, so that an unrelated process
        with the same id is not touched.
        """
        ended = []
        for record_file in sorted(self._folder.programs.glob("*.started")):
            record = read_json(record_file)
            if launch.is_alive(record):
                ended.append(record_file.stem)
                _end(record)
            launch.end_orphaned_group(record)
        return ended

    def _state_of(self, info: dict[str, Any]) -> ProcessState:
        runs = info["statename"] in {"RUNNING", "STARTING", "STOPPING"}
        record = read_json(self._record_file(info["name"]))
        return ProcessState(
            name=info["name"],
            state=info["statename"],
            pid=info["pid"],
            uptime=max(0, info["now"] - info["start"]) if runs else 0,
            restarts=max(0, record.get("starts", 0) - 1),
            log=self._log_file(info["name"]),
        )

    def _call(self, method: str, *arguments: Any) -> Any:
        password = self._folder.password("supervisor")
        transport = SupervisorTransport(CONTROL_USER, password, f"unix://{self._socket}")
        try:
            server = ServerProxy("http://127.0.0.1", transport=transport)
            return getattr(server.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException) as error:
            raise LocalRunError(f"supervisord does not answer: {error}") from error
        finally:
            transport.close()

    def _call_ignoring(self, method: str, *arguments: Any, ignore: int) -> None:
        try:
            self._call(method, *arguments)
        except Fault as fault:
            if fault.faultCode != ignore:
                call = f"{method} {arguments}"
                raise LocalRunError(f"supervisord: {call}: {fault.faultString}") from fault

    def _program_file(self, name: str) -> Path:
        return self._folder.programs / f"{name}.json"

    def _record_file(self, name: str) -> Path:
        return self._folder.programs / f"{name}.started"

    def _log_file(self, name: str) -> Path:
        return self._folder.logs / f"{name}.log"

    def _relative(self, path: Path) -> str:
        """Return a path for the configuration, relative to the run folder.

        supervisord runs there. It expands ``%`` in paths, once in some and twice in others, so the
        name of the run folder, which may contain one, must not appear.
        """
        root = self._folder.root
        return str(path.relative_to(root) if path.is_relative_to(root) else path)

    def _main_section(self) -> str:
        return f"""\
; Written by sysndd_local at every start; changes are overwritten.
[unix_http_server]
file={self._relative(self._socket)}
chmod=0700
; The file mode restricts access; the password only prevents a warning in supervisord's log.
username={CONTROL_USER}
password={self._folder.password("supervisor")}

[supervisord]
; Without a user, supervisord warns when it runs as root.
user={getpass.getuser()}
umask=077
pidfile={self._relative(self._directory / "supervisord.pid")}
logfile={self._relative(self._folder.logs / "supervisord.log")}
logfile_maxbytes={LOG_BYTES}
logfile_backups={LOG_FILES}
childlogdir={self._relative(self._folder.logs)}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

    def _program_section(self, program: Program) -> str:
        program_file = self._relative(self._program_file(program.name))
        launcher = [sys.executable, "-P", launch.__file__, program_file]
        # `up` starts the programs in order; supervisord restarts them from then on.
        return f"""\
[program:{program.name}]
command={shlex.join(launcher).replace("%", "%%")}
autostart=false
autorestart=true
startsecs=2
startretries={START_RETRIES}
stopsignal=TERM
stopwaitsecs={program.stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile={self._relative(self._log_file(program.name))}
stdout_logfile_maxbytes={LOG_BYTES}
stdout_logfile_backups={LOG_FILES}
"""


def wait_until(
    is_true: Callable[[], bool],
    *,
    timeout: float,
    what: str,
    find_failure: Callable[[], str | None] = lambda: None,
) -> None:
    """Poll a condition until it is true.

    Args:
        is_true: the condition.
        timeout: seconds.
        what: name of the condition, for the message.
        find_failure: returns a message when waiting longer is pointless.

    Raises:
        NotReady: the condition did not become true in time, or ``find_failure`` returned a message.
    """
    deadline = time.monotonic() + timeout
    while not is_true():
        if reason := find_failure():
            raise NotReady(reason)
        if time.monotonic() > deadline:
            raise NotReady(f"timed out after {timeout:.0f} s waiting for {what}")
        time.sleep(0.05)


def last_lines(path: Path, count: int) -> list[str]:
    """Return at most the last ``count`` lines of a log; none when it does not exist."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - 256 * count - 4096))
            return stream.read().decode("utf-8", "replace").splitlines()[-count:]
    except OSError:
        return []


def _end(record: dict[str, Any], *, timeout: float = 60) -> None:
    pid = record["pid"]
    for number, seconds in ((signal.SIGTERM, timeout), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + seconds
        while launch.is_alive(record) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not launch.is_alive(record):
            return
