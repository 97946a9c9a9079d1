"""What a person gets to read: the system, its processes, its logs."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sysndd_local.errors import LocalRunError
from sysndd_local.launch import FOREIGN
from sysndd_local.readiness import not_ready_because
from sysndd_local.run_folder import Json, RunFolder
from sysndd_local.supervision import ProcessState, Supervisor, last_lines

WHAT_IT_IS = {
    "mariadb": "private database",
    "redis": "private Redis: wake-ups for the workers",
    "mail-catcher": "takes every mail and shows it",
    "api": "the API",
    "backup-worker": "makes, checks and restores backups",
    "mailer": "sends the mails of the outbox",
    "traefik": "the proxy in front",
}


def print_system(document: Json, folder: RunFolder, processes: list[ProcessState]) -> None:
    """Print the addresses, the administrator and the processes."""
    here = document["base_url"].replace("127.0.0.1", "localhost")
    mail = (document["mail_url"] or "").replace("127.0.0.1", "localhost")
    rows = [
        ("API", f"{here}/api/health   documentation: {here}/api/docs"),
        ("Caught mail", f"{mail}/" if mail else "none: mail goes to SMTP_HOST"),
        ("Administrator", document["admin"]["login"]),
        ("Password", document["admin"]["password"]),
        ("Run folder", f"{folder.root} (all of this is in system.json)"),
    ]
    print("SysNDD is ready.\n")
    for name, value in rows:
        print(f"  {name:<15} {value}")
    print()
    print_processes(processes)
    print("\nmake status · make logs · make seed · make down", flush=True)


def print_processes(processes: list[ProcessState]) -> None:
    """Print a table of the processes."""
    print(f"  {'PROCESS':<15} {'STATE':<9} {'PID':>7} {'UPTIME':>9} {'RESTARTS':>8}  WHAT IT IS")
    for process in processes:
        pid = str(process.pid or "-")
        print(
            f"  {process.name:<15} {process.state:<9} {pid:>7} {duration(process.uptime):>9}"
            f" {process.restarts:>8}  {WHAT_IT_IS.get(process.name, '')}"
        )


def status(folder: RunFolder) -> bool:
    """Print the state of everything.

    Returns:
        Whether all is well: every process runs and the system is ready.
    """
    state = folder.read_state()
    supervisor = find_supervisor(folder, state)
    if supervisor is None:
        print(f"SysNDD does not run in {folder.root}. Start it with `make up`.")
        return False
    processes = supervisor.processes()
    print_processes(processes)
    port = state.get("ports", {}).get("HTTP_PORT", 0)
    reason = not_ready_because(port)
    bad = [p for p in processes if p.state not in {"RUNNING", "STARTING"}]
    starting = [p.name for p in processes if p.state == "STARTING"]
    print(f"\n  Ready: {'yes' if reason is None else f'no: {reason}'}")
    if starting:
        print(f"  Starting: {', '.join(starting)}")
    if bad:
        print(f"  Not running: {', '.join(f'{p.name} {p.state}' for p in bad)}")
        print(f"  See `make logs SERVICE={bad[0].name}`; `make up` starts what does not run.")
    return reason is None and not bad and not starting


def logs(folder: RunFolder, *, service: str | None, lines: int, follow: bool) -> None:
    """Print the last lines of the logs; with ``follow``, become ``tail -F``.

    Raises:
        LocalRunError: there is no such log.
    """
    found = {path.stem: path for path in sorted(folder.logs.glob("*.log"))}
    if not found:
        raise LocalRunError(f"there are no logs in {folder.logs} yet; start with `make up`")
    if service is not None and service not in found:
        raise LocalRunError(f"SERVICE={service}: there are logs of {', '.join(found)}")
    chosen = [found[service]] if service else list(found.values())
    if follow:
        sys.stdout.flush()
        os.execvp("tail", ["tail", "-n", str(lines), "-F", *map(str, chosen)])  # noqa: S606
    for path in chosen:
        if len(chosen) > 1:
            print(f"\n==> {path.stem} ({path})")
        for line in last_lines(path, lines):
            print(line)


def find_supervisor(folder: RunFolder, state: Json) -> Supervisor | None:
    """Return the run folder's supervisord when it runs; nothing is created."""
    sockets = Path(state.get("sockets") or folder.root / "sockets")
    supervisor = Supervisor(folder, sockets)
    return supervisor if supervisor.is_alive() else None


def inherited_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with a program's settings in it."""
    hidden = FOREIGN | set(settings) | {f"{name}_FILE" for name in settings}
    return {**{k: v for k, v in os.environ.items() if k not in hidden}, **settings}


def duration(seconds: float) -> str:
    """Return ``h:mm:ss``, with days where it takes them."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    clock = f"{hour}:{minute:02}:{second:02}"
    return f"{days}d {clock}" if days else clock
