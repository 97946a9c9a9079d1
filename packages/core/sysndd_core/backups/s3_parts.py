"""Parts of a file for S3-compatible storage, and the hashes of what was sent."""

import base64
import hashlib
from dataclasses import dataclass, field
from io import RawIOBase
from typing import IO, Any

_CHUNK = 1 << 20


@dataclass
class Sent:
    """Hashes of the sent content: of the whole file and of each part."""

    whole: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    md5s: list[bytes] = field(default_factory=list)
    sha256s: list[bytes] = field(default_factory=list)

    @property
    def etag(self) -> str:
        """The expected ETag, where the storage uses the MD5 of the parts' MD5s."""
        return f"{_md5(b''.join(self.md5s)).hexdigest()}-{len(self.md5s)}"

    @property
    def checksum(self) -> str:
        """The expected composite SHA-256."""
        return f"{as_base64(hashlib.sha256(b''.join(self.sha256s)).digest())}-{len(self.sha256s)}"


class Part(RawIOBase):
    """A part of a file as a stream that can be read again for a retry."""

    def __init__(self, file: IO[bytes], first: int, length: int) -> None:
        super().__init__()
        self._file, self._first, self.length = file, first, length
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True, so that the client can retry the part."""
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Change the position, as ``io.IOBase.seek`` does."""
        base = (0, self._at, self.length)[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Return the position in the part."""
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Read the next bytes into ``buffer``; return their number."""
        size = min(len(buffer), self.length - self._at)
        if size <= 0:
            return 0
        self._file.seek(self._first + self._at)
        data = self._file.read(size)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def hash_into(self, hashes: Sent) -> None:
        """Add the hashes of the part, and its content to the hash of the whole file."""
        md5, sha256 = _md5(b""), hashlib.sha256()
        self.seek(0)
        while chunk := self.read(_CHUNK):
            md5.update(chunk)
            sha256.update(chunk)
            hashes.whole.update(chunk)
        hashes.md5s.append(md5.digest())
        hashes.sha256s.append(sha256.digest())
        self.seek(0)


def _md5(data: bytes) -> "hashlib._Hash":
    return hashlib.md5(data, usedforsecurity=False)


def as_base64(data: bytes) -> str:
    """Return data in Base64, the encoding of S3 checksums."""
    return base64.b64encode(data).decode("ascii")
