"""Single checks of the preflight, and a deployment on the test session's servers to sabotage."""

import asyncio
import re
import shutil
from dataclasses import replace
from pathlib import Path

from sysndd_local import accounts
from sysndd_preflight.checks import CATALOG
from sysndd_preflight.deployment import Deployment, Service
from sysndd_preflight.runner import Result, run
from tests.support.catchers import TestCatcher
from tests.support.site import REPOSITORY, Site

PASSWORDS = {role: f"{role}Passw0rd{'x' * 12}" for role in
             ("api", "migrator", "backup", "mailer", "operator", "load")}  # fmt: skip


def look(deployment: Deployment, name: str) -> Result:
    """Run one check."""
    (result,) = asyncio.run(run(deployment, [CATALOG[name]], lambda _: None))
    return result


def assert_caught(deployment: Deployment, name: str, saw: str, *, status: str = "fail") -> Result:
    """Assert that a check fails with these words, and says how to mend it."""
    result = look(deployment, name)
    assert (result.status, result.check.id) == (status, name), result
    assert saw in result.saw, result.saw
    assert result.mend
    assert not any(password in result.saw for password in PASSWORDS.values())
    return result


def changed(deployment: Deployment, service: str, **settings: str) -> Deployment:
    """Return the deployment with some of a service's settings changed."""
    old = deployment.services[service]
    new = replace(old, environment={**old.environment, **settings})
    return replace(deployment, services={**deployment.services, service: new})


def copy_of_files(directory: Path) -> Path:
    """Copy what the static checks read, to be changed."""
    for name in ("proxy", "deploy/accounts", "deploy/docker-compose.production.yml"):
        source, target = REPOSITORY / name, directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    for source in (*REPOSITORY.glob("docker-compose*.yml"), *REPOSITORY.glob(".hadolint*"),
                   *REPOSITORY.glob("services/*/Dockerfile")):  # fmt: skip
        target = directory / source.relative_to(REPOSITORY)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    return directory


def spoil(file: Path, pattern: str, replacement: str) -> str:
    """Change a file as a fault does; return what it was."""
    text = file.read_text()
    changed_text, count = re.subn(pattern, lambda _: replacement, text)
    assert count, f"{file} has changed: {pattern}"
    file.write_text(changed_text)
    return text


def make_deployment(site: Site, catcher: TestCatcher) -> Deployment:
    """Make the accounts of a deployment on a site, and describe it."""
    server = site.server
    passwords = {role: accounts.Account(f"sysndd_{role}", password)
                 for role, password in PASSWORDS.items()}  # fmt: skip
    passwords["operator"] = accounts.Account("sysndd", PASSWORDS["operator"])
    access = accounts.DatabaseAccess(
        host=server.host, port=server.port, socket=None, schema=site.app, ops_schema=site.ops,
        **passwords,
    )  # fmt: skip
    with server.connect() as root:
        accounts.create_accounts(root, REPOSITORY / "deploy/accounts/accounts.sql", access)
    common = site.environ | catcher.environ()
    load = {"BACKUP_LOAD_USER": "sysndd_load", "BACKUP_LOAD_PASSWORD": PASSWORDS["load"]}
    services = {
        "migrator": Service(common | access.environment(access.migrator)),
        "api": Service(common | access.environment(access.api), stop_seconds=35),
        "backup-worker": Service(common | access.environment(access.backup) | load),
        "mailer": Service(common | access.environment(access.mailer)),
    }
    return Deployment(REPOSITORY, services=services, backup_dir=site.backup_dir)


def remove_accounts(site: Site) -> None:
    """Drop the accounts again: their grants name a site that is gone."""
    for role in PASSWORDS:
        name = "sysndd" if role == "operator" else f"sysndd_{role}"
        site.server.execute(f"DROP USER IF EXISTS '{name}'@'%'")
