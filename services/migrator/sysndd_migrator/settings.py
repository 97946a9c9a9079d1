"""Settings that the migrator reads from its environment."""

from pydantic import Field, SecretStr

from sysndd_core.settings.base import Settings, SettingsGroup
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.settings.log import LogSettings
from sysndd_core.settings.migrations import MigrationSettings


class OtherServerSettings(SettingsGroup):
    """The password for the server of ``--server``, whose address is on the command line."""

    password: SecretStr = Field(
        SecretStr(""),
        alias="VERIFY_SERVER_PASSWORD",
        description="Password for the server that `sysndd-migrator verify --server` names.",
    )


class MigratorSettings(Settings):
    """The settings groups of the migrator."""

    database: DatabaseSettings
    migrations: MigrationSettings
    log: LogSettings
    other_server: OtherServerSettings
