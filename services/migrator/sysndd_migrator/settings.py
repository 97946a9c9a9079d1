"""What the migrator reads from its environment."""

from sysndd_core.settings import DatabaseSettings, LogSettings, MigrationSettings, Settings


class MigratorSettings(Settings):
    """The groups the migrator uses."""

    database: DatabaseSettings
    migrations: MigrationSettings
    log: LogSettings
