"""Server processes that end with the test session, even if it is killed."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

START_TIMEOUT = 60  # seconds; a CI machine may have a slow disk
STOP_TIMEOUT = 30
PR_SET_PDEATHSIG = 1  # prctl(2)


class RealProcess:
    """A server process of this test session.

    Arguments:
        name: name in messages and of the log file.
        command: program and arguments; it runs in the foreground.
        directory: folder for its output, ``<name>.log``.
        is_ready: returns whether the server responds.
        environ: environment of the server; None for that of this process.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        directory: Path,
        is_ready: Callable[[], bool],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._command = command
        self._is_ready = is_ready
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    def is_running(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and wait until it responds; do nothing if it is running.

        Call it from the main thread: the kernel kills the server with the thread that started it
        (prctl(2), PR_SET_PDEATHSIG), and threads of asyncio.to_thread end with the test's loop.
        """
        if self.is_running():
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environ,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call, no lock taken
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not self._is_ready():
            if not self.is_running() or time.monotonic() > deadline:
                text = self.log.read_text(encoding="utf-8", errors="replace")
                pytest.fail(f"{self.name} did not start:\n{text[-4000:]}", pytrace=False)
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def stop(self) -> None:
        """Stop the server gracefully and wait for it."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server, as a power failure would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if self.is_running():
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None


def _end_with_parent() -> None:
    """Run in the child before its program, so that it ends with the test session (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
