"""What the commands print and what ``system.json`` contains: addresses, processes, logs."""

import http.client
import json
import os
import sys
from pathlib import Path

from sysndd_local.errors import LocalRunError
from sysndd_local.plan import ADMINISTRATOR, Plan
from sysndd_local.ports import LOOPBACK
from sysndd_local.run_folder import Json, RunFolder
from sysndd_local.supervision import ProcessState, Supervisor, last_lines

DESCRIPTIONS = {
    "mariadb": "private database",
    "redis": "private Redis: wake-ups for the workers",
    "mail-catcher": "accepts and shows every email",
    "api": "API and pages",
    "backup-worker": "creates, verifies and restores backups",
    "mailer": "sends the emails in the outbox",
    "traefik": "reverse proxy",
}
READY_PATH = "/api/health/ready"


def describe_system(plan: Plan, folder: RunFolder, processes: list[ProcessState]) -> Json:
    """Return the content of ``system.json``: what runs where, for people and scripts."""
    access = plan.access
    return {
        "base_url": plan.base_url,
        "mail_url": plan.mail_url,
        "admin": {"login": ADMINISTRATOR, "password": folder.password("administrator")},
        "database": {
            "socket": str(access.socket) if access.socket else None,
            "host": access.host,
            "port": access.port,
            "user": access.operator.user,
            "password": access.operator.password,
            "name": access.schema,
            "ops_name": access.ops_schema,
        },
        "redis_url": plan.redis_url,
        "backup_dir": str(plan.backups),
        "processes": [
            {"name": process.name, "pid": process.pid, "log": str(process.log)}
            for process in processes
        ],
    }


def print_system(document: Json, folder: RunFolder, processes: list[ProcessState]) -> None:
    """Print the addresses, the administrator and the processes."""
    site = document["base_url"].replace(LOOPBACK, "localhost")
    mail = (document["mail_url"] or "").replace(LOOPBACK, "localhost")
    rows = [
        ("API", f"{site}/api/health   documentation: {site}/api/docs"),
        ("Caught mail", f"{mail}/" if mail else "none: emails are sent to SMTP_HOST"),
        ("Operator", document["admin"]["login"]),
        ("Password", document["admin"]["password"]),
        ("Run folder", f"{folder.root} (system.json contains all of this)"),
    ]
    print("SysNDD is ready.\n")
    for name, value in rows:
        print(f"  {name:<15} {value}")
    print()
    print_processes(processes)
    print("\nmake status · make logs · make seed · make down", flush=True)


def print_processes(processes: list[ProcessState]) -> None:
    """Print a table of the processes."""
    print(f"  {'PROCESS':<15} {'STATE':<9} {'PID':>7} {'UPTIME':>9} {'RESTARTS':>8}  DESCRIPTION")
    for process in processes:
        pid = str(process.pid or "-")
        print(
            f"  {process.name:<15} {process.state:<9} {pid:>7} {duration(process.uptime):>9}"
            f" {process.restarts:>8}  {DESCRIPTIONS.get(process.name, '')}"
        )


def status(folder: RunFolder) -> bool:
    """Print the state of every process and of the system.

    Returns:
        Whether every process runs and the system is ready.
    """
    state = folder.read_state()
    supervisor = find_supervisor(folder, state)
    if supervisor is None:
        print(f"SysNDD is not running in {folder.root}. Start it with `make up`.")
        return False
    processes = supervisor.processes()
    print_processes(processes)
    reason = find_unready_reason(state.get("ports", {}).get("HTTP_PORT", 0))
    down = [p for p in processes if p.state not in {"RUNNING", "STARTING"}]
    starting = [p.name for p in processes if p.state == "STARTING"]
    print(f"\n  Ready: {'yes' if reason is None else f'no: {reason}'}")
    if starting:
        print(f"  Starting: {', '.join(starting)}")
    if down:
        print(f"  Not running: {', '.join(f'{p.name} {p.state}' for p in down)}")
        print(f"  See `make logs SERVICE={down[0].name}`. `make up` starts stopped processes.")
    return reason is None and not down and not starting


def find_unready_reason(port: int, *, timeout: float = 5) -> str | None:
    """Return why the system is not ready, or None when it is ready.

    Args:
        port: the proxy's; the system is asked as a browser would ask it.
        timeout: seconds for the request.
    """
    # http.client, because urllib would use the proxy that HTTP_PROXY names.
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)
    try:
        connection.request("GET", READY_PATH, headers={"Accept": "application/json"})
        response = connection.getresponse()
        body = response.read(65536)
    except (OSError, http.client.HTTPException) as error:
        return f"no answer from the proxy on port {port}: {error or type(error).__name__}"
    finally:
        connection.close()
    if response.status == 200:
        return None
    try:
        document = json.loads(body)
        reason = document.get("reason") or document.get("detail") or document.get("title")
    except (ValueError, AttributeError):
        reason = body.decode("utf-8", "replace").strip()[:200]
    return f"{READY_PATH} answers {response.status}: {reason}"


def logs(folder: RunFolder, *, service: str | None, lines: int, follow: bool) -> None:
    """Print the last lines of the logs; with ``follow``, become ``tail -F``.

    Args:
        folder: the run folder.
        service: print this log only; all when None.
        lines: number of lines per log.
        follow: continue to print new lines.

    Raises:
        LocalRunError: there is no such log.
    """
    found = {path.stem: path for path in sorted(folder.logs.glob("*.log"))}
    if not found:
        raise LocalRunError(f"{folder.logs} contains no logs. Start the system with `make up`.")
    if service is not None and service not in found:
        raise LocalRunError(f"SERVICE={service}: no such log. Available logs: {', '.join(found)}.")
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


def duration(seconds: float) -> str:
    """Return ``h:mm:ss``, with the number of days from 24 hours on."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    clock = f"{hour}:{minute:02}:{second:02}"
    return f"{days}d {clock}" if days else clock
