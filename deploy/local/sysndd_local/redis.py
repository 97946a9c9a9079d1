"""A private Redis server with an append-only file that never evicts a key."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from sysndd_local.errors import MissingProgram
from sysndd_local.mariadb import server_path
from sysndd_local.ports import LOOPBACK
from sysndd_local.run_folder import write_private

PACKAGES = "redis-server"


@dataclass(frozen=True)
class RedisServer:
    """Where a private server lives.

    Args:
        directory: holds ``data/`` and ``redis.conf``; created when missing.
        port: TCP port on the loopback address.
        password: of its clients.
    """

    directory: Path
    port: int
    password: str

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.directory / "redis.conf"

    @property
    def url(self) -> str:
        """The value of ``REDIS_URL``."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"


def program() -> str:
    """Return the path of the server program.

    Raises:
        MissingProgram: Redis is not installed.
    """
    found = shutil.which("redis-server", path=server_path())
    if found is None:
        raise MissingProgram("redis-server", PACKAGES)
    return found


def prepare(server: RedisServer) -> None:
    """Write the configuration; existing data is kept.

    Raises:
        MissingProgram: Redis is not installed.
    """
    program()
    data = server.directory / "data"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(
        server.config,
        f"""\
# Written by sysndd_local at every start; changes are overwritten.
bind {LOOPBACK}
port {server.port}
protected-mode yes
requirepass {server.password}
dir "{data}"
daemonize no
logfile ""
appendonly yes
appendfsync everysec
save ""
# Redis carries wake-ups only. An error is better than a wake-up that is lost silently.
maxmemory 256mb
maxmemory-policy noeviction
""",
    )


def command(server: RedisServer) -> list[str]:
    """Return the command that runs the server in the foreground."""
    return [program(), str(server.config)]
