"""Encryption at rest: backups are written to age recipients and read with an age identity.

The age library moves whole streams from a reader to a writer, so it runs in a thread with a pipe on
our side; memory stays at the pipe's size. A worker that has only recipients can write backups that
it can't read.

Source: https://age-encryption.org/v1 (the file format).
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from io import BufferedReader, FileIO, RawIOBase
from pathlib import Path
from typing import IO, Any, Protocol

import pyrage

from sysndd_core.errors import BackupDamaged, EncryptionKeyMissing, EncryptionKeyWrong
from sysndd_core.settings.encryption import (
    EncryptionSettings,
    parse_identity,
    parse_recipient,
    split_identities,
    split_recipients,
)

SUFFIX = ".age"

_BUFFER = 1 << 18
HEADER_BYTES = 1 << 17
"""Enough of a file to tell whether a key fits: its header and the first piece of its content."""


class Keys:
    """Whom to encrypt to, and what to decrypt with.

    Args:
        recipients: as text; none for plain backups.
        identities: the library's objects.
    """

    def __init__(self, recipients: tuple[str, ...] = (), identities: tuple[Any, ...] = ()) -> None:
        self.recipients = recipients
        self._to = [parse_recipient(text) for text in recipients]
        self._with = list(identities)

    @classmethod
    def configured(cls, settings: EncryptionSettings) -> "Keys":
        """Return the keys that the settings name."""
        return cls(
            recipients=tuple(split_recipients(settings.recipients)),
            identities=tuple(parse_identity(text) for text in split_identities(settings.identity)),
        )

    def check_own(self) -> None:
        """Make sure that what is written now can be read again here.

        Raises:
            EncryptionKeyMissing, EncryptionKeyWrong.
        """
        if self._to:
            self._check(_Bytes(pyrage.encrypt(b"x", self._to)), "new backups")

    def check_header(self, header: bytes, name: str) -> None:
        """Make sure that an identity fits, by a file's first ``HEADER_BYTES``.

        Raises:
            EncryptionKeyMissing, EncryptionKeyWrong.
            BackupDamaged: it is no age file.
        """
        self._check(_Bytes(header), name)

    def are_of(self, recipients: list[str]) -> bool:
        """Tell whether an identity here belongs to one of some recipients.

        Only an age identity says whose it is; an SSH key's recipient is not known from it.
        """
        public = {str(one.to_public()) for one in self._with if hasattr(one, "to_public")}
        return bool(public & set(recipients))

    def _check(self, source: "_Bytes", name: str) -> None:
        if not self._with:
            raise EncryptionKeyMissing(
                f"{name}: encrypted, and BACKUP_ENCRYPTION_IDENTITY is not set here."
            )
        try:
            pyrage.decrypt_io(source, _FirstBytes(), self._with)
        except _KeyFitsError:
            return
        except pyrage.DecryptError as error:
            if "No matching keys" not in str(error):
                raise BackupDamaged(f"{name}: {error}.") from error
            raise EncryptionKeyWrong(
                f"{name} is encrypted to other recipients than BACKUP_ENCRYPTION_IDENTITY's."
            ) from error
        except OSError as error:
            raise BackupDamaged(f"{name}: {error}.") from error

    @contextlib.contextmanager
    def encrypting(self, raw: "Sink") -> Iterator["Sink"]:
        """Yield a sink whose bytes reach ``raw`` encrypted, all of them once the block is left.

        Without recipients that is ``raw`` itself.

        Raises:
            OSError: what writing to ``raw`` raised, from ``write`` or at the end.
        """
        if not self._to:
            yield raw
            return
        sink = _EncryptingSink(raw, self._to)
        try:
            yield sink
        except BaseException:
            sink.abandon()
            raise
        sink.close()

    def open(self, path: Path, *, name: str | None = None) -> IO[bytes]:
        """Return the decrypted bytes of a file; reading raises OSError where it is damaged.

        Args:
            path: of the file.
            name: tells whether it is encrypted, where the path does not.
        """
        if not (name or path.name).endswith(SUFFIX):
            return path.open("rb")
        return BufferedReader(_DecryptingSource(path, self._with), _BUFFER)


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> int:
        """Take bytes; return how many were taken."""

    def flush(self) -> None:
        """Pass on what is buffered."""


class _EncryptingSink:
    """The writing end of a pipe whose other end the library reads in a thread."""

    def __init__(self, raw: "Sink", recipients: list[Any]) -> None:
        source, target = os.pipe()
        self._pipe = FileIO(target, "wb")
        self._kept = _KeepsError(raw)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(recipients, source), daemon=True)
        self._thread.start()

    def write(self, data: bytes, /) -> int:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._pipe.write(rest) or 0 :]
        except BrokenPipeError:
            self.close()
            raise
        return len(data)

    def flush(self) -> None:
        """There is no buffer on our side."""

    def close(self) -> None:
        """Wait until everything has reached the file."""
        self._pipe.close()
        self._thread.join()
        error = self._kept.error or self._error
        if error is not None:
            raise error

    def abandon(self) -> None:
        """Let the thread end; what it wrote is worth nothing."""
        with contextlib.suppress(Exception):
            self.close()

    def _run(self, recipients: list[Any], source: int) -> None:
        with open(source, "rb", buffering=_BUFFER) as reader:
            try:
                pyrage.encrypt_io(reader, self._kept, recipients)
            except BaseException as error:  # noqa: BLE001 - raised again by the writing thread
                self._error = error


class _KeepsError:
    """Passes bytes on, and keeps the error of a full disk: the library changes it on its way."""

    def __init__(self, raw: "Sink") -> None:
        self.error: OSError | None = None
        self._raw = raw

    def write(self, data: bytes, /) -> int:
        try:
            return self._raw.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._raw.flush()


class _DecryptingSource(RawIOBase):
    """The reading end of a pipe that the library fills in a thread."""

    def __init__(self, path: Path, identities: list[Any]) -> None:
        super().__init__()
        source, target = os.pipe()
        self._pipe = FileIO(source, "rb")
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run, args=(path, identities, target), daemon=True
        )
        self._thread.start()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        count = self._pipe.readinto(buffer) or 0
        if not count and len(buffer):
            self._thread.join()
            if self._error is not None:
                raise OSError(str(self._error)) from self._error
        return count

    def close(self) -> None:
        if not self.closed:
            # The thread gets EPIPE when it is not done.
            self._pipe.close()
            self._thread.join()
        super().close()

    def _run(self, path: Path, identities: list[Any], target: int) -> None:
        with FileIO(target, "wb") as pipe:
            try:
                with path.open("rb", buffering=_BUFFER) as file:
                    pyrage.decrypt_io(file, pipe, identities)
            except BaseException as error:  # noqa: BLE001 - raised again by the reading thread
                self._error = error


class _Bytes:
    """A reader of bytes that are in memory."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    def read(self, size: int, /) -> bytes:
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)


class _KeyFitsError(Exception):
    """The first bytes came out."""


class _FirstBytes:
    """Ends a decryption at its first bytes: all we want to know is whether there are any."""

    def write(self, data: bytes, /) -> int:
        raise _KeyFitsError

    def flush(self) -> None:
        raise _KeyFitsError
