"""``sysndd-migrator`` and ``python -m sysndd_migrator``: the quick look first, then everything."""

import os
import sys

from sysndd_migrator import quick_look


def main() -> int:
    """Run one command; return its exit code."""
    text = quick_look.answer(sys.argv[1:], os.environ)
    if text is not None:
        print(text)
        return 0
    # Only now: loading all of it takes several times as long as the quick look.
    from sysndd_migrator import command_line  # noqa: PLC0415

    return command_line.main()


if __name__ == "__main__":
    sys.exit(main())
