"""Programs that a check runs."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from sysndd_preflight.catalog import Problem
from sysndd_preflight.runner import last_lines

LOOPBACK = "127.0.0.1"
# The only variables that are inherited; the others could be settings of another deployment.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "DOCKER_HOST", "DOCKER_CONFIG")


def find(name: str) -> str | None:
    """Return the path of a program: next to this Python, else on the PATH."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin"]
    return shutil.which(name, path=os.pathsep.join(places))


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return a clean environment with the settings of a program."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    own = str(Path(sys.executable).parent)
    paths = [own, settings.get("PATH") or inherited.get("PATH", os.defpath), "/usr/sbin"]
    return {**inherited, **settings, "PATH": os.pathsep.join(paths)}


def free_port() -> int:
    """Return a port of the loopback address that no process listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


async def run(
    command: Sequence[str],
    settings: Mapping[str, str] | None = None,
    *,
    seconds: float = 60,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; stdout of the result includes stderr.

    Raises:
        Problem: it did not end within ``seconds``.
    """
    try:
        return await asyncio.to_thread(
            subprocess.run,
            list(command),
            env=environment(settings or {}),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        output = error.output if isinstance(error.output, bytes) else b""
        name = Path(command[0]).name
        raise Problem(f"{name} did not end within {seconds:g} s", log=last_lines(output)) from error


@contextlib.asynccontextmanager
async def running(
    command: Sequence[str], settings: Mapping[str, str]
) -> AsyncIterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run a program in the background; yield it and its log file, and stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="sysndd-preflight-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as stream:
            process = subprocess.Popen(  # noqa: ASYNC220 - starts at once
                list(command),
                env=environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        try:
            yield process, log
        finally:
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, 15)
            except subprocess.TimeoutExpired:
                process.kill()
                await asyncio.to_thread(process.wait)


async def wait_until(
    condition: Callable[[], bool],
    process: subprocess.Popen[bytes],
    log: Path,
    *,
    what: str,
    seconds: float,
) -> None:
    """Wait for a condition that a running program is to fulfil.

    Args:
        condition: polled until it is true.
        process: the program.
        log: its log file.
        what: what failed if the condition does not become true, for the message.
        seconds: time limit.

    Raises:
        Problem: the program ended, or the time is over; with its last log lines.
    """
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        if process.poll() is not None:
            raise Problem(
                f"{what}: it ended with exit code {process.returncode}", log=last_lines(log)
            )
        if time.monotonic() > deadline:
            raise Problem(f"{what}: timed out after {seconds:g} s", log=last_lines(log))
        await asyncio.sleep(0.1)


def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Return whether a process listens on the port."""
    try:
        with socket.create_connection((host, port), 1):
            return True
    except OSError:
        return False
