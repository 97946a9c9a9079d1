"""The documentation says what the code does: every setting, route, job and error code."""

import importlib.util
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_generated_pages_are_current() -> None:
    specification = importlib.util.spec_from_file_location(
        "generate", REPOSITORY / "docs" / "generate.py"
    )
    assert specification is not None
    assert specification.loader is not None
    generate = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(generate)
    stale = [
        path.name
        for path, text in generate.rendered().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run: make docs"
