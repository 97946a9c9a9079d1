"""Formats of numbers and documents on the command line."""

import json
from collections.abc import Mapping
from typing import Any


def print_json(document: Mapping[str, Any]) -> None:
    """Print a document; values without a JSON type become text."""
    print(json.dumps(document, ensure_ascii=False, indent=2, default=str))


def count(number: int, noun: str) -> str:
    """Return ``1 file`` or ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def needs_resolution(files: int) -> str:
    """Return the sentence about files that require manual resolution."""
    verb = "needs" if files == 1 else "need"
    return f"{count(files, 'file')} {verb} manual resolution; `up` will refuse to run."


def duration(seconds: float) -> str:
    """Return a duration with a suitable unit."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def size(count_of_bytes: int) -> str:
    """Return a number of bytes with a suitable unit."""
    value = float(count_of_bytes)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
