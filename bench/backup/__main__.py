"""``make bench WHAT=backup``: backups on a generated database, beside the raw tools, ratio by pairs.

One MariaDB server with the settings of a production server, started for this and thrown away. The
contestants take turns, so that a slow minute of the machine hits all of them.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bench.backup import dumping
from bench.backup.dataset import fill
from bench.server import POOL_MB, running_server
from sysndd_local import mariadb

_SCHEMA = "bench"


def main() -> int:
    """Make the data, let the contestants take turns, print the table."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="sysndd-bench-", dir=options.folder) as folder:
        root = Path(folder)
        (root / "files").mkdir()
        with running_server(root / "server", buffer_pool_mb=POOL_MB) as server:
            _tell(f"making about {options.megabytes:g} MB of SQL …")
            begun = time.monotonic()
            with mariadb.connect_as_root(server) as connection:
                connection.autocommit(True)
                rows = fill(connection, _SCHEMA, options.megabytes)
            _tell(f"{sum(rows.values()):,} rows in {time.monotonic() - begun:.0f} s")
            found = dumping.compare(server, _SCHEMA, root / "files", options.rounds, _tell)
            print("\n".join(dumping.table(found)))
    return 0


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.backup", description=__doc__)
    parser.add_argument("--megabytes", type=float, default=100, help="of SQL (default 100)")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--folder", type=Path, help="where the data go; needs four times their size"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
