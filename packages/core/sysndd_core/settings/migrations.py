"""The application's migration files."""

from pathlib import Path

from pydantic import Field

from sysndd_core.settings.base import SettingsGroup


class MigrationSettings(SettingsGroup):
    """Where the application's migration files are."""

    directory: Path = Field(
        Path("db/migrations"),
        alias="MIGRATIONS_DIR",
        description="Directory of the migrations (`NNN_name.sql`).",
    )
