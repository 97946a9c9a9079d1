"""The services require the platform schema that the latest platform migration creates."""

from importlib import resources
from pathlib import Path

from sysndd_core.db.schema_version import REQUIRED_PLATFORM_VERSION, list_migrations
from sysndd_migrator.files.script import Script


def test_the_required_platform_version_is_the_latest_platform_migration() -> None:
    with resources.as_file(resources.files("sysndd_migrator") / "platform") as directory:
        listed = list_migrations(directory)
    assert listed.files[-1].filename == REQUIRED_PLATFORM_VERSION
    assert not listed.duplicates
    assert not listed.ignored


def test_the_migrator_can_split_every_migration() -> None:
    root = Path(__file__).resolve().parents[2]
    directories = [
        root / "db" / "migrations",
        root / "services" / "migrator" / "sysndd_migrator" / "platform",
    ]
    for directory in directories:
        for file in list_migrations(directory).files:
            script = Script(file.number, file.filename, file.filename, file.path.read_bytes())
            assert script.units, file.filename
