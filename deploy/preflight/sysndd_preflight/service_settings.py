"""A service's settings, built from its environment as the service itself builds them."""

from collections.abc import Iterator

from sysndd_api.settings import ApiSettings
from sysndd_backup.settings import BackupWorkerSettings
from sysndd_core.errors import SettingsError
from sysndd_core.settings.base import Settings, load
from sysndd_core.settings.database import DatabaseSettings
from sysndd_mailer.settings import MailerSettings
from sysndd_migrator.settings import MigratorSettings
from sysndd_preflight.catalog import NotHere, Problem
from sysndd_preflight.deployment import Deployment

KINDS: dict[str, type[Settings]] = {
    "migrator": MigratorSettings,
    "api": ApiSettings,
    "backup-worker": BackupWorkerSettings,
    "mailer": MailerSettings,
}


def built(deployment: Deployment, name: str) -> Settings:
    """Return a service's settings.

    Raises:
        NotHere: they are not known.
        Problem: they make no sense; `config.complete` says it in full.
    """
    service = deployment.services.get(name)
    if service is None:
        raise NotHere(f"the settings of {name} are not known (--system or --env {name}=FILE)")
    try:
        return load(KINDS[name], service.environment)
    except SettingsError as error:
        raise Problem(f"{name}: {error.detail}") from error


def api(deployment: Deployment) -> ApiSettings:
    """Return the API's settings; raises as ``built``."""
    settings = built(deployment, "api")
    assert isinstance(settings, ApiSettings)
    return settings


def backup_worker(deployment: Deployment) -> BackupWorkerSettings:
    """Return the backup worker's settings; raises as ``built``."""
    settings = built(deployment, "backup-worker")
    assert isinstance(settings, BackupWorkerSettings)
    return settings


def mailer(deployment: Deployment) -> MailerSettings:
    """Return the mailer's settings; raises as ``built``."""
    settings = built(deployment, "mailer")
    assert isinstance(settings, MailerSettings)
    return settings


def databases(deployment: Deployment) -> Iterator[tuple[str, DatabaseSettings]]:
    """Yield each known service with its database account.

    Raises:
        NotHere: no service's settings are known.
    """
    known = [name for name in KINDS if name in deployment.services]
    if not known:
        raise NotHere("no service's settings are known (--system or --env SERVICE=FILE)")
    for name in known:
        database = getattr(built(deployment, name), "database", None)
        assert isinstance(database, DatabaseSettings), name
        yield name, database


def load_account(deployment: Deployment) -> DatabaseSettings | None:
    """Return the account that backups are loaded by; None where there is none of its own."""
    if "backup-worker" not in deployment.services:
        return None
    settings = backup_worker(deployment)
    if not settings.backup.load_user or settings.backup.load_password is None:
        return None
    changes = {"user": settings.backup.load_user, "password": settings.backup.load_password}
    return settings.database.model_copy(update=changes)
