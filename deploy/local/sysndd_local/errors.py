"""What can go wrong in a way that the operator can mend.

LocalRunError
├── MissingProgram    a server program is not installed
├── PortTaken         a port that somebody asked for is in use
└── NotReady          something was started and does not answer
"""


class LocalRunError(Exception):
    """The command ends with this message on stderr, without a traceback, and exit code 1."""


class MissingProgram(LocalRunError):
    """A server program is not installed; the message holds the line that installs it."""

    def __init__(self, program: str, packages: str) -> None:
        super().__init__(
            f"{program} is not installed. Install it with\n"
            f"    sudo apt-get install -y --no-install-recommends {packages}"
        )


class PortTaken(LocalRunError):
    """A port that was asked for by name is in use by another process."""

    def __init__(self, port: int, setting: str, purpose: str) -> None:
        super().__init__(
            f"port {port} ({purpose}) is taken by another process.\n"
            f"    Free it, or choose another with {setting}=<port> "
            f"({setting}=0 takes any free one), for example:\n"
            f"    make up {setting}=0"
        )
        self.port = port
        self.setting = setting


class NotReady(LocalRunError):
    """A process was started and did not become ready in time."""
