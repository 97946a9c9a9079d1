"""Hashes of what was sent to S3-compatible storage in parts."""

import base64
import hashlib
from dataclasses import dataclass, field


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

    def add(self, part: bytes) -> str:
        """Add the hashes of a part; return its SHA-256 in Base64."""
        self.whole.update(part)
        self.md5s.append(_md5(part).digest())
        self.sha256s.append(hashlib.sha256(part).digest())
        return as_base64(self.sha256s[-1])


def _md5(data: bytes) -> "hashlib._Hash":
    return hashlib.md5(data, usedforsecurity=False)


def as_base64(data: bytes) -> str:
    """Return data in Base64, the encoding of S3 checksums."""
    return base64.b64encode(data).decode("ascii")
