"""The programs of one run, their ports and their settings."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from sysndd_local import mariadb, proxy, redis
from sysndd_local.accounts import Account, DatabaseAccess
from sysndd_local.errors import LocalRunError
from sysndd_local.ports import LOOPBACK, claim, free_port, is_free
from sysndd_local.run_folder import Json, RunFolder
from sysndd_local.settings import LocalSettings
from sysndd_local.supervision import Program

ADMINISTRATOR = "admin"
PURPOSES = {
    "HTTP_PORT": "the proxy, for browsers and API clients",
    "MAIL_HTTP_PORT": "the caught emails, for browsers",
    "API_PORT": "the API, for the proxy",
    "DB_PORT": "the private database",
    "REDIS_PORT": "the private Redis",
    "SMTP_PORT": "the mail catcher, for the mailer",
}
KEPT_EMAILS = 2000
# In addition to the services: people with a client, the connections of a dump, preflight checks.
SPARE_CONNECTIONS = 40


@dataclass(frozen=True)
class Plan:
    """Everything that ``up`` sets up.

    Args:
        ports: by setting.
        access: the database and its accounts.
        database: the private database server; None if an existing one is used.
        redis: the private Redis server; None if an existing one is used.
        redis_url: the Redis server that the services use.
        catcher: the mail catcher; None if emails are sent to a real server.
        services: our own programs and the proxy, in start order.
        migrator_environment: settings of the one-shot migrator.
        backups: directory of the backups.
    """

    ports: dict[str, int]
    access: DatabaseAccess
    database: mariadb.MariadbServer | None
    redis: redis.RedisServer | None
    redis_url: str = field(repr=False)
    catcher: Program | None
    services: list[Program]
    migrator_environment: dict[str, str] = field(repr=False)
    backups: Path

    @property
    def servers(self) -> list[Program]:
        """The servers that the services need, in start order."""
        found = []
        if self.database is not None:
            found.append(Program("mariadb", mariadb.command(self.database), stop_seconds=120))
        if self.redis is not None:
            found.append(Program("redis", redis.command(self.redis), stop_seconds=30))
        if self.catcher is not None:
            found.append(self.catcher)
        return found

    @property
    def base_url(self) -> str:
        """Address of the proxy."""
        return f"http://{LOOPBACK}:{self.ports['HTTP_PORT']}"

    @property
    def mail_url(self) -> str | None:
        """Address of the mail catcher; None if emails are sent to a real server."""
        return f"http://{LOOPBACK}:{self.ports['MAIL_HTTP_PORT']}" if self.catcher else None


def choose_ports(settings: LocalSettings, previous: Json, *, running: bool) -> dict[str, int]:
    """Choose a port for each purpose.

    Args:
        settings: the requested ports.
        previous: the ports of the last run; reused where possible.
        running: the last run still runs and uses its ports itself.

    Raises:
        PortTaken: a requested or default port is in use.
    """
    chosen: dict[str, int] = {}
    for setting, purpose in PURPOSES.items():
        requested, last = settings.ports[setting], previous.get(setting)
        if running and last:
            chosen[setting] = last
        elif requested:
            chosen[setting] = claim(requested, setting=setting, purpose=purpose)
        elif last and is_free(last) and last not in chosen.values():
            chosen[setting] = last
        else:
            chosen[setting] = _another_free_port(set(chosen.values()))
    return chosen


def make_plan(
    settings: LocalSettings, folder: RunFolder, sockets: Path, ports: dict[str, int]
) -> Plan:
    """Determine what to run; nothing is started, and only passwords are written.

    Raises:
        LocalRunError: one of our programs is not installed.
        MissingProgram: a server program is not installed.
    """
    access = _database_access(settings, folder, sockets, ports)
    own_redis = None if settings.redis_url else _private_redis(folder, ports)
    redis_url = own_redis.url if own_redis else settings.redis_url or ""
    backups = settings.backups or folder.root / "backups"
    common = _common_environment(settings, ports, redis_url=redis_url, backups=backups)
    return Plan(
        ports=ports,
        access=access,
        database=None if settings.database else _private_database(settings, folder, sockets, ports),
        redis=own_redis,
        redis_url=redis_url,
        catcher=_catcher(settings, folder, ports) if settings.smtp_host is None else None,
        services=[
            *_own_services(settings, folder, ports, access, common),
            _proxy(settings, ports),
        ],
        migrator_environment={**common, **access.environment(access.migrator)},
        backups=backups,
    )


def _common_environment(
    settings: LocalSettings, ports: dict[str, int], *, redis_url: str, backups: Path
) -> dict[str, str]:
    return {
        "PATH": _path(),
        "LOG_FORMAT": settings.log_format,
        "DB_POOL_SIZE": str(settings.pool_size),
        "MIGRATIONS_DIR": str(settings.migrations),
        "BACKUP_DIR": str(backups),
        "REDIS_URL": redis_url,
        "ENVIRONMENT": "development",
        "PUBLIC_URL": settings.public_url or f"http://localhost:{ports['HTTP_PORT']}",
    }


def _own_services(
    settings: LocalSettings,
    folder: RunFolder,
    ports: dict[str, int],
    access: DatabaseAccess,
    common: dict[str, str],
) -> list[Program]:
    """Return API, backup worker and mailer, each with its own database account."""
    mail = _mail_environment(settings, folder, ports)
    api = {
        "API_HOST": LOOPBACK,
        "API_PORT": str(ports["API_PORT"]),
        "API_WORKERS": str(settings.api_workers),
    }
    return [
        Program(
            "api",
            [script("sysndd-api")],
            {**common, **mail, **access.environment(access.api), **api},
            stop_seconds=35,
        ),
        Program(
            "backup-worker",
            [script("sysndd-backup-worker")],
            {**common, **access.environment(access.backup), **_load_account(access)},
            stop_seconds=30,
        ),
        Program(
            "mailer",
            [script("sysndd-mailer")],
            {**common, **mail, **access.environment(access.mailer)},
            stop_seconds=30,
        ),
    ]


def _mail_environment(
    settings: LocalSettings, folder: RunFolder, ports: dict[str, int]
) -> dict[str, str]:
    # Derives the links in emails: API and mailer need the same key, and no other service needs it.
    key = {"TOKEN_KEY": folder.password("token_key")}
    if settings.smtp_host is not None:
        return key
    return key | {
        "SMTP_HOST": LOOPBACK,
        "SMTP_PORT": str(ports["SMTP_PORT"]),
        "SMTP_SECURITY": "none",
        "SMTP_USER": "",
        "SMTP_PASSWORD": "",
    }


def script(name: str) -> str:
    """Return the path of one of our console scripts, next to this Python.

    Raises:
        LocalRunError: it is not installed.
    """
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise LocalRunError(
            f"{name} is not installed in {path.parent}. Install it with\n"
            "    bash deploy/local/bootstrap.sh"
        )
    return str(path)


def _private_database(
    settings: LocalSettings, folder: RunFolder, sockets: Path, ports: dict[str, int]
) -> mariadb.MariadbServer:
    # Each API worker, the backup worker and the mailer has its own pool.
    pools = settings.api_workers + 2
    return mariadb.MariadbServer(
        directory=folder.root / "mariadb",
        socket=sockets / "mariadb.sock",
        port=ports["DB_PORT"],
        root_password=folder.password("database_root"),
        max_connections=pools * settings.pool_size + SPARE_CONNECTIONS,
    )


def _private_redis(folder: RunFolder, ports: dict[str, int]) -> redis.RedisServer:
    return redis.RedisServer(folder.root / "redis", ports["REDIS_PORT"], folder.password("redis"))


def _database_access(
    settings: LocalSettings, folder: RunFolder, sockets: Path, ports: dict[str, int]
) -> DatabaseAccess:
    external = settings.database
    if external is not None:
        account = Account(external.user, external.password)
        return DatabaseAccess(
            host=external.host,
            port=external.port,
            socket=external.socket,
            schema=settings.schema,
            ops_schema=settings.ops_schema,
            api=account,
            migrator=account,
            backup=account,
            mailer=account,
            operator=account,
            load=Account(external.load_user, external.load_password)
            if external.load_user
            else None,
        )
    return DatabaseAccess(
        host=LOOPBACK,
        port=ports["DB_PORT"],
        socket=sockets / "mariadb.sock",
        schema=settings.schema,
        ops_schema=settings.ops_schema,
        api=Account("sysndd_api", folder.password("database_api")),
        migrator=Account("sysndd_migrator", folder.password("database_migrator")),
        backup=Account("sysndd_backup", folder.password("database_backup")),
        mailer=Account("sysndd_mailer", folder.password("database_mailer")),
        operator=Account("sysndd", folder.password("database_operator")),
        load=Account("sysndd_load", folder.password("database_load")),
    )


def _load_account(access: DatabaseAccess) -> dict[str, str]:
    if access.load is None:
        return {}
    return {"BACKUP_LOAD_USER": access.load.user, "BACKUP_LOAD_PASSWORD": access.load.password}


def _catcher(settings: LocalSettings, folder: RunFolder, ports: dict[str, int]) -> Program:
    directory = folder.root / "mail"
    if settings.mailpit is not None:
        # https://mailpit.axllent.org/docs/configuration/runtime-options/
        return Program(
            "mail-catcher",
            [str(settings.mailpit)],
            {
                "MP_SMTP_BIND_ADDR": f"{LOOPBACK}:{ports['SMTP_PORT']}",
                "MP_UI_BIND_ADDR": f"{LOOPBACK}:{ports['MAIL_HTTP_PORT']}",
                "MP_DATABASE": str(directory / "mailpit.db"),
                "MP_MAX_MESSAGES": str(KEPT_EMAILS),
                "MP_DISABLE_VERSION_CHECK": "true",
            },
        )
    return Program(
        "mail-catcher",
        [
            *(sys.executable, "-m", "sysndd_local.catcher"),
            *("--smtp-port", str(ports["SMTP_PORT"])),
            *("--http-port", str(ports["MAIL_HTTP_PORT"])),
            *("--directory", str(directory)),
            *("--keep", str(KEPT_EMAILS)),
        ],
        {"PYTHONPATH": str(Path(__file__).parents[1])},
    )


def _proxy(settings: LocalSettings, ports: dict[str, int]) -> Program:
    environment = {
        "PATH": proxy.path(),
        "SYSNDD_HTTP_ADDRESS": f"{LOOPBACK}:{ports['HTTP_PORT']}",
        "SYSNDD_DYNAMIC_DIR": str(settings.repository / "proxy" / "dynamic"),
        "SYSNDD_API_URL": f"http://{LOOPBACK}:{ports['API_PORT']}",
        "SYSNDD_TLS": "off",
        # No load balancer is in front of this proxy, whatever the environment of `make up`
        # contains.
        "SYSNDD_TRUSTED_NETWORKS": "",
        # All clients of this run have the same address, the loopback address.
        "SYSNDD_RATE_FACTOR": str(settings.rate_factor),
    }
    command = proxy.command(settings.repository / "proxy")
    return Program("traefik", command, environment, stop_seconds=30)


def _path() -> str:
    """Return a PATH with our console scripts and the clients of the servers."""
    return os.pathsep.join([str(Path(sys.executable).parent), mariadb.server_path()])


def _another_free_port(taken: set[int]) -> int:
    while (port := free_port()) in taken:
        pass
    return port
