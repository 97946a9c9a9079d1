"""The settings of a service, loaded from its environment as the service itself does."""

from collections.abc import Iterator

from sysndd_api.settings import ApiSettings
from sysndd_backup.settings import BackupWorkerSettings
from sysndd_core.errors import SettingsError
from sysndd_core.settings.base import Settings, load
from sysndd_core.settings.database import DatabaseSettings
from sysndd_mailer.settings import MailerSettings
from sysndd_migrator.settings import MigratorSettings
from sysndd_preflight.catalog import Problem, Skipped
from sysndd_preflight.deployment import Deployment

KINDS: dict[str, type[Settings]] = {
    "migrator": MigratorSettings,
    "api": ApiSettings,
    "backup-worker": BackupWorkerSettings,
    "mailer": MailerSettings,
}


def known_services(deployment: Deployment) -> list[str]:
    """Return the names of the services whose settings are known.

    Raises:
        Skipped: there is none.
    """
    known = [name for name in KINDS if name in deployment.services]
    if not known:
        raise Skipped("no settings of services are known; use --system or --env SERVICE=FILE")
    return known


def load_settings(deployment: Deployment, name: str) -> Settings:
    """Return the settings of a service.

    Raises:
        Skipped: they are unknown.
        Problem: they are invalid; `config.complete` reports the details.
    """
    service = deployment.services.get(name)
    if service is None:
        raise Skipped(f"the settings of {name} are unknown; use --system or --env {name}=FILE")
    try:
        return load(KINDS[name], service.environment)
    except SettingsError as error:
        raise Problem(
            f"{name}: {error.detail}", "Correct this setting first; see the check config.complete."
        ) from error


def api_settings(deployment: Deployment) -> ApiSettings:
    """Return the settings of the API; raises as ``load_settings``."""
    settings = load_settings(deployment, "api")
    assert isinstance(settings, ApiSettings)
    return settings


def backup_worker_settings(deployment: Deployment) -> BackupWorkerSettings:
    """Return the settings of the backup worker; raises as ``load_settings``."""
    settings = load_settings(deployment, "backup-worker")
    assert isinstance(settings, BackupWorkerSettings)
    return settings


def mailer_settings(deployment: Deployment) -> MailerSettings:
    """Return the settings of the mailer; raises as ``load_settings``."""
    settings = load_settings(deployment, "mailer")
    assert isinstance(settings, MailerSettings)
    return settings


def database_accounts(deployment: Deployment) -> Iterator[tuple[str, DatabaseSettings]]:
    """Yield each known service with its database account; raises as ``known_services``."""
    for name in known_services(deployment):
        database = getattr(load_settings(deployment, name), "database", None)
        assert isinstance(database, DatabaseSettings), name
        yield name, database


def load_account(deployment: Deployment) -> DatabaseSettings | None:
    """Return the account that backups are loaded with, or None if there is no separate one."""
    if "backup-worker" not in deployment.services:
        return None
    settings = backup_worker_settings(deployment)
    if not settings.backup.load_user or settings.backup.load_password is None:
        return None
    changes = {"user": settings.backup.load_user, "password": settings.backup.load_password}
    return settings.database.model_copy(update=changes)
