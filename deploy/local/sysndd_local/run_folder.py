"""The folder that one run lives in: data, generated passwords, logs, and what was chosen.

Two commands on one folder wait for each other; two folders never meet.
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

# unix(7): sun_path holds 108 bytes with the closing zero. supervisord binds a name with its process
# id added before it renames the socket.
LONGEST_SOCKET_PATH = 107
LONGEST_SOCKET_NAME = len("supervisor.sock.4194304")
# Letters that no shell, URL, configuration file or SQL literal treats specially.
LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
PASSWORD_LENGTH = 24

Json = dict[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """Paths in the folder of one run.

    Arguments:
        root: absolute path; made by ``prepare()``.
    """

    root: Path

    @property
    def logs(self) -> Path:
        """One log file for each program."""
        return self.root / "logs"

    @property
    def programs(self) -> Path:
        """What supervisord starts: command and environment of each program, and its last start."""
        return self.root / "programs"

    @property
    def system_file(self) -> Path:
        """What runs where, for people and tests; there only while the system runs."""
        return self.root / "system.json"

    def prepare(self) -> None:
        """Make the folder and its parts, readable by nobody else.

        Raises:
            LocalRunError: it can't be made.
        """
        try:
            for directory in (self.root, self.logs, self.programs):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LocalRunError(f"can't make the run folder {self.root}: {error}") from error

    @contextmanager
    def locked(self, *, patience: float = 300) -> Iterator[None]:
        """Keep every other command of this folder waiting.

        Arguments:
            patience: seconds to wait for another command.

        Raises:
            LocalRunError: another command holds the folder for longer than that.
        """
        self.prepare()
        path = self.root / "lock"
        deadline = time.monotonic() + patience
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # `reset` deletes the file: what we locked may be a file that is gone.
                if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                    break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    raise LocalRunError(
                        f"another make command has been working on {self.root} for too long"
                    ) from None
                time.sleep(0.1)
            os.close(descriptor)
            self.prepare()
        try:
            yield
        finally:
            os.close(descriptor)

    def read_state(self) -> Json:
        """Return what the last ``up`` chose; empty when there was none."""
        return read_json(self.root / "state.json")

    def write_state(self, state: Json) -> None:
        """Remember what was chosen."""
        write_private(self.root / "state.json", json.dumps(state, indent=2))

    def password(self, purpose: str) -> str:
        """Return the password kept for ``purpose``; generated the first time."""
        path = self.root / "secrets.json"
        kept = read_json(path)
        if purpose not in kept:
            kept[purpose] = "".join(secrets.choice(LETTERS) for _ in range(PASSWORD_LENGTH))
            write_private(path, json.dumps(kept, indent=2))
        return str(kept[purpose])

    def sockets(self, state: Json) -> Path:
        """Return a private directory whose path is short enough for sockets.

        The run folder itself where that is short; else a directory in the system's folder for
        temporary files, remembered in ``state`` and deleted by ``release_sockets``.
        """
        own = self.root / "sockets"
        if len(os.fsencode(own)) + 1 + LONGEST_SOCKET_NAME <= LONGEST_SOCKET_PATH:
            own.mkdir(mode=0o700, exist_ok=True)
            state.pop("sockets", None)
            return own
        remembered = state.get("sockets")
        if remembered and _is_private_directory(Path(remembered)):
            return Path(remembered)
        made = Path(tempfile.mkdtemp(prefix="sysndd-"))
        if len(os.fsencode(made)) + 1 + LONGEST_SOCKET_NAME > LONGEST_SOCKET_PATH:
            made.rmdir()
            made = Path(tempfile.mkdtemp(prefix="sysndd-", dir="/tmp"))
        state["sockets"] = str(made)
        return made

    def release_sockets(self, state: Json) -> None:
        """Delete the sockets; nothing listens on them any more."""
        shutil.rmtree(self.root / "sockets", ignore_errors=True)
        remembered = state.pop("sockets", None)
        if remembered and _is_private_directory(Path(remembered)):
            shutil.rmtree(remembered, ignore_errors=True)


def read_json(path: Path) -> Json:
    """Return the object in a JSON file; empty when there is none.

    Raises:
        LocalRunError: the file is damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise LocalRunError(f"{path} is damaged ({error}); delete it or `make reset`") from error
    return found if isinstance(found, dict) else {}


def write_private(path: Path, text: str) -> None:
    """Replace a file as one step; nobody else may read it, at no moment."""
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
