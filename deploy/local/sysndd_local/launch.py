"""Becomes one program: ``python launch.py <program>.json``, run by supervisord.

The file holds the command and the settings, so that passwords are in no configuration of
supervisord and in no list of processes. Before it becomes the program it
- ends what a killed predecessor left behind: workers that still hold its port, a dump client;
- asks the kernel to end the program when supervisord dies, so that nothing runs unsupervised;
- writes down which process this is, for `make status` and for the start after a crash.

Standard library only, and not imported from a package: this runs at every restart.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1  # prctl(2)
# What belongs to the shell that ran make, or would lead a program to other packages.
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
    end_leftover_group(record)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != supervisor:
            sys.exit("supervisord died while this was starting")
    partial = record_path.with_suffix(".partial")
    partial.write_text(json.dumps({**identity(os.getpid()), "starts": record.get("starts", 0) + 1}))
    partial.replace(record_path)
    settings = program["environment"]
    # NAME_FILE beside NAME would be two answers to one question.
    hidden = FOREIGN | set(settings) | {f"{name}_FILE" for name in settings}
    inherited = {name: value for name, value in os.environ.items() if name not in hidden}
    os.chdir(program["directory"])
    os.execve(program["command"][0], program["command"], {**inherited, **settings})  # noqa: S606 - no shell on purpose


def identity(pid: int) -> dict[str, Any]:
    """Return what tells this process from a later one with the same number.

    That is its start time since the boot (field 22 of /proc/<pid>/stat, proc(5)) and the boot.
    Empty values where there is no /proc.
    """
    try:
        # The second field is the program's name in parentheses and may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return {"pid": pid, "started": None, "boot": None}
    return {"pid": pid, "started": int(fields[19]), "boot": boot}


def is_alive(record: dict[str, Any]) -> bool:
    """Tell whether the very process that ``record`` is about still runs."""
    pid = record.get("pid")
    if not pid or record.get("started") is None:
        return False
    now = identity(pid)
    return bool(now["started"] == record["started"] and now["boot"] == record["boot"])


def end_leftover_group(record: dict[str, Any]) -> None:
    """End the process group of a program that is gone itself.

    supervisord makes each program the leader of a group, and the number of a group that still has
    members is not given to a new process. A leader with that number is another program's: hands off.
    """
    pid = record.get("pid")
    if not pid or record.get("boot") != identity(os.getpid())["boot"]:
        return
    if Path(f"/proc/{pid}").exists():
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
        for _ in range(100):  # until their ports are free, two seconds at most
            os.killpg(pid, 0)
            time.sleep(0.02)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
