"""``python -m sysndd_migrator`` and ``sysndd-migrator``: the command line."""

import sys

from sysndd_migrator.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
