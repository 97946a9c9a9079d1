"""``python -m tests.releases VERSION``: record what an installation of this release leaves behind.

``make release`` runs it with each vendor's server. Later releases are tested against what it wrote.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.support.releases import RELEASES, record
from tests.support.servers import start_database, start_redis


def main(version: str) -> None:
    """Record a release below ``tests/data/releases``."""
    with tempfile.TemporaryDirectory() as scratch:
        redis_folder = Path(scratch) / "redis"
        redis_folder.mkdir()
        with start_database(Path(scratch) / "db") as server, start_redis(redis_folder) as redis:
            folder = RELEASES / version / ("mariadb" if server.is_mariadb else "mysql")
            asyncio.run(record(server, redis, folder))
    print(f"Recorded {folder.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main(sys.argv[1])
