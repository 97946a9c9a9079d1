"""Runs a site's PHP on the command line."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

SCRIPTS = Path(__file__).parent / "php"
TIMEOUT = 120  # seconds

# No email leaves the machine, and warnings are not part of a page.
_SETTINGS = ("sendmail_path=/bin/true", "display_errors=stderr", "memory_limit=512M")


class PhpFailed(Exception):
    """A PHP script ended with an error; the message contains its output."""


def run_php(
    *arguments: str | Path,
    directory: Path,
    environ: Mapping[str, str] | None = None,
    stdin: str = "",
) -> str:
    """Run a PHP script and return its output.

    Args:
        arguments: the script and its arguments.
        directory: working directory.
        environ: variables to add to the environment.
        stdin: what the script reads.

    Raises:
        PhpFailed: it ended with an error.
    """
    options = [word for setting in _SETTINGS for word in ("-d", setting)]
    command = ["php", *options, *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **(environ or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode != 0:
        raise PhpFailed(
            f"{' '.join(command)} ended with exit code {done.returncode}:\n"
            f"{done.stderr[-2000:]}{done.stdout[-2000:]}"
        )
    return done.stdout


def request(host: str, path: str = "/") -> dict[str, str]:
    """Return the CGI variables of a GET request (RFC 3875, section 4.1)."""
    return {
        "HTTP_HOST": host,
        "QUERY_STRING": "",
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": path,
        "SCRIPT_NAME": "/index.php",
        "SERVER_NAME": host,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
