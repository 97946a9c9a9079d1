"""docs/migrator.md lists exactly the commands, exit codes and rules that exist."""

import re
from pathlib import Path

from sysndd_migrator.checks.lint_rules import RULES
from sysndd_migrator.cli.arguments import parser
from sysndd_migrator.errors import ExitCode

PAGE = (Path(__file__).parents[3] / "docs" / "migrator.md").read_text(encoding="utf-8")


def test_every_exit_code_is_on_the_page() -> None:
    listed = dict(re.findall(r"^\| (\d+) \| ([a-z ]+) \|", PAGE, re.MULTILINE))
    assert listed == {str(code.value): code.name.lower().replace("_", " ") for code in ExitCode}


def test_every_command_has_its_section_with_an_example() -> None:
    text = parser().format_help()
    commands = set(re.findall(r"^    ([a-z]+)  ", text, re.MULTILINE))
    sections = dict(re.findall(r"^## `([a-z]+)`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
    assert set(sections) == commands
    for command, section in sections.items():
        assert f"$ sysndd-migrator {command}" in section


def test_every_rule_of_lint_is_on_the_page() -> None:
    lint = PAGE.split("## `lint`")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", lint, re.MULTILINE)) == set(RULES)
