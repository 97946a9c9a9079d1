"""Runs a command, such as the tests, once for each server of ``recipes.py``.

    python -m tests.servers [NAME …] -- COMMAND [ARGUMENT …]

The command finds the server's programs first on its PATH, and ``TEST_DATABASE_SERVER`` and
``TEST_DATABASE_SERIES`` tell the tests what to start and to expect (tests/support/servers.py).
Exit code 0 when it succeeded with every one of them.
"""

import argparse
import ctypes
import os
import signal
import subprocess
import sys
import time
from types import FrameType

from tests.servers.recipes import RECIPES, Recipe
from tests.servers.unpacking import NotUnpacked, unpacked

PR_SET_PDEATHSIG = 1  # prctl(2)


class Terminated(KeyboardInterrupt):
    """This process got SIGTERM."""


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
    cut = arguments.index("--")
    names, command = parser.parse_args(arguments[:cut]).names, arguments[cut + 1 :]
    unknown = [name for name in names if name not in _names()]
    if unknown or not command:
        parser.error(f"no server is named {unknown[0]}" if unknown else "the command is empty")
    signal.signal(signal.SIGTERM, _terminate)
    results = []
    try:
        for recipe in RECIPES:
            if not names or recipe.name in names:
                results.append(_run_with(recipe, command))
    except KeyboardInterrupt:
        return 130
    print("\n".join(line for line, _ in results))
    return max(code for _, code in results)


def _names() -> list[str]:
    return [recipe.name for recipe in RECIPES]


def _run_with(recipe: Recipe, command: list[str]) -> tuple[str, int]:
    """Unpack a server and run the command with it; return a line for the summary and the code."""
    begun = time.monotonic()
    print(f"=== {recipe.name}", flush=True)
    try:
        folder = unpacked(recipe)
    except NotUnpacked as failure:
        print(failure, file=sys.stderr)
        return f"{recipe.name}: not tested, see above", 1
    ready = time.monotonic()
    path = os.pathsep.join([str(folder / "bin"), str(folder / "sbin"), os.environ["PATH"]])
    environ = {
        **{name: value for name, value in os.environ.items() if name != "TEST_DATABASE_URL"},
        "PATH": path,
        "TEST_DATABASE_SERVER": recipe.flavour,
        "TEST_DATABASE_SERIES": recipe.series,
    }
    code = _wait_for(command, environ)
    line = (
        f"{recipe.name}: {'passed' if code == 0 else f'FAILED (exit code {code})'},"
        f" {ready - begun:.0f} s to have it, {time.monotonic() - ready:.0f} s to run"
    )
    return line, min(abs(code), 1)


def _wait_for(command: list[str], environ: dict[str, str]) -> int:
    with subprocess.Popen(
        command,
        env=environ,
        preexec_fn=_interrupted_with_parent,  # noqa: PLW1509 - one system call, no lock taken
    ) as process:
        try:
            return process.wait()
        except Terminated:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
        except KeyboardInterrupt:
            # The terminal interrupted both of us; a second time, and pytest would not clean up.
            process.wait()
            raise


def _interrupted_with_parent() -> None:
    """Runs in the child before its program: should we be killed, it ends as after Ctrl-C."""
    # A shell starts background jobs with this signal ignored, and so would pytest be.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
