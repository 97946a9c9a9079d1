"""Become one program: ``python launch.py <program>.json``, run by supervisord.

The file contains the command and the settings, so that passwords appear neither in the
configuration of supervisord nor in the process list. Before it becomes the program, it
- ends what a killed predecessor left behind: workers that still hold its port, a dump client;
- asks the kernel to end the program when supervisord dies, so that nothing runs unsupervised;
- records the process, for `make status` and for the start after a crash.

Standard library only, and run as a file rather than imported from the package, because this code
runs at every restart.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1  # prctl(2)
# Variables of the shell that ran make, and those that would lead Python to other packages.
FOREIGN = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHONPATH", "PYTHONHOME"}


def main(path: Path) -> None:
    """Replace this process by the program that ``path`` describes."""
    supervisor = os.getppid()
    program = json.loads(path.read_text(encoding="utf-8"))
    record_path = path.with_suffix(".started")
    try:
        record = json.loads(record_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = {}
    end_orphaned_group(record)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != supervisor:
            sys.exit("supervisord died before this program started")
    partial = record_path.with_suffix(".partial")
    partial.write_text(json.dumps({**identity(os.getpid()), "starts": record.get("starts", 0) + 1}))
    partial.replace(record_path)
    os.chdir(program["directory"])
    # Not the environment of supervisord, which an earlier `make up` may have started.
    os.execve(program["command"][0], program["command"], program["environment"])  # noqa: S606


def program_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with the settings of a program added."""
    # The inherited NAME_FILE and a NAME in the settings would contradict each other.
    hidden = FOREIGN | set(settings) | {f"{name}_FILE" for name in settings}
    return {**{k: v for k, v in os.environ.items() if k not in hidden}, **settings}


def identity(pid: int) -> dict[str, Any]:
    """Return what distinguishes this process from a later one with the same process id.

    That is its start time since boot (field 22 of /proc/<pid>/stat, proc(5)) and the id of the
    boot; None for both where there is no /proc.
    """
    try:
        # The second field is the program's name in parentheses, which may contain any character.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return {"pid": pid, "started": None, "boot": None}
    return {"pid": pid, "started": int(fields[19]), "boot": boot}


def is_alive(record: dict[str, Any]) -> bool:
    """Return whether the process that ``record`` identifies still runs."""
    pid = record.get("pid")
    if not pid or record.get("started") is None:
        return False
    now = identity(pid)
    return bool(now["started"] == record["started"] and now["boot"] == record["boot"])


def end_orphaned_group(record: dict[str, Any]) -> None:
    """End the process group of a program that has ended itself.

    supervisord makes each program the leader of a group, and the kernel does not reuse the id of a
    group that still has members. When a process with that id exists, it belongs to another
    program, and nothing is ended.
    """
    pid = record.get("pid")
    if not pid or record.get("boot") != identity(os.getpid())["boot"]:
        return
    if Path(f"/proc/{pid}").exists():
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
        for _ in range(100):  # until their ports are free; two seconds at most
            os.killpg(pid, 0)
            time.sleep(0.02)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
