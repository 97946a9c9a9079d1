"""Write the list of common passwords that the API ships, from two Python packages.

    pip download --no-deps django==5.2.19 zxcvbn==4.5.0
    python deploy/passwords/build.py django-*.whl zxcvbn-*.whl

Only needed to update the list; neither package is installed.
"""

import ast
import gzip
import sys
import zipfile
from pathlib import Path

TARGET = Path(__file__).resolve().parents[2] / "services/api/sysndd_api/data/common_passwords.gz"
_SHORTEST = 4
"""Shorter words are not checked; they appear in many strong passwords."""


def main(django: str, zxcvbn: str) -> None:
    """Write the union of both lists: lower case, sorted, one word per line."""
    with zipfile.ZipFile(django) as wheel:
        packed = wheel.read("django/contrib/auth/common-passwords.txt.gz")
    words = set(gzip.decompress(packed).decode().splitlines())
    with zipfile.ZipFile(zxcvbn) as wheel:
        module = ast.parse(wheel.read("zxcvbn/frequency_lists.py"))
    # One string, `"123456,password,…".split(",")`.
    texts = [node.value for node in ast.walk(_passwords(module)) if isinstance(node, ast.Constant)]
    words |= {word for text in texts for word in str(text).split(",")}
    kept = sorted({word.strip().casefold() for word in words if len(word.strip()) >= _SHORTEST})
    TARGET.write_bytes(gzip.compress("\n".join(kept).encode(), mtime=0))
    print(f"{TARGET.name}: {len(kept)} words, {TARGET.stat().st_size} bytes")


def _passwords(module: ast.Module) -> ast.expr:
    """Return the value of ``FREQUENCY_LISTS["passwords"]``."""
    for node in ast.walk(module):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "passwords":
                    return value
    raise SystemExit("zxcvbn/frequency_lists.py contains no list of passwords; use zxcvbn 4.5.0")


if __name__ == "__main__":
    main(*sys.argv[1:])
