"""Encryption at rest: backups are encrypted to age recipients and decrypted with age identities.

The age library copies from a reader to a writer, so it runs in a thread that is connected by a
pipe, which also limits memory. A worker with recipients only can create backups, but not read them.

Source: https://age-encryption.org/v1 (file format).
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
"""Bytes of a file that suffice to test a key: the header and the first chunk of the content."""


class Keys:
    """The recipients to encrypt to, and the identities to decrypt with.

    Args:
        recipients: Public keys as text; empty for backups without encryption.
        identities: Private keys, as objects of the age library.
    """

    def __init__(self, recipients: tuple[str, ...] = (), identities: tuple[Any, ...] = ()) -> None:
        self.recipients = recipients
        self._to = [parse_recipient(text) for text in recipients]
        self._with = list(identities)

    @classmethod
    def configured(cls, settings: EncryptionSettings) -> "Keys":
        """Return the keys from the settings."""
        return cls(
            recipients=tuple(split_recipients(settings.recipients)),
            identities=tuple(parse_identity(text) for text in split_identities(settings.identity)),
        )

    def check_own(self) -> None:
        """Check that the identities can decrypt new backups.

        Raises:
            EncryptionKeyMissing: New backups are encrypted, but there is no identity.
            EncryptionKeyWrong: No identity belongs to one of the recipients.
        """
        if self._to:
            self._check(_Bytes(pyrage.encrypt(b"x", self._to)), "new backups")

    def check_header(self, header: bytes, name: str) -> None:
        """Check that an identity can decrypt a file.

        Args:
            header: The first ``HEADER_BYTES`` of the file.
            name: Name of the backup, for the error.

        Raises:
            EncryptionKeyMissing: There is no identity.
            EncryptionKeyWrong: The file is encrypted to other recipients.
            BackupDamaged: The file is not an age file.
        """
        self._check(_Bytes(header), name)

    def match_any(self, recipients: list[str]) -> bool:
        """Return whether an age identity belongs to one of the recipients.

        SSH keys are ignored, because the library cannot derive their recipient.
        """
        public = {str(key.to_public()) for key in self._with if hasattr(key, "to_public")}
        return bool(public & set(recipients))

    def _check(self, source: "_Bytes", name: str) -> None:
        if not self._with:
            raise EncryptionKeyMissing(
                f"{name} cannot be decrypted, because BACKUP_ENCRYPTION_IDENTITY is not set. Set"
                " it to the identity of one of the recipients."
            )
        try:
            pyrage.decrypt_io(source, _FirstBytes(), self._with)
        except _KeyFitsError:
            return
        except pyrage.DecryptError as error:
            if "No matching keys" not in str(error):
                raise BackupDamaged(f"{name} cannot be decrypted: {error}.") from error
            raise EncryptionKeyWrong(
                f"{name} cannot be decrypted, because BACKUP_ENCRYPTION_IDENTITY does not belong to"
                " any of its recipients. Set it to the identity of one of them."
            ) from error
        except OSError as error:
            raise BackupDamaged(f"{name} cannot be decrypted: {error}.") from error

    @contextlib.contextmanager
    def encrypting(self, raw: "Sink") -> Iterator["Sink"]:
        """Yield a sink that encrypts into ``raw``; complete at the end of the block.

        Without recipients, the sink is ``raw`` itself.

        Raises:
            OSError: Writing to ``raw`` failed; raised by ``write`` or at the end of the block.
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
        """Return a stream of a file's decrypted bytes; reading raises OSError if it is damaged.

        Args:
            path: Path of the file.
            name: Name that ends in ``.age`` if the file is encrypted; the name of ``path`` by
                default.
        """
        if not (name or path.name).endswith(SUFFIX):
            return path.open("rb")
        return BufferedReader(_DecryptingSource(path, self._with), _BUFFER)


class Sink(Protocol):
    """A stream to write to."""

    def write(self, data: bytes, /) -> int:
        """Write bytes; return their number."""

    def flush(self) -> None:
        """Write buffered bytes."""


class _EncryptingSink:
    """The writing end of a pipe; the library reads the other end in a thread."""

    def __init__(self, raw: "Sink", recipients: list[Any]) -> None:
        source, target = os.pipe()
        self._pipe = FileIO(target, "wb")
        self._target = _ErrorRecorder(raw)
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
        """Do nothing: this side has no buffer."""

    def close(self) -> None:
        """Wait until all bytes are written to the target."""
        self._pipe.close()
        self._thread.join()
        error = self._target.error or self._error
        if error is not None:
            raise error

    def abandon(self) -> None:
        """End the thread; the caller discards what it wrote."""
        with contextlib.suppress(Exception):
            self.close()

    def _run(self, recipients: list[Any], source: int) -> None:
        with open(source, "rb", buffering=_BUFFER) as reader:
            try:
                pyrage.encrypt_io(reader, self._target, recipients)
            except BaseException as error:  # noqa: BLE001 - raised again by the writing thread
                self._error = error


class _ErrorRecorder:
    """Writes to a sink and records its error, such as a full disk, which the library replaces."""

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
    """The reading end of a pipe; the library writes to the other end in a thread."""

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
            # If the thread is still writing, it fails with EPIPE and ends.
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
    """A reader of bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    def read(self, size: int, /) -> bytes:
        chunk, self._rest = self._rest[:size], self._rest[size:]
        return bytes(chunk)


class _KeyFitsError(Exception):
    """Decryption returned the first bytes, so the key fits."""


class _FirstBytes:
    """Aborts a decryption at its first bytes, which show that the key fits."""

    def write(self, data: bytes, /) -> int:
        raise _KeyFitsError

    def flush(self) -> None:
        raise _KeyFitsError
