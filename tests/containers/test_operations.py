"""The commands of the runbooks, run on the running deployment exactly as written."""

import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pymysql
import pytest

from tests.containers.stack import SERVICES, Stack, docker, inspect
from tests.containers.traffic import Traffic, administrator
from tests.support.runbooks import commands

# git rejects a checkout of another user, and these tests may run as root.
SAFE_DIRECTORY = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}


def run(
    stack: Stack,
    page: str,
    heading: str,
    note: Callable[[str, object], None],
    **values: str,
) -> str:
    """Run the commands of a section, record their durations, and return their output."""
    printed = ""
    for line in commands(page, heading, **values):
        started = time.monotonic()
        done = subprocess.run(
            ["sh", "-euc", line],
            cwd=stack.site,
            env=stack.environ | SAFE_DIRECTORY,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        note(line, f"{time.monotonic() - started:.1f} s")
        assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        printed += done.stdout
    return printed


@pytest.fixture(scope="module")
def released(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The deployment at version 1.0.0 of a repository that also has 1.1.0."""
    remote = tmp_path_factory.mktemp("remote")
    git = ["git", "-c", "user.name=Lane", "-c", "user.email=lane@sysndd.example"]
    environ = stack.environ | SAFE_DIRECTORY

    def in_site(*arguments: str) -> None:
        subprocess.run(
            [*git, *arguments], cwd=stack.site, env=environ, check=True, capture_output=True
        )

    (stack.site / ".gitignore").write_text("/.env\n/secrets/\n/on-this-machine.yml\n")
    in_site("init", "--quiet", "--initial-branch=main")
    in_site("add", ".")
    in_site("commit", "--quiet", "-m", "1.0.0")
    in_site("tag", "v1.0.0")
    subprocess.run(["git", "init", "--quiet", "--bare", remote], check=True)
    in_site("remote", "add", "origin", str(remote))
    in_site("commit", "--quiet", "--allow-empty", "-m", "1.1.0")
    in_site("tag", "v1.1.0")
    in_site("push", "--quiet", "--tags", "origin", "main")
    in_site("checkout", "--quiet", "v1.0.0")
    for service in SERVICES:
        docker("tag", f"sysndd-{service}:lane", f"sysndd-{service}:1.0.0")
    stack.configure(SYSNDD_VERSION="1.0.0")
    stack.up("--no-build")
    stack.change_owner()
    return stack


def api_images(stack: Stack) -> set[str]:
    return {container["Config"]["Image"] for container in stack.containers("api")}


@pytest.mark.parametrize(
    ("heading", "version"), [("Upgrade", "1.1.0"), ("Rollback", "1.0.0")]
)  # in this order
def test_an_update_under_load_loses_no_request(
    released: Stack,
    system: Path,
    record_property: Callable[[str, object], None],
    heading: str,
    version: str,
) -> None:
    before = {container["Id"] for container in released.containers("api")}
    load = Traffic(system, clients=6)
    with load:
        time.sleep(2)
        run(released, "upgrade.md", heading, record_property, NEW="1.1.0", OLD="1.0.0")
        time.sleep(2)
    containers = released.containers("api")
    assert len(containers) == 2
    assert not before & {container["Id"] for container in containers}
    assert api_images(released) == {f"sysndd-api:{version}"}
    (image,) = inspect(f"sysndd-api:{version}")
    built_now = image["Config"]["Labels"]["org.opencontainers.image.version"] == version
    assert built_now == (heading == "Upgrade")
    record_property("longest wait in seconds", round(load.longest, 1))
    assert load.failures == []
    assert load.answers["GET", 200] > 50
    assert load.answers["POST", 401] > 20


def test_a_restore_drill_restores_the_initial_state(
    released: Stack, system: Path, record_property: Callable[[str, object], None]
) -> None:
    genes = "/api/genes?page_size=100"
    before = administrator(system).get(genes).json()
    output = run(released, "restore.md", "Restore drill", record_property)
    assert "verified" in output
    assert administrator(system).get(genes).json() == before


def test_only_rotated_secrets_are_accepted(
    released: Stack, system: Path, record_property: Callable[[str, object], None]
) -> None:
    old = {name: released.secret(name) for name in ("db_password_api", "redis_password")}
    run(released, "rotate-secrets.md", "Rotate secrets", record_property)
    assert administrator(system).get("/api/auth/me").status_code == httpx.codes.OK
    sign_in = partial(
        pymysql.connect, host="127.0.0.1", port=released.port("db", 3306), user="sysndd_api"
    )
    sign_in(password=released.secret("db_password_api")).close()
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        sign_in(password=old["db_password_api"])
    refused = released.compose(
        "exec",
        "-T",
        "-e",
        f"REDISCLI_AUTH={old['redis_password']}",
        "redis",
        "redis-cli",
        "ping",
        check=False,
    )
    assert "PONG" not in refused.stdout
