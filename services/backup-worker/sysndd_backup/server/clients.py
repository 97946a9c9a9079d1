"""Runs the database vendor's own client programs: which ones fit, and how they get the password."""

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

# Not the worker's own, which holds its password and keys.
_ENVIRONMENT = {"LC_ALL": "C"}
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


@dataclass(frozen=True)
class Clients:
    """The vendor's own dump program and command-line client, and what they call themselves."""

    dump: str
    load: str
    version: str


@dataclass(frozen=True)
class Ended:
    """How a client program ended: exit code (negative for a signal) and what it complained of."""

    exit_code: int
    complaint: str


class ClientRun:
    """One run of a client program, without a shell.

    Args:
        settings: address and account.
        program: path of the program.
        arguments: what follows the option file.
        stdin, stdout: as for ``subprocess.Popen``.

    ``run`` blocks and belongs into a thread; ``stop`` may be called from another one.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        program: str,
        arguments: list[str],
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
    ) -> None:
        self.stopped = False
        self._settings = settings
        self._command = [program, *arguments]
        self._stdin = stdin
        self._stdout = stdout
        self._process: Process | None = None

    def run(self, serve: Callable[[Process], ResultT]) -> tuple[ResultT, Ended]:
        """Start the program, let ``serve`` move its bytes, and wait for its end.

        Raises:
            Whatever ``serve`` raises; the program is killed then.
        """
        with option_file(self._settings) as options, tempfile.TemporaryFile() as complaints:
            # Must be the first argument; nothing of the machine's own option files is read.
            program, *arguments = self._command
            with subprocess.Popen(
                [program, f"--defaults-file=/dev/fd/{options}", *arguments],
                stdin=self._stdin,
                stdout=self._stdout,
                stderr=complaints,
                pass_fds=(options,),
                env=_ENVIRONMENT,
            ) as process:
                self._process = process
                if self.stopped:
                    # ``stop`` came before there was a process to kill.
                    process.kill()
                try:
                    result = serve(process)
                except BaseException:
                    process.kill()
                    raise
            complaints.seek(0)
            complaint = complaints.read(4000).decode(errors="replace").strip()
        return result, Ended(process.returncode, complaint)

    def stop(self) -> None:
        """Kill the program."""
        self.stopped = True
        if self._process is not None:
            self._process.kill()


async def find_clients(server: Server, path: str | None = None) -> Clients:
    """Find the client programs of the server's own vendor on the PATH.

    Some distributions install MariaDB's programs under MySQL's names, so each is asked.

    Args:
        server: whose programs are wanted.
        path: folders to look in; this process's PATH by default.

    Raises:
        DumpClientMismatch: they are missing or of the other vendor; the detail names the package.
    """
    names = ("mariadb-dump", "mariadb") if server.vendor == "MariaDB" else ("mysqldump", "mysql")
    paths = [shutil.which(name, path=path) for name in names]
    if paths[0] is None or paths[1] is None:
        raise DumpClientMismatch(
            f"The server is {server.vendor}, but {' and '.join(names)} are not on the PATH;"
            f" install {server.vendor}'s client programs."
        )
    version = await asyncio.to_thread(_version, paths[0])
    if is_mariadb(version) != (server.vendor == "MariaDB"):
        raise DumpClientMismatch(f"The server is {server.vendor}, but {names[0]} is: {version}")
    return Clients(paths[0], paths[1], version)


def _version(program: str) -> str:
    done = subprocess.run(
        [program, "--no-defaults", "--version"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or done.stderr.strip()


@contextlib.contextmanager
def option_file(settings: DatabaseSettings) -> Iterator[int]:
    """Write address and password to a file without a name, in memory; yield its descriptor.

    A password in the arguments or the environment can be read by others of the same machine, and
    one in a named file outlives a worker that is killed. This one is gone with the last process
    that holds it (memfd_create(2)). The client opens it as ``/dev/fd/N``.
    """
    lines = ["[client]", f"user={_quoted(settings.user)}"]
    lines.append(f"password={_quoted(settings.password.get_secret_value())}")
    if settings.socket is not None:
        lines += ["protocol=socket", f"socket={_quoted(str(settings.socket))}"]
    else:
        lines += ["protocol=tcp", f"host={_quoted(settings.host)}", f"port={settings.port}"]
    descriptor = os.memfd_create("sysndd-options", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        # The clients pass over an option file that others may write.
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, ("\n".join(lines) + "\n").encode())
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
        yield descriptor
    finally:
        os.close(descriptor)


def _quoted(value: str) -> str:
    """Quote a value for an option file; backslash starts an escape there also inside quotes."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
