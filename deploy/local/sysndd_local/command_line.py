"""Run the whole system on this machine without containers; used by the Makefile.

Settings are read from the environment, by this module only; see docs/local-run.md.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sysndd_local import reporting, starting, stopping
from sysndd_local.errors import LocalRunError
from sysndd_local.launch import program_environment
from sysndd_local.run_folder import Json, RunFolder, read_json
from sysndd_local.settings import read_settings

REPOSITORY = Path(__file__).resolve().parents[3]
YES = {"1", "yes", "true", "on"}


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 on success, 1 on failure, 130 when interrupted; ``status``: 0 only when every process
        runs and the system is ready.
    """
    parser = argparse.ArgumentParser(prog="python -m sysndd_local", description=__doc__)
    parser.add_argument(
        "command", choices=["up", "status", "logs", "seed", "admin", "down", "reset"]
    )
    parser.add_argument("arguments", nargs="*", help="admin: the arguments of sysndd-admin")
    parsed = parser.parse_args(arguments)
    command = parsed.command
    try:
        return _run(command, parsed.arguments)
    except LocalRunError as error:
        sys.stdout.flush()
        print(f"\nmake {command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # `make logs | head`: without this, Python reports the failure of its final flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"\nmake {command}: interrupted; `make status` shows what runs", file=sys.stderr)
        return 130


def _run(command: str, arguments: list[str]) -> int:
    if command == "up":
        starting.up(read_settings(os.environ, repository=REPOSITORY))
        return 0
    folder = _folder()
    match command:
        case "status":
            return 0 if reporting.status(folder) else 1
        case "admin":
            return _admin(folder, arguments)
        case "seed":
            return _seed(folder)
        case "logs":
            _logs(folder)
        case "down":
            stopping.down(folder)
        case _:
            stopping.reset(folder, confirmed=os.environ.get("CONFIRM", "").lower() == "yes")
    return 0


def _folder() -> RunFolder:
    chosen = os.environ.get("RUN_DIR") or ".run"
    return RunFolder((REPOSITORY / Path(chosen).expanduser()).absolute())


def _logs(folder: RunFolder) -> None:
    service, lines = os.environ.get("SERVICE") or None, os.environ.get("LINES") or ""
    default = 200 if service else 20
    reporting.logs(
        folder,
        service=service,
        lines=int(lines) if lines.isdigit() else default,
        follow=os.environ.get("FOLLOW", "").lower() in YES,
    )


def _admin(folder: RunFolder, arguments: list[str]) -> int:
    """Run ``sysndd-admin`` with the settings of the running API."""
    settings = _require_running(folder, read_json(folder.programs / "api.json"), "environment")
    program = Path(sys.executable).with_name("sysndd-admin")
    return _run_program([str(program), *(arguments or ["--help"])], settings)


def _seed(folder: RunFolder) -> int:
    """Load the example data with the operator's account."""
    database = _require_running(folder, read_json(folder.system_file), "database")
    settings = {
        "DB_HOST": database["host"],
        "DB_PORT": str(database["port"]),
        "DB_SOCKET": database["socket"] or "",
        "DB_USER": database["user"],
        "DB_PASSWORD": database["password"],
        "DB_NAME": database["name"],
        "OPS_DB_NAME": database["ops_name"],
    }
    return _run_program([sys.executable, str(REPOSITORY / "db" / "seed" / "load.py")], settings)


def _require_running(folder: RunFolder, document: Json, key: str) -> Json:
    if key not in document:
        raise LocalRunError(f"SysNDD is not running in {folder.root}. Start it with `make up`.")
    found: Json = document[key]
    return found


def _run_program(command: list[str], settings: Mapping[str, str]) -> int:
    return subprocess.run(command, env=program_environment(settings), check=False).returncode
