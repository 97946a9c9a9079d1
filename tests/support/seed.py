"""Loads the development data set as ``make seed`` does."""

import os
import subprocess
import sys

from tests.support.migrations import ROOT
from tests.support.servers import DatabaseServer


def run_seed(server: DatabaseServer, schema: str) -> "subprocess.CompletedProcess[str]":
    """Run ``python db/seed/load.py`` as ``make seed`` does."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("DB_")}
    settings |= server.environ(name=schema) | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)
    }
    return subprocess.run(
        [sys.executable, "db/seed/load.py"],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        check=False,
    )


def load_seed(server: DatabaseServer, schema: str) -> str:
    """Load the data set and return what the loader printed."""
    done = run_seed(server, schema)
    assert done.returncode == 0, done.stderr
    return done.stdout
