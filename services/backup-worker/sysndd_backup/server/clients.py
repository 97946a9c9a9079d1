"""Finds and runs the client programs of the database vendor, and passes the password to them."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from sysndd_backup.server.server import Server
from sysndd_core.db.database import is_mariadb
from sysndd_core.errors import DumpClientMismatch
from sysndd_core.settings.database import DatabaseSettings

ResultT = TypeVar("ResultT")

Process = subprocess.Popen[bytes]

# The worker's own environment contains passwords and keys.
_ENVIRONMENT = {"LC_ALL": "C"}
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


@dataclass(frozen=True)
class Clients:
    """Paths of the vendor's dump client and command-line client, and the version they print."""

    dump: str
    load: str
    version: str


@dataclass(frozen=True)
class Exit:
    """How a client program ended.

    Attributes:
        code: Exit code; negative if a signal killed the program.
        stderr: The beginning of its standard error output.
    """

    code: int
    stderr: str


class ClientRun:
    """One run of a client program, without a shell.

    Args:
        settings: Address and account.
        program: Path of the program.
        arguments: Arguments after the option file.
        stdin, stdout: See ``subprocess.Popen``.
        stderr_bytes: Number of bytes of its standard error output to keep.

    ``run`` blocks, so call it in a thread; other threads may call ``stop``.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        program: str,
        arguments: list[str],
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
        stderr_bytes: int = 4000,
    ) -> None:
        self.stopped = False
        self._stderr_bytes = stderr_bytes
        self._settings = settings
        self._command = [program, *arguments]
        self._stdin = stdin
        self._stdout = stdout
        self._process: Process | None = None

    def run(self, serve: Callable[[Process], ResultT]) -> tuple[ResultT, Exit]:
        """Start the program, and wait for its end.

        Args:
            serve: Reads from and writes to the program.

        Returns:
            The result of ``serve``, and how the program ended.

        Raises:
            Exception: Any exception that ``serve`` raises; the program is killed.
        """
        with option_file(self._settings) as options, tempfile.TemporaryFile() as stderr:
            # Must be the first argument. The client then ignores the option files of the system.
            program, *arguments = self._command
            with subprocess.Popen(
                [program, f"--defaults-file=/dev/fd/{options}", *arguments],
                stdin=self._stdin,
                stdout=self._stdout,
                stderr=stderr,
                pass_fds=(options,),
                env=_ENVIRONMENT,
            ) as process:
                self._process = process
                if self.stopped:
                    # ``stop`` was called before there was a process.
                    process.kill()
                try:
                    result = serve(process)
                except BaseException:
                    process.kill()
                    raise
            stderr.seek(0)
            message = stderr.read(self._stderr_bytes).decode(errors="replace").strip()
        return result, Exit(process.returncode, message)

    def stop(self) -> None:
        """Kill the program."""
        self.stopped = True
        if self._process is not None:
            self._process.kill()


async def find_clients(server: Server, path: str | None = None) -> Clients:
    """Find the client programs of the server's vendor.

    Some distributions install MariaDB's programs under MySQL's names, so the version is checked.

    Args:
        server: Vendor and version of the server.
        path: Folders to search, separated by colons; the PATH of this process by default.

    Raises:
        DumpClientMismatch: The programs are missing or from the other vendor.
    """
    names = ("mariadb-dump", "mariadb") if server.vendor == "MariaDB" else ("mysqldump", "mysql")
    paths = [shutil.which(name, path=path) for name in names]
    if paths[0] is None or paths[1] is None:
        raise DumpClientMismatch(
            f"The server is {server.vendor}, but {' and '.join(names)} are not on the PATH."
            f" Install the client programs of {server.vendor}."
        )
    version = await asyncio.to_thread(_version, paths[0])
    if is_mariadb(version) != (server.vendor == "MariaDB"):
        raise DumpClientMismatch(
            f"The server is {server.vendor}, but {names[0]} is: {version}. Install the client"
            f" programs of {server.vendor}."
        )
    return Clients(paths[0], paths[1], version)


def _version(program: str) -> str:
    done = subprocess.run(
        [program, "--no-defaults", "--version"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or done.stderr.strip()


@contextlib.contextmanager
def option_file(settings: DatabaseSettings) -> Iterator[int]:
    """Write address and password to an anonymous file in memory; yield its descriptor.

    Other users can read a password in arguments or the environment, and a named file would remain
    if the worker is killed. The kernel deletes this file when the last process closes it
    (memfd_create(2)). The client opens it as ``/dev/fd/N``.
    """
    lines = ["[client]", f"user={_quoted(settings.user)}"]
    lines.append(f"password={_quoted(settings.password.get_secret_value())}")
    if settings.socket is not None:
        lines += ["protocol=socket", f"socket={_quoted(str(settings.socket))}"]
    else:
        lines += ["protocol=tcp", f"host={_quoted(settings.host)}", f"port={settings.port}"]
    descriptor = os.memfd_create("sysndd-options", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        # The clients ignore option files that other users may write.
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, ("\n".join(lines) + "\n").encode())
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
        yield descriptor
    finally:
        os.close(descriptor)


def _quoted(value: str) -> str:
    """Quote a value for an option file, where a backslash starts an escape also in quotes."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
