"""`make lane LANE=containers`: has an engine and the base images, then runs the tests of this folder.

python -m tests.containers [PYTEST-ARGUMENT …]
"""

import subprocess
import sys
import time
from pathlib import Path

from tests.containers import base_images
from tests.containers.engine import NoEngine, engine


def main(arguments: list[str]) -> int:
    """Run the lane; return pytest's exit code, or 1 when no engine can be had."""
    begun = time.monotonic()
    try:
        with engine() as running:
            started = time.monotonic()
            base_images.ensure(running)
            ready = time.monotonic()
            code = subprocess.run(
                [sys.executable, "-m", "pytest", "-p", "no:xdist", str(Path(__file__).parent),
                 *arguments],
                env=running.environ, check=False,
            ).returncode  # fmt: skip
    except NoEngine as failure:
        print(f"test-containers: {failure}", file=sys.stderr)
        return 1
    except subprocess.TimeoutExpired as late:
        print(f"test-containers: not within {late.timeout:g} s: {late.cmd}", file=sys.stderr)
        return 1
    print(
        f"containers: engine {started - begun:.0f} s, base images {ready - started:.0f} s,"
        f" tests {time.monotonic() - ready:.0f} s"
    )
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
