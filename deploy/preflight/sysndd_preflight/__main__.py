"""``python -m sysndd_preflight``."""

import sys

from sysndd_preflight.command_line import main

if __name__ == "__main__":
    sys.exit(main())
