"""`make lane LANE=containers`: prepare an engine and base images, then run these tests.

python -m tests.containers [PYTEST-ARGUMENT …]
"""

import subprocess
import sys
import time
from pathlib import Path

from tests.containers import base_images
from tests.containers.engine import NoEngine, engine


def main(arguments: list[str]) -> int:
    """Run the tests; return the exit code of pytest, or 1 if no engine is available."""
    launched = time.monotonic()
    try:
        with engine() as running:
            started = time.monotonic()
            base_images.ensure(running)
            ready = time.monotonic()
            code = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pytest",
                    "-p",
                    "no:xdist",
                    str(Path(__file__).parent),
                    *arguments,
                ],
                env=running.environ,
                check=False,
            ).returncode
    except NoEngine as error:
        print(f"test-containers: {error}", file=sys.stderr)
        return 1
    except subprocess.TimeoutExpired as error:
        print(f"test-containers: timed out after {error.timeout:g} s: {error.cmd}", file=sys.stderr)
        return 1
    print(
        f"containers: engine {started - launched:.0f} s, base images {ready - started:.0f} s,"
        f" tests {time.monotonic() - ready:.0f} s"
    )
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
