"""What runs in one system, on which ports and with which settings."""

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
    "HTTP_PORT": "the proxy in front, for browsers and API clients",
    "MAIL_HTTP_PORT": "the caught mail, for browsers",
    "API_PORT": "the API, for the proxy",
    "DB_PORT": "the private database",
    "REDIS_PORT": "the private Redis",
    "SMTP_PORT": "the mail catcher, for the mailer",
}
KEPT_MAILS = 2000
# Beside the services: a person with a client, a dump's connections, the preflight checks.
SPARE_CONNECTIONS = 40


@dataclass(frozen=True)
class Plan:
    """Everything that ``up`` sets up.

    Arguments:
        ports: by setting.
        access: the database and its accounts.
        database: the private database server; None for one that is there already.
        redis: the private Redis server; None for one that is there already.
        redis_url: what the services use.
        catcher: the mail catcher; None when mail goes to a real server.
        traefik: the proxy's configuration file and program.
        services: our own programs in the order in which they are started, the proxy last.
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
        """The programs that the services need, in the order in which they are started."""
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
        """The proxy's address."""
        return f"http://{LOOPBACK}:{self.ports['HTTP_PORT']}"

    @property
    def mail_url(self) -> str | None:
        """Where caught mail is read; None when mail goes to a real server."""
        return f"http://{LOOPBACK}:{self.ports['MAIL_HTTP_PORT']}" if self.catcher else None


def choose_ports(settings: LocalSettings, remembered: Json, *, running: bool) -> dict[str, int]:
    """Choose a port for each purpose.

    Arguments:
        settings: what somebody asked for.
        remembered: what the last run had; kept where that is possible.
        running: that run still runs, so its ports are taken by itself.

    Raises:
        PortTaken: a port that was asked for, or a default, is in use.
    """
    chosen: dict[str, int] = {}
    for setting, purpose in PURPOSES.items():
        wanted, last = settings.ports[setting], remembered.get(setting)
        if running and last:
            chosen[setting] = last
        elif wanted:
            chosen[setting] = claim(wanted, setting=setting, purpose=purpose)
        elif last and is_free(last) and last not in chosen.values():
            chosen[setting] = last
        else:
            chosen[setting] = _another_free_port(set(chosen.values()))
    return chosen


def make_plan(
    settings: LocalSettings, folder: RunFolder, sockets: Path, ports: dict[str, int]
) -> Plan:
    """Work out what to run; nothing is started or written, but for passwords.

    Raises:
        LocalRunError: a program of ours is not installed.
        MissingProgram: a server program is not installed.
    """
    database = None if settings.database else _private_database(settings, folder, sockets, ports)
    access = _database_access(settings, folder, sockets, ports)
    redis_server = None
    if settings.redis_url is None:
        redis_server = redis.RedisServer(
            folder.root / "redis", ports["REDIS_PORT"], folder.password("redis")
        )
    redis_url = redis_server.url if redis_server else settings.redis_url or ""
    backups = settings.backups or folder.root / "backups"
    common = {
        "PATH": _path(),
        "LOG_FORMAT": settings.log_format,
        "DB_POOL_SIZE": str(settings.pool_size),
        "MIGRATIONS_DIR": str(settings.migrations),
        "BACKUP_DIR": str(backups),
        "REDIS_URL": redis_url,
        "ENVIRONMENT": "development",
        "PUBLIC_URL": settings.public_url or f"http://localhost:{ports['HTTP_PORT']}",
    }
    services = [
        *_workers(settings, folder, ports, access, common),
        Program(
            "traefik",
            proxy.command(folder.root / "proxy" / "traefik.yml"),
            _proxy_environment(settings, ports),
            stop_seconds=30,
        ),
    ]
    return Plan(
        ports=ports,
        access=access,
        database=database,
        redis=redis_server,
        redis_url=redis_url,
        catcher=_catcher(settings, folder, ports) if settings.smtp_host is None else None,
        services=services,
        migrator_environment={**common, **access.environment(access.migrator)},
        backups=backups,
    )


def _workers(
    settings: LocalSettings,
    folder: RunFolder,
    ports: dict[str, int],
    access: DatabaseAccess,
    common: dict[str, str],
) -> list[Program]:
    """Our own services, each with its account and with what it needs of the rest."""
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
    # Derives the links in mails; API and mailer must have the same, and nobody else any.
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
    """Return the path of one of our console scripts, beside this Python.

    Raises:
        LocalRunError: it is not installed.
    """
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise LocalRunError(
            f"{name} is not installed in {path.parent}. `make up` installs it; by hand:\n"
            "    bash deploy/local/bootstrap.sh"
        )
    return str(path)


def _private_database(
    settings: LocalSettings, folder: RunFolder, sockets: Path, ports: dict[str, int]
) -> mariadb.MariadbServer:
    # Each API worker, the backup worker and the mailer have a pool of their own.
    pools = settings.api_workers + 2
    return mariadb.MariadbServer(
        directory=folder.root / "mariadb",
        socket=sockets / "mariadb.sock",
        port=ports["DB_PORT"],
        root_password=folder.password("database_root"),
        max_connections=pools * settings.pool_size + SPARE_CONNECTIONS,
    )


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
                "MP_MAX_MESSAGES": str(KEPT_MAILS),
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
            *("--keep", str(KEPT_MAILS)),
        ],
        {"PYTHONPATH": str(Path(__file__).parents[1])},
    )


def _proxy_environment(settings: LocalSettings, ports: dict[str, int]) -> dict[str, str]:
    return {
        "SYSNDD_HTTP_ADDRESS": f"{LOOPBACK}:{ports['HTTP_PORT']}",
        "SYSNDD_DYNAMIC_DIR": str(settings.repository / "proxy" / "dynamic"),
        "SYSNDD_API_URL": f"http://{LOOPBACK}:{ports['API_PORT']}",
        "SYSNDD_TLS": "off",
        # Nobody is in front of this proxy, whatever the shell says.
        "SYSNDD_TRUSTED_NETWORKS": "",
        # Everybody who uses this run has one address, the loopback's.
        "SYSNDD_RATE_FACTOR": str(settings.rate_factor),
    }


def _path() -> str:
    """Return a PATH on which programs find our console scripts and the servers' clients."""
    return os.pathsep.join([str(Path(sys.executable).parent), mariadb.server_path()])


def _another_free_port(taken: set[int]) -> int:
    while (port := free_port()) in taken:
        pass
    return port
