"""``python -m sysndd_local``."""

import sys

from sysndd_local.command_line import main

sys.exit(main())
