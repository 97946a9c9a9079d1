"""Streams a backup or a range of it, from the backup directory or from off-site storage.

Source: RFC 9110, sections 13 (conditional requests) and 14 (range requests).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import format_datetime
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.backups.s3 import S3Copies
from sysndd_core.errors import RangeNotSatisfiable

_CHUNK = 1 << 18
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True)
class Download:
    """Where the bytes of a backup are.

    Attributes:
        manifest: The manifest of the backup.
        path: The local file, if it exists.
        copies: Off-site storage, if it is configured.
    """

    manifest: BackupManifest
    path: Path
    copies: S3Copies | None

    @property
    def etag(self) -> str:
        """The file's SHA-256, which identifies the bytes at every location."""
        return f'"{self.manifest.sha256}"'

    def response(self, headers: Headers) -> Response:
        """Build the response to a request with these headers.

        Raises:
            RangeNotSatisfiable: The range contains no byte of the file.
        """
        size = self.manifest.size_bytes
        fields = {
            "ETag": self.etag,
            "Accept-Ranges": "bytes",
            "Cache-Control": "no-store",
            "Last-Modified": format_datetime(self.manifest.finished_at, usegmt=True),
            "X-Content-Type-Options": "nosniff",
        }
        if self._is_unchanged(headers.get("if-none-match")):
            return Response(status_code=304, headers=fields)
        byte_range = self._byte_range(headers)
        first, last = byte_range or (0, size - 1)
        if byte_range is not None:
            fields["Content-Range"] = f"bytes {first}-{last}/{size}"
        fields["Content-Length"] = str(last - first + 1)
        # Names contain no character that requires quoting (``check_name``).
        fields["Content-Disposition"] = f'attachment; filename="{self.manifest.name}"'
        return StreamingResponse(
            self._bytes(first, last),
            206 if byte_range is not None else 200,
            media_type="application/octet-stream",
            headers=fields,
        )

    def _is_unchanged(self, header: str | None) -> bool:
        """Return whether the client already has these bytes (weak comparison)."""
        tags = [tag.strip().removeprefix("W/") for tag in (header or "").split(",")]
        return self.etag in tags or "*" in tags

    def _byte_range(self, headers: Headers) -> tuple[int, int] | None:
        """Return the first and last byte of a single range, or None for the whole file."""
        match = _RANGE.fullmatch(headers.get("range", ""))
        if match is None or headers.get("if-range", self.etag) != self.etag:
            return None
        begin, end = match.groups()
        size = self.manifest.size_bytes
        if begin:
            first, last = int(begin), min(int(end), size - 1) if end else size - 1
            if end and int(end) < int(begin):
                return None
        elif end:
            first, last = max(0, size - int(end)), size - 1
        else:
            return None
        if first > last:
            raise RangeNotSatisfiable(f"The file has {size} bytes.", size_bytes=size)
        return first, last

    def _bytes(self, first: int, last: int) -> Iterator[bytes]:
        if not self.manifest.local and self.copies is not None:
            yield from self.copies.read(self.manifest.name, first=first, last=last)
            return
        left = last - first + 1
        with self.path.open("rb") as file:
            file.seek(first)
            while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk
