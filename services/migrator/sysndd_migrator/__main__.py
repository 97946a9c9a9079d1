"""``python -m sysndd_migrator`` and ``sysndd-migrator``: the command line."""

import gc
import sys

# What an import creates stays until the process ends, so the garbage collector need not search it,
# neither now nor at exit: that took a quarter of the time of an `up` with nothing pending.
gc.disable()
from sysndd_migrator.cli.main import main  # noqa: E402

gc.freeze()
gc.enable()

if __name__ == "__main__":
    sys.exit(main())
