"""Reads the commands of a runbook, so that tests run what an operator types."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "runbooks"


def commands(page: str, heading: str, **values: str) -> list[str]:
    """Return the commands of one section of a runbook, in order.

    Args:
        page: file name in ``docs/runbooks``.
        heading: title of the section.
        values: what replaces the placeholders that the page names, such as ``NEW``.

    Returns:
        The text of each ``sh`` block, without its last line break. A step has one command.
    """
    text = (FOLDER / page).read_text(encoding="utf-8")
    section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.M)
    assert section is not None, f"{page} has no section {heading!r}"
    found = re.findall(r"^```sh\n(.+?)\n```$", section[1], re.DOTALL | re.M)
    assert found, f"{page}, {heading!r}: no commands"
    for name, value in values.items():
        found = [command.replace(name, value) for command in found]
    return found
