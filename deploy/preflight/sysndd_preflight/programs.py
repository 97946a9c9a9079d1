"""Programs that a check runs, and how they are asked whether they are ready."""

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
from sysndd_preflight.runner import tail

LOOPBACK = "127.0.0.1"
# What belongs to the shell that started us and not to the deployment.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "DOCKER_HOST", "DOCKER_CONFIG")


def find(name: str) -> str | None:
    """Return a program's path: beside this Python, else on the PATH."""
    beside = str(Path(sys.executable).parent)
    places = [beside, os.environ.get("PATH", os.defpath), "/usr/sbin"]
    return shutil.which(name, path=os.pathsep.join(places))


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return a clean environment with a program's settings in it."""
    inherited = {name: os.environ[name] for name in _KEPT if name in os.environ}
    beside = str(Path(sys.executable).parent)
    paths = [beside, settings.get("PATH") or inherited.get("PATH", os.defpath), "/usr/sbin"]
    return {**inherited, **settings, "PATH": os.pathsep.join(paths)}


def free_port() -> int:
    """Return a port of the loopback address that nobody uses right now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


async def run(
    command: Sequence[str], settings: Mapping[str, str] | None = None, *, seconds: float = 60,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run a program to its end; its output and stderr come together.

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
        raise Problem(f"{name} did not end within {seconds:g} s", log=tail(output)) from error


@contextlib.asynccontextmanager
async def running(
    command: Sequence[str], settings: Mapping[str, str]
) -> AsyncIterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run a program beside us; yield it and its log. It is ended at the end."""
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
    is_true: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, *, what: str,
    seconds: float,
) -> None:  # fmt: skip
    """Wait for something that a program of ours is to do.

    Raises:
        Problem: it ended, or did not do it in time; with its last log lines.
    """
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(is_true):
        if process.poll() is not None:
            raise Problem(f"{what}: it ended with exit code {process.returncode}",
                          log=tail(log))  # fmt: skip
        if time.monotonic() > deadline:
            raise Problem(f"{what}: not within {seconds:g} s", log=tail(log))
        await asyncio.sleep(0.1)


def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether something listens there."""
    try:
        with socket.create_connection((host, port), 1):
            return True
    except OSError:
        return False
