"""``make lane`` and ``make ci``: run one lane, or the lanes of CI in parallel.

    python -m tests.lanes                      list the lanes
    python -m tests.lanes NAME [ARGUMENT …]    run one; arguments go to its command
    python -m tests.lanes ci                   run the phases of CI

The last line of a lane reports its result and duration.
"""

import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tests.lanes.catalog import CI, LANES, Lane, Step

_TEST = Lane("test", "`make test`", (Step(("make", "test"), takes_arguments=False),))
_BY_NAME = {lane.name: lane for lane in (*LANES, _TEST)}


def main(arguments: list[str]) -> int:
    """Run a lane, the lanes of CI, or list the lanes.

    Args:
        arguments: Command-line arguments.

    Returns:
        0 if all steps passed, 1 if one failed, 2 for an unknown lane.
    """
    if not arguments:
        width = max(len(lane.name) for lane in LANES)
        print("\n".join(f"  make lane LANE={lane.name:<{width}}  {lane.about}" for lane in LANES))
        return 0
    name, *more = arguments
    if name == "ci":
        return _run_phases()
    if name not in _BY_NAME:
        print(f"Unknown lane: {name}. Run `make lane` to list the lanes.", file=sys.stderr)
        return 2
    return 0 if _run(_BY_NAME[name], more, None) else 1


def _run_phases() -> int:
    """Run the phases of CI; print the complete output of each lane when it ends."""
    failed: list[str] = []
    printing = threading.Lock()
    _mailpit()  # built once, before two lanes need it

    def run_row(names: Sequence[str]) -> None:
        for name in names:
            with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
                passed = _run(_BY_NAME[name], [], output)
                output.seek(0)
                with printing:
                    print(f"=== {name}")
                    print(output.read(), flush=True)
                if not passed:
                    failed.append(name)

    for phase in CI:
        rows = [threading.Thread(target=run_row, args=(names,)) for names in phase]
        for row in rows:
            row.start()
        for row in rows:
            row.join()
    print(f"ci: {'FAILED: ' + ', '.join(failed) if failed else 'all lanes passed'}", flush=True)
    return 1 if failed else 0


def _run(lane: Lane, arguments: Sequence[str], output: IO[str] | None) -> bool:
    """Run the steps of a lane; return whether all of them passed."""
    started = time.monotonic()
    passed = all(_passes(step, lane, arguments, output) for step in lane.steps)
    line = f"{lane.name}: {'passed' if passed else 'FAILED'} in {time.monotonic() - started:.0f} s"
    print(line, file=output, flush=True)
    return passed


def _passes(step: Step, lane: Lane, arguments: Sequence[str], output: IO[str] | None) -> bool:
    values = {
        "{python}": [sys.executable],
        "{workers}": [os.environ.get("TEST_WORKERS") or "3"],
        "{servers}": shlex.split(os.environ.get("SERVERS", "")),
        "{mailpit}": [_mailpit()] if lane.needs_mailpit else [],
    }
    command = [part for word in step.command for part in values.get(word, [word])]
    if step.takes_arguments:
        command += arguments
    environ = {name: "".join(values.get(value, [value])) for name, value in step.environ.items()}
    done = subprocess.run(
        command,
        env=environ | dict(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        check=False,
    )
    return done.returncode == 0


def _mailpit() -> str:
    """Return the path of Mailpit, which the first call builds."""
    script = Path("deploy/local/mailpit.sh")
    built = subprocess.run(["bash", script], stdout=subprocess.PIPE, text=True, check=True)
    return built.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
