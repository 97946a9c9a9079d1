"""Errors that the operator can fix; the command line prints them without a traceback.

LocalRunError
├── MissingProgram    a server program is not installed
├── PortTaken         a requested port is in use
└── NotReady          a started process did not become ready
"""


class LocalRunError(Exception):
    """The command ends with this message on stderr and exit code 1."""


class MissingProgram(LocalRunError):
    """A server program is not installed; the message contains the command that installs it."""

    def __init__(self, program: str, packages: str) -> None:
        super().__init__(
            f"{program} is not installed. Install it with\n"
            f"    sudo apt-get install -y --no-install-recommends {packages}"
        )


class PortTaken(LocalRunError):
    """A requested port is in use by another process."""

    def __init__(self, port: int, setting: str, purpose: str) -> None:
        super().__init__(
            f"port {port} ({purpose}) is in use by another process.\n"
            f"    Free the port, or choose another one with {setting}=<port>. "
            f"{setting}=0 picks a free port:\n"
            f"    make up {setting}=0"
        )
        self.port = port
        self.setting = setting


class NotReady(LocalRunError):
    """A started process did not become ready in time."""
