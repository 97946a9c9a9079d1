"""Runs single preflight checks; creates a deployment on the servers of the test session."""

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

PASSWORDS = {
    role: f"{role}Passw0rd{'x' * 12}"
    for role in ("api", "migrator", "backup", "mailer", "operator", "load")
}


def run_check(deployment: Deployment, name: str) -> Result:
    """Run one check."""
    (result,) = asyncio.run(run(deployment, [CATALOG[name]], lambda _: None))
    return result


def assert_problem(
    deployment: Deployment, name: str, finding: str, *, status: str = "fail"
) -> Result:
    """Assert that a check reports a problem with this text in its finding, and a remedy."""
    result = run_check(deployment, name)
    assert (result.status, result.check.id) == (status, name), result
    assert finding in result.finding, result.finding
    assert result.remedy
    assert not any(password in result.finding for password in PASSWORDS.values())
    return result


def with_settings(deployment: Deployment, service: str, **settings: str) -> Deployment:
    """Return the deployment with changed settings of one service."""
    old = deployment.services[service]
    new = replace(old, environment={**old.environment, **settings})
    return replace(deployment, services={**deployment.services, service: new})


def copy_checked_files(directory: Path) -> Path:
    """Copy the files that the static checks read."""
    for name in ("proxy", "deploy/accounts", "deploy/docker-compose.production.yml"):
        source, target = REPOSITORY / name, directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    for source in (
        *REPOSITORY.glob("docker-compose*.yml"),
        *REPOSITORY.glob(".hadolint*"),
        *REPOSITORY.glob("services/*/Dockerfile"),
    ):
        target = directory / source.relative_to(REPOSITORY)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    return directory


def replace_in_file(file: Path, pattern: str, replacement: str) -> str:
    """Replace a pattern in a file; return the previous content."""
    text = file.read_text()
    changed_text, count = re.subn(pattern, lambda _: replacement, text)
    assert count, f"{file} does not contain {pattern}"
    file.write_text(changed_text)
    return text


def make_deployment(site: Site, catcher: TestCatcher) -> Deployment:
    """Create the accounts of a deployment for a site, and describe the deployment."""
    server = site.server
    passwords = {
        role: accounts.Account(f"sysndd_{role}", password) for role, password in PASSWORDS.items()
    }
    passwords["operator"] = accounts.Account("sysndd", PASSWORDS["operator"])
    access = accounts.DatabaseAccess(
        host=server.host,
        port=server.port,
        socket=None,
        schema=site.app,
        ops_schema=site.ops,
        **passwords,
    )
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
    """Drop the accounts, whose grants refer to the schemas of this site."""
    for role in PASSWORDS:
        name = "sysndd" if role == "operator" else f"sysndd_{role}"
        site.server.execute(f"DROP USER IF EXISTS '{name}'@'%'")
