"""Static files of the pages: read and compressed once, with an address for each version."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

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


@dataclass(frozen=True)
class _File:
    media_type: str
    digest: str
    plain: bytes
    compressed: bytes


def accepts_gzip(request: Request) -> bool:
    """Tell whether the client accepts gzip; a weight of zero rejects it (RFC 9110, 12.5.3)."""
    for offer in request.headers.get("accept-encoding", "").split(","):
        coding, _, weight = offer.partition(";")
        if coding.strip().lower() == "gzip":
            return not _ZERO_WEIGHT.fullmatch(weight.strip())
    return False


async def static_file(request: Request) -> Response:
    """Return a style sheet, script or icon of the pages."""
    file = _files().get(request.path_params["name"])
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
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
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
def _files() -> dict[str, _File]:
    found = {
        path.relative_to(_FOLDER).as_posix(): path.read_bytes()
        for path in sorted(_FOLDER.rglob("*"))
        if path.suffix in _MEDIA_TYPES
    }
    bundles = {
        name: b"\n".join(found.pop(part) for part in parts) for name, parts in _BUNDLES.items()
    }
    return {name: _compressed(name, plain) for name, plain in (found | bundles).items()}


def _compressed(name: str, plain: bytes) -> _File:
    return _File(
        _MEDIA_TYPES[Path(name).suffix],
        hashlib.sha256(plain).hexdigest()[:16],
        plain,
        gzip.compress(plain, 9, mtime=0),
    )
