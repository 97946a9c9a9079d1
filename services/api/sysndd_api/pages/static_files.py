"""Static files of the pages: read and compressed once, with an address for each version."""

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.web.http import service
from sysndd_core.errors import NotFound

_FOLDER = Path(__file__).with_name("static")
_ADDRESS = "/admin/static/"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_ZERO_WEIGHT = re.compile(r"q=0(\.0{0,3})?", re.IGNORECASE)
_CACHE_ONE_YEAR = "public, max-age=31536000, immutable"
_CACHE_ONE_HOUR = "public, max-age=3600"
# One file, because a page that is laid out while only Pico's style sheet is loaded requests icons
# from data: addresses, which our Content-Security-Policy blocks.
_BUNDLES = {"pages.css": ("vendored/pico.blue.min.css", "site.css")}


_POLICY = "default-src 'none'; frame-ancestors 'none'"


@dataclass(frozen=True)
class StaticFile:
    """A file in memory, plain and compressed.

    Attributes:
        digest: Start of the SHA-256 of its content, which is part of its address.
        policy: Its Content-Security-Policy.
    """

    media_type: str
    digest: str
    plain: bytes
    compressed: bytes
    policy: str

    @classmethod
    def of(cls, content: bytes, media_type: str, *, policy: str = _POLICY) -> "StaticFile":
        """Compress and hash a content."""
        return cls(
            media_type,
            hashlib.sha256(content).hexdigest()[:16],
            content,
            gzip.compress(content, 9, mtime=0),
            policy,
        )


@dataclass(frozen=True)
class SiteFiles:
    """The files of this site that are served beside the shipped ones, by their name."""

    files: Mapping[str, StaticFile]

    def address(self, name: str) -> str:
        """Return the address of a file, which changes with its content."""
        return f"{_ADDRESS}{name}?v={self.files[name].digest}"


def accepts_gzip(request: Request) -> bool:
    """Tell whether the client accepts gzip; a weight of zero rejects it (RFC 9110, 12.5.3)."""
    for offer in request.headers.get("accept-encoding", "").split(","):
        coding, _, weight = offer.partition(";")
        if coding.strip().lower() == "gzip":
            return not _ZERO_WEIGHT.fullmatch(weight.strip())
    return False


async def static_file(request: Request) -> Response:
    """Return a style sheet, script or icon of the pages, or the site's logo."""
    name = request.path_params["name"]
    file = _files().get(name) or service(request, SiteFiles).files.get(name)
    if file is None:
        raise NotFound()
    compressed = accepts_gzip(request)
    version = request.query_params.get("v")
    headers = {
        "Cache-Control": _cache_control(version, file.digest),
        "ETag": f'"{file.digest}{"-gzip" if compressed else ""}"',
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Content-Security-Policy": file.policy,
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if compressed:
        headers["Content-Encoding"] = "gzip"
    return Response(
        file.compressed if compressed else file.plain, headers=headers, media_type=file.media_type
    )


def _cache_control(version: str | None, digest: str) -> str:
    if version is None:
        # Icons that the style sheet refers to.
        return _CACHE_ONE_HOUR
    # A page of another version requested its own content under this name: it must not be cached.
    return _CACHE_ONE_YEAR if version == digest else "no-cache"


def asset(name: str) -> str:
    """Return the address of a static file, which changes with its content."""
    return f"{_ADDRESS}{name}?v={_files()[name].digest}"


@cache
def _files() -> dict[str, StaticFile]:
    found = {
        path.relative_to(_FOLDER).as_posix(): path.read_bytes()
        for path in sorted(_FOLDER.rglob("*"))
        if path.suffix in _MEDIA_TYPES
    }
    bundles = {
        name: b"\n".join(found.pop(part) for part in parts) for name, parts in _BUNDLES.items()
    }
    return {
        name: StaticFile.of(plain, _MEDIA_TYPES[Path(name).suffix])
        for name, plain in (found | bundles).items()
    }
