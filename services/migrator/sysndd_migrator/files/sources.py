"""The two schemas and the files that each of them is made from."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from sysndd_core.db.schema_version import MigrationDirectory, MigrationFile, list_migrations
from sysndd_core.settings.database import DatabaseSettings
from sysndd_migrator.errors import InputUnreadable
from sysndd_migrator.files.script import Script, read_bytes


@dataclass(frozen=True)
class Source:
    """One schema and the files it is made from.

    Attributes:
        name: ``platform`` or ``application``.
        schema: name of the schema on the server.
        scripts: the files in numeric order.
        directory: what the listing found, with duplicates and strangely named files.
    """

    name: str
    schema: str
    scripts: tuple[Script, ...]
    directory: MigrationDirectory


def read_sources(settings: DatabaseSettings, directory: Path) -> tuple[Source, Source]:
    """Read the platform's files from the package and the application's from the directory.

    Args:
        settings: the names of the schemas.
        directory: the application's migrations.

    Raises:
        InputUnreadable: the directory or a file can't be read.
    """
    with resources.as_file(resources.files("sysndd_migrator") / "platform") as packaged:
        platform = _read_source("platform", settings.ops_name, packaged, "platform/")
    return platform, _read_source("application", settings.name, directory, f"{directory}/")


def _read_source(name: str, schema: str, directory: Path, shown: str) -> Source:
    try:
        listed = list_migrations(directory)
    except OSError as error:
        raise InputUnreadable(
            f"The directory {directory} can't be read: {error.strerror}. Set MIGRATIONS_DIR or --dir."
        ) from error
    return Source(name, schema, tuple(_script(file, shown) for file in listed.files), listed)


def _script(file: MigrationFile, shown: str) -> Script:
    return Script(file.number, file.filename, f"{shown}{file.filename}", read_bytes(file.path))
