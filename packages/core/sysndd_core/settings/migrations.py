"""The application's migration files."""

from pathlib import Path

from pydantic import Field

from sysndd_core.settings.base import SettingsGroup


class MigrationSettings(SettingsGroup):
    """The application's migrations."""

    directory: Path = Field(
        Path("db/migrations"),
        alias="MIGRATIONS_DIR",
        description="Directory of NNN_name.sql files.",
    )
