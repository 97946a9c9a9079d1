"""Mail catchers: the built-in one, or the Mailpit program that ``TEST_MAILPIT`` names."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sysndd_local.ports import LOOPBACK, accepts, free_port
from tests.support.processes import RealProcess


@dataclass
class TestCatcher:
    """A mail catcher.

    Args:
        host: Address of its SMTP server.
        port: TCP port of its SMTP server.
        rest_url: Base URL of its REST API, without a trailing slash.
        process: The process of the catcher.
    """

    __test__ = False  # pytest must not collect this class

    host: str
    port: int
    rest_url: str
    process: RealProcess = field(repr=False)

    def environ(self) -> dict[str, str]:
        """Return the mailer's settings for this catcher."""
        return {"SMTP_HOST": self.host, "SMTP_PORT": str(self.port), "SMTP_SECURITY": "none"}

    def stop(self) -> None:
        """Stop the catcher; it keeps its emails."""
        self.process.stop()

    def start(self) -> None:
        """Start the catcher again; no effect if it is running."""
        self.process.start()


@pytest.fixture(scope="session")
def smtp_catcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCatcher]:
    """A mail catcher: Mailpit if ``TEST_MAILPIT`` is set, else the built-in one."""
    mailpit = os.environ.get("TEST_MAILPIT")
    folder = tmp_path_factory.mktemp("catcher")
    with start_mailpit(Path(mailpit), folder) if mailpit else start_catcher(folder) as catcher:
        yield catcher


@pytest.fixture(scope="session")
def builtin_catcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCatcher]:
    """The built-in mail catcher, for its own tests."""
    with start_catcher(tmp_path_factory.mktemp("builtin_catcher")) as catcher:
        yield catcher


@contextmanager
def start_catcher(directory: Path) -> Iterator[TestCatcher]:
    """Run the mail catcher with its emails in ``directory``."""
    smtp_port, http_port = free_port(), free_port()
    process = RealProcess(
        "catcher",
        [
            *(sys.executable, "-m", "sysndd_local.catcher"),
            *("--smtp-port", str(smtp_port)),
            *("--http-port", str(http_port)),
            *("--directory", str(directory / "mails")),
        ],
        directory,
        lambda: accepts(smtp_port) and accepts(http_port),
        environ={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    try:
        process.start()
        yield TestCatcher(LOOPBACK, smtp_port, f"http://{LOOPBACK}:{http_port}", process)
    finally:
        process.stop()


@contextmanager
def start_mailpit(program: Path, directory: Path) -> Iterator[TestCatcher]:
    """Run Mailpit with its emails in ``directory``."""
    smtp_port, http_port = free_port(), free_port()
    process = RealProcess(
        "mailpit",
        [str(program)],
        directory,
        lambda: accepts(smtp_port) and accepts(http_port),
        environ={
            "MP_SMTP_BIND_ADDR": f"{LOOPBACK}:{smtp_port}",
            "MP_UI_BIND_ADDR": f"{LOOPBACK}:{http_port}",
            "MP_DATABASE": str(directory / "mailpit.db"),
            "MP_DISABLE_VERSION_CHECK": "true",
        },
    )
    try:
        process.start()
        yield TestCatcher(LOOPBACK, smtp_port, f"http://{LOOPBACK}:{http_port}", process)
    finally:
        process.stop()
