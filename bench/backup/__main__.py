"""``make bench WHAT=backup``: backups of a generated database, compared with shell pipelines.

Uses a temporary MariaDB server with the settings of a production server. The tools alternate, so
that other load on the machine affects all of them.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bench.backup import dump
from bench.backup.dataset import fill
from bench.server import POOL_MB, running_server
from sysndd_local import mariadb

_SCHEMA = "bench"


def main() -> int:
    """Generate the data, run the tools alternately and print a table; return 0."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="sysndd-bench-", dir=options.folder) as folder:
        root = Path(folder)
        (root / "files").mkdir()
        with running_server(root / "server", buffer_pool_mb=POOL_MB) as server:
            _report(f"generating about {options.megabytes:g} MB of SQL …")
            started = time.monotonic()
            with mariadb.connect_as_root(server) as connection:
                connection.autocommit(True)
                rows = fill(connection, _SCHEMA, options.megabytes)
            _report(f"{sum(rows.values()):,} rows in {time.monotonic() - started:.0f} s")
            results = dump.compare(server, _SCHEMA, root / "files", options.rounds, _report)
            print("\n".join(dump.table(results)))
    return 0


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.backup", description=__doc__)
    parser.add_argument("--megabytes", type=float, default=100, help="size of the SQL (100)")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--folder", type=Path, help="directory of the data; requires four times their size"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
