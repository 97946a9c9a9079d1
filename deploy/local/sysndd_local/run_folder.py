"""The folder of one run: data, generated passwords, logs and chosen ports.

Commands on the same folder wait for each other; different folders are independent.
"""

import fcntl
import json
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sysndd_local.errors import LocalRunError

# unix(7): sun_path has 108 bytes, including the terminating null byte. supervisord creates its
# socket with its process id as a suffix and then renames it.
LONGEST_SOCKET_PATH = 107
LONGEST_SOCKET_NAME = len("supervisor.sock.4194304")
# Without special meaning in shells, URLs, configuration files and SQL literals.
LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
PASSWORD_LENGTH = 24

Json = dict[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """Paths in the folder of one run.

    Args:
        root: absolute path; created by ``prepare()``.
    """

    root: Path

    @property
    def logs(self) -> Path:
        """One log file per program."""
        return self.root / "logs"

    @property
    def programs(self) -> Path:
        """Command, environment and last start of each program."""
        return self.root / "programs"

    @property
    def system_file(self) -> Path:
        """Description of the running system, for people and scripts; deleted by `down`."""
        return self.root / "system.json"

    def prepare(self) -> None:
        """Create the folder and its subfolders, accessible to the owner only.

        Raises:
            LocalRunError: it could not be created.
        """
        try:
            for directory in (self.root, self.logs, self.programs):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LocalRunError(
                f"the run folder {self.root} could not be created: {error}"
            ) from error

    @contextmanager
    def locked(self, *, timeout: float = 300) -> Iterator[None]:
        """Hold the lock of this folder; other commands wait for it.

        Args:
            timeout: seconds to wait for another command.

        Raises:
            LocalRunError: another command still holds the lock.
        """
        self.prepare()
        path = self.root / "lock"
        deadline = time.monotonic() + timeout
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # `reset` deletes the file; the locked one may be that deleted file.
                if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                    break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    raise LocalRunError(
                        f"another make command has been using {self.root} for {timeout:g} s. "
                        "Wait for it to end or interrupt it, then try again."
                    ) from None
                time.sleep(0.1)
            os.close(descriptor)
            self.prepare()
        try:
            yield
        finally:
            os.close(descriptor)

    def read_state(self) -> Json:
        """Return the choices of the last ``up``; empty when there was none."""
        return read_json(self.root / "state.json")

    def write_state(self, state: Json) -> None:
        """Save the choices of this ``up``."""
        write_private(self.root / "state.json", json.dumps(state, indent=2))

    def password(self, purpose: str) -> str:
        """Return the password for ``purpose``; it is generated on first use."""
        path = self.root / "secrets.json"
        kept = read_json(path)
        if purpose not in kept:
            kept[purpose] = "".join(secrets.choice(LETTERS) for _ in range(PASSWORD_LENGTH))
            write_private(path, json.dumps(kept, indent=2))
        return str(kept[purpose])

    def sockets(self, state: Json) -> Path:
        """Return a private directory whose path is short enough for unix sockets.

        It is in the run folder if that path is short enough, else in the temporary folder of the
        system; the latter is saved in ``state`` and deleted by ``release_sockets``.
        """
        own = self.root / "sockets"
        if len(os.fsencode(own)) + 1 + LONGEST_SOCKET_NAME <= LONGEST_SOCKET_PATH:
            own.mkdir(mode=0o700, exist_ok=True)
            state.pop("sockets", None)
            return own
        remembered = state.get("sockets")
        if remembered and _is_private_directory(Path(remembered)):
            return Path(remembered)
        created = Path(tempfile.mkdtemp(prefix="sysndd-"))
        if len(os.fsencode(created)) + 1 + LONGEST_SOCKET_NAME > LONGEST_SOCKET_PATH:
            created.rmdir()
            created = Path(tempfile.mkdtemp(prefix="sysndd-", dir="/tmp"))
        state["sockets"] = str(created)
        return created

    def release_sockets(self, state: Json) -> None:
        """Delete the sockets of processes that have ended."""
        shutil.rmtree(self.root / "sockets", ignore_errors=True)
        remembered = state.pop("sockets", None)
        if remembered and _is_private_directory(Path(remembered)):
            shutil.rmtree(remembered, ignore_errors=True)


def read_json(path: Path) -> Json:
    """Return the object in a JSON file; empty when the file does not exist.

    Raises:
        LocalRunError: the file is not valid JSON.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise LocalRunError(
            f"{path} is not valid JSON ({error}). Delete the file, or run `make reset`."
        ) from error
    return found if isinstance(found, dict) else {}


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically; it is never readable by other users."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def _is_private_directory(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.getuid()
        and stat.S_IMODE(found.st_mode) == 0o700
    )
