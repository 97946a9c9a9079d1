"""``python -m sysndd_local up|status|logs|seed|admin|down|reset``, which the Makefile calls.

This is the only place that reads the environment.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from sysndd_local import reporting, starting, stopping
from sysndd_local.errors import LocalRunError
from sysndd_local.run_folder import RunFolder, read_json
from sysndd_local.settings import read_settings

REPOSITORY = Path(__file__).resolve().parents[3]
YES = {"1", "yes", "true", "on"}


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when it did what it says, 1 when not; ``status``: 0 only when all is well.
    """
    parser = argparse.ArgumentParser(prog="python -m sysndd_local", description=__doc__)
    parser.add_argument(
        "command", choices=["up", "status", "logs", "seed", "admin", "down", "reset"]
    )
    parser.add_argument("arguments", nargs="*", help="for admin: those of sysndd-admin")
    parsed = parser.parse_args(arguments)
    command = parsed.command
    try:
        if command == "admin":
            return _admin(_folder(), parsed.arguments)
        return _run(command)
    except LocalRunError as error:
        sys.stdout.flush()
        print(f"\nmake {command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # `make logs | head`: nobody reads on, and Python's own last flush must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"\nmake {command}: interrupted; `make status` tells what runs", file=sys.stderr)
        return 130


def _run(command: str) -> int:
    if command == "up":
        starting.up(read_settings(os.environ, repository=REPOSITORY))
        return 0
    folder = _folder()
    if command == "status":
        return 0 if reporting.status(folder) else 1
    if command == "logs":
        service, lines = os.environ.get("SERVICE") or None, os.environ.get("LINES") or ""
        default = 200 if service else 20
        follow = os.environ.get("FOLLOW", "").lower() in YES
        count = int(lines) if lines.isdigit() else default
        reporting.logs(folder, service=service, lines=count, follow=follow)
    elif command == "seed":
        return _seed(folder)
    elif command == "down":
        stopping.down(folder)
    else:
        stopping.reset(folder, confirmed=os.environ.get("CONFIRM", "").lower() == "yes")
    return 0


def _folder() -> RunFolder:
    chosen = os.environ.get("RUN_DIR") or ".run"
    return RunFolder((REPOSITORY / Path(chosen).expanduser()).absolute())


def _admin(folder: RunFolder, arguments: list[str]) -> int:
    """Run ``sysndd-admin`` with the settings that the API of this run has."""
    settings = read_json(folder.programs / "api.json").get("environment")
    if settings is None:
        raise LocalRunError(f"SysNDD does not run in {folder.root}. Start it with `make up`.")
    return subprocess.run(
        [str(Path(sys.executable).with_name("sysndd-admin")), *(arguments or ["--help"])],
        env=reporting.inherited_environment(settings),
        check=False,
    ).returncode


def _seed(folder: RunFolder) -> int:
    database = read_json(folder.system_file).get("database")
    if database is None:
        raise LocalRunError(f"SysNDD does not run in {folder.root}. Start it with `make up`.")
    settings = {
        "DB_HOST": database["host"],
        "DB_PORT": str(database["port"]),
        "DB_SOCKET": database["socket"] or "",
        "DB_USER": database["user"],
        "DB_PASSWORD": database["password"],
        "DB_NAME": database["name"],
        "OPS_DB_NAME": database["ops_name"],
    }
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "db" / "seed" / "load.py")],
        env=reporting.inherited_environment(settings),
        check=False,
    ).returncode
