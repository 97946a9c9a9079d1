"""The whole system as started by `make up`, in its own run folder."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND_TIMEOUT = 300  # seconds
# Settings that were exported for another system must not reach the one under test.
OWN_PREFIXES = ("DB_", "OPS_DB_", "REDIS_", "SMTP_", "MAIL", "BACKUP_", "API_", "HTTP_PORT", "RUN_")


class LocalRun:
    """One run folder and the commands on it.

    Args:
        run_dir: the run folder.
        settings: environment variables of every command; ports are free ones unless given here.
    """

    def __init__(self, run_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        self.run_dir = run_dir
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(OWN_PREFIXES)}
        self._environ = {
            **inherited,
            "PYTHONPATH": str(REPOSITORY / "deploy" / "local"),
            "RUN_DIR": str(run_dir),
            "HTTP_PORT": "0",
            "MAIL_HTTP_PORT": "0",
            **(settings or {}),
        }

    def command(self, name: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run the command of ``make <name>``; stdout of the result includes stderr."""
        return subprocess.run(
            [sys.executable, "-m", "sysndd_local", name],
            cwd=REPOSITORY,
            env={**self._environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_TIMEOUT,
            check=False,
        )

    def up(self, **settings: str) -> str:
        """Start the system and return the output."""
        done = self.command("up", **settings)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def down(self) -> str:
        """Stop the system and return the output."""
        done = self.command("down")
        assert done.returncode == 0, done.stdout
        return done.stdout

    @property
    def system(self) -> dict[str, Any]:
        """The content of ``system.json``."""
        document: dict[str, Any] = json.loads((self.run_dir / "system.json").read_text())
        return document

    def admin(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``sysndd-admin`` with the settings of the API of this run."""
        return self._tool("sysndd-admin", *arguments)

    def migrator(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``sysndd-migrator`` with the operator's account."""
        database = self.system["database"]
        account = {"DB_USER": database["user"], "DB_PASSWORD": database["password"]}
        return self._tool("sysndd-migrator", *arguments, settings=account)

    def _tool(
        self, program: str, *arguments: str, settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        described = json.loads((self.run_dir / "programs" / "api.json").read_text())
        return subprocess.run(
            [str(Path(sys.executable).with_name(program)), *arguments],
            env={**os.environ, **described["environment"], **(settings or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_TIMEOUT,
            check=False,
        )

    def pid(self, program: str) -> int:
        """Return the current process id of a program."""
        started = json.loads((self.run_dir / "programs" / f"{program}.started").read_text())
        return int(started["pid"])
