"""The two schemas, and the files that create each of them."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from sysndd_core.db.schema_version import MigrationDirectory, MigrationFile, list_migrations
from sysndd_core.settings.database import DatabaseSettings
from sysndd_migrator.errors import InputUnreadable
from sysndd_migrator.files.script import Script, read_bytes


@dataclass(frozen=True)
class Source:
    """One schema and its files.

    Attributes:
        name: ``platform`` or ``application``.
        schema: Name of the schema on the server.
        scripts: The files in numeric order.
        directory: The listing of the directory, with duplicates and ignored files.
        managed: Whether the migrator applies files to the schema and creates its ledger there.
    """

    name: str
    schema: str
    scripts: tuple[Script, ...]
    directory: MigrationDirectory
    managed: bool = True


def read_sources(settings: DatabaseSettings, directory: Path) -> tuple[Source, Source]:
    """Read the platform's files from the package and the application's from the directory.

    Args:
        settings: Names of the schemas.
        directory: The application's migrations; not read if ``SCHEMA_MODE`` is ``observe``.

    Raises:
        InputUnreadable: The directory or a file cannot be read.
    """
    with resources.as_file(resources.files("sysndd_migrator") / "platform") as packaged:
        platform = _read_source("platform", settings.ops_name, packaged, "platform/")
    if not settings.is_managed:
        nothing = MigrationDirectory(files=(), duplicates={}, ignored=())
        return platform, Source("application", settings.name, (), nothing, managed=False)
    return platform, _read_source("application", settings.name, directory, f"{directory}/")


def _read_source(name: str, schema: str, directory: Path, shown: str) -> Source:
    try:
        listed = list_migrations(directory)
    except OSError as error:
        raise InputUnreadable(
            f"The directory {directory} cannot be read: {error.strerror}. Set MIGRATIONS_DIR or "
            "--dir."
        ) from error
    return Source(name, schema, tuple(_script(file, shown) for file in listed.files), listed)


def _script(file: MigrationFile, shown: str) -> Script:
    return Script(file.number, file.filename, f"{shown}{file.filename}", read_bytes(file.path))
