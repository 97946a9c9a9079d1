"""Runs a command, such as the tests, with each server of ``recipes.py``.

    python -m tests.servers [NAME …] -- COMMAND [ARGUMENT …]

The command finds the server's programs first on its PATH, and ``TEST_DATABASE_SERVER`` and
``TEST_DATABASE_SERIES`` name the server to start and to expect (tests/support/servers.py).
Several servers run concurrently, because most tests mostly wait. The output of each is shown when
it ends; until then, you can follow it in the file that is named. The exit code is 0 if the command
succeeded with every server.
"""

import argparse
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from tests.servers.recipes import RECIPES, Recipe
from tests.servers.unpacking import NotUnpacked, unpacked

PR_SET_PDEATHSIG = 1  # prctl(2)


class Terminated(KeyboardInterrupt):
    """This process received SIGTERM."""


def main(arguments: list[str]) -> int:
    """Run the command line.

    Arguments:
        arguments: without the program's name.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    parser.add_argument("names", nargs="*", help="which servers: " + ", ".join(_names()))
    if "--" not in arguments:
        parser.error("the command is missing: … -- COMMAND")
    separator = arguments.index("--")
    names, command = parser.parse_args(arguments[:separator]).names, arguments[separator + 1 :]
    unknown = [name for name in names if name not in _names()]
    if unknown or not command:
        parser.error(f"no server is named {unknown[0]}" if unknown else "the command is empty")
    signal.signal(signal.SIGTERM, _terminate)
    chosen = [recipe for recipe in RECIPES if not names or recipe.name in names]
    with tempfile.TemporaryDirectory(prefix="sysndd-servers-") as scratch:
        runs = [Run(recipe, Path(scratch) if len(chosen) > 1 else None) for recipe in chosen]
        try:
            for run in runs:
                run.start(command)
            results = [run.finish() for run in runs]
        except KeyboardInterrupt as reason:
            for run in runs:
                run.interrupt(send_signal=isinstance(reason, Terminated))
            return 130
    print("\n".join(line for line, _ in results))
    return max(code for _, code in results)


def _names() -> list[str]:
    return [recipe.name for recipe in RECIPES]


class Run:
    """The command with one server.

    Args:
        recipe: the server.
        scratch: folder for what the command prints; None to let it print.
    """

    def __init__(self, recipe: Recipe, scratch: Path | None) -> None:
        self._recipe = recipe
        self._output = scratch / f"{recipe.name}.log" if scratch is not None else None
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = self._ready = time.monotonic()

    def start(self, command: list[str]) -> None:
        """Unpack the server and start the command; report a server that cannot be unpacked."""
        self._begun = time.monotonic()
        try:
            folder = unpacked(self._recipe)
        except NotUnpacked as failure:
            print(failure, file=sys.stderr)
            return
        self._ready = time.monotonic()
        print(
            f"=== {self._recipe.name}" + (f" ({self._output})" if self._output else ""), flush=True
        )
        path = os.pathsep.join([str(folder / "bin"), str(folder / "sbin"), os.environ["PATH"]])
        environ = {
            **{name: value for name, value in os.environ.items() if name != "TEST_DATABASE_URL"},
            "PATH": path,
            "TEST_DATABASE_SERVER": self._recipe.flavour,
            "TEST_DATABASE_SERIES": self._recipe.series,
        }
        with contextlib.ExitStack() as opened:
            out = opened.enter_context(self._output.open("wb")) if self._output else None
            self._process = subprocess.Popen(
                command,
                env=environ,
                stdout=out,
                stderr=out and subprocess.STDOUT,
                preexec_fn=_interrupted_with_parent,  # noqa: PLW1509 - one system call, no lock taken
            )

    def finish(self) -> tuple[str, int]:
        """Wait for the command; return a line for the summary and the code."""
        name = self._recipe.name
        if self._process is None:
            return f"{name}: not tested, see above", 1
        code = self._process.wait()
        self._show()
        line = (
            f"{name}: {'passed' if code == 0 else f'FAILED (exit code {code})'},"
            f" {self._ready - self._begun:.0f} s to have it,"
            f" {time.monotonic() - self._ready:.0f} s to run"
        )
        return line, min(abs(code), 1)

    def interrupt(self, *, send_signal: bool) -> None:
        """Wait until the command has cleaned up.

        Args:
            send_signal: whether to send SIGINT. Ctrl-C reaches the command from the terminal as
                well, and pytest would not clean up after a second one.
        """
        if self._process is None:
            return
        if send_signal:
            self._process.send_signal(signal.SIGINT)
        self._process.wait()
        self._show()

    def _show(self) -> None:
        if self._output is not None and self._output.exists():
            print(f"=== {self._recipe.name}")
            print(self._output.read_text(encoding="utf-8", errors="replace"), flush=True)


def _interrupted_with_parent() -> None:
    """Run in the child before its program: if this process is killed, it ends as after Ctrl-C."""
    # A shell starts background jobs with this signal ignored, and pytest would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
