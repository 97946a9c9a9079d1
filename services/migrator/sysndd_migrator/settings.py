"""What the migrator reads from its environment."""

from pydantic import Field, SecretStr

from sysndd_core.settings.base import Settings, SettingsGroup
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.settings.log import LogSettings
from sysndd_core.settings.migrations import MigrationSettings


class OtherServerSettings(SettingsGroup):
    """The second server of ``verify`` and ``lint``, whose address is on the command line."""

    password: SecretStr = Field(
        SecretStr(""),
        alias="VERIFY_SERVER_PASSWORD",
        description="Password for the server that `sysndd-migrator verify --server` names.",
    )


class MigratorSettings(Settings):
    """The groups the migrator uses."""

    database: DatabaseSettings
    migrations: MigrationSettings
    log: LogSettings
    other_server: OtherServerSettings
