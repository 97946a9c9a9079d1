"""The first deployment of its runbook, step by step, with a certificate that ACME issues."""

import json
import os
import pty
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.containers.base_images import IMAGES
from tests.containers.stack import PRODUCTION, Stack, create_stack, docker, eventually
from tests.support.proxy import self_signed
from tests.support.runbooks import commands

NAME = "sysndd.example.org"
PASSWORD = "a walk along the river bank"
# https://github.com/letsencrypt/pebble: it asks the names of containers at the ports that they
# have.
PEBBLE = {
    "pebble": {
        "listenAddress": "0.0.0.0:14000",
        "managementListenAddress": "0.0.0.0:15000",
        "certificate": "/pebble/cert.pem",
        "privateKey": "/pebble/key.pem",
        "httpPort": 80,
        "tlsPort": 443,
    }
}


def steps() -> list[str]:
    """Return the commands, without the first: there is no repository to clone from here."""
    clone, *rest = commands("first-deployment.md", "Deploy")
    assert clone.startswith("git clone")
    return rest


def remove_images_of_the_runbook() -> None:
    """Remove images with the version of the runbook, which an earlier commit may have built."""
    version = re.search(r"SYSNDD_VERSION=(\S+)", "\n".join(steps()))
    assert version is not None
    for service in ("api", "backup-worker", "mailer", "migrator"):
        docker("image", "rm", "--force", f"sysndd-{service}:{version[1]}", check=False)


@pytest.fixture
def site(stack: Stack, tmp_path: Path) -> Iterator[Stack]:
    """A new checkout with its environment: DNS names, a certificate authority, a mail server."""
    assert stack  # has the images
    remove_images_of_the_runbook()
    site = create_stack(tmp_path / "site", subnet=244)
    (site.site / ".env").unlink()
    folder = site.site / "pebble"
    folder.mkdir()
    self_signed(folder, names="DNS:pebble")
    (folder / "key.pem").chmod(0o644)
    (folder / "config.json").write_text(json.dumps(PEBBLE))
    mail = {"SMTP_HOST": "mailpit", "SMTP_PORT": "1025", "SMTP_SECURITY": "none"}
    (site.site / "world.yml").write_text(
        yaml.safe_dump(
            {
                "services": {
                    "traefik": {
                        # Traefik's ACME client trusts the certificate of this authority.
                        "environment": {"LEGO_CA_CERTIFICATES": "/pebble/cert.pem"},
                        "volumes": ["./pebble:/pebble:ro"],
                        # Instead of DNS: the authority connects to the name of the site.
                        "networks": {"edge": {"aliases": [NAME]}},
                    },
                    "api": {"environment": mail},
                    "mailer": {"environment": mail},
                    "pebble": {
                        "image": IMAGES["pebble"],
                        "command": ["-config", "/pebble/config.json"],
                        "environment": {"PEBBLE_VA_NOSLEEP": "1"},
                        "volumes": ["./pebble:/pebble:ro"],
                        "ports": ["127.0.0.1::15000"],
                        "networks": ["edge"],
                    },
                }
            }
        )
    )
    site.exported = {
        "COMPOSE_FILE": f"{PRODUCTION}:world.yml",
        "HTTP_ADDRESS": "127.0.0.1:0",
        "HTTPS_ADDRESS": "127.0.0.1:0",
        "SYSNDD_ACME_SERVER": "https://pebble:14000/dir",
        "DB_BUFFER_POOL": "128M",
        "EDGE_SUBNET": site.settings["EDGE_SUBNET"],
        "CURL_HOME": str(site.site),
    }
    site.settings.clear()
    try:
        yield site
    finally:
        site.down()


def on_a_terminal(line: str, site: Stack) -> str:
    """Run a command that prompts for a password; return its output."""
    main, inner = pty.openpty()
    with subprocess.Popen(
        ["sh", "-euc", line],
        cwd=site.site,
        env=site.environ,
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    ) as process:
        os.close(inner)
        shown, answered = "", 0
        with os.fdopen(main, "r+b", buffering=0) as terminal:
            while True:
                try:
                    shown += terminal.read(1000).decode()
                except OSError:  # the other end is closed
                    break
                while answered < len(re.findall("Password: |Repeat password: ", shown)):
                    terminal.write(f"{PASSWORD}\n".encode())
                    answered += 1
        assert process.wait(60) == 0, shown
    return shown


def run(line: str, site: Stack) -> str:
    """Run one command; return its output."""
    if "operator create" in line:
        return on_a_terminal(line, site)
    done = subprocess.run(
        ["sh", "-euc", line],
        cwd=site.site,
        env=site.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def start_authority(site: Stack) -> None:
    """Start the certificate authority: the real one runs before anybody deploys a site."""
    site.compose("up", "--detach", "pebble")
    eventually("the authority answers", 60, lambda: root_certificate(site))


def root_certificate(site: Stack) -> str | None:
    """Return the certificate of the authority; None while it does not answer."""
    management = f"https://localhost:{site.port('pebble', 15000)}"
    try:
        return httpx.get(f"{management}/roots/0", verify=False).text  # noqa: S501 - tells whom to trust
    except httpx.TransportError:
        return None


def certificate(site: Stack, root: str) -> bytes | None:
    """Return the certificate for the name of the site; None while it is not trusted."""
    trusting = ssl.create_default_context(cadata=root)
    try:
        with (
            socket.create_connection(("127.0.0.1", site.port("traefik", 443)), 5) as raw,
            trusting.wrap_socket(raw, server_hostname=NAME) as secure,
        ):
            secure.sendall(f"GET /api/genes HTTP/1.0\r\nHost: {NAME}\r\n\r\n".encode())
            assert b" 200 " in secure.recv(100)
            return secure.getpeercert(binary_form=True)
    except (ssl.SSLError, OSError):
        return None


def test_the_first_deployment_works_as_documented(
    site: Stack, record_property: Callable[[str, object], None]
) -> None:
    *before, admin, curl, mail = steps()
    assert [line.split()[0] for line in before] == ["make", "cat", "docker"]
    for line in (*before, admin):
        if line.startswith("docker"):
            start_authority(site)
        begun = time.monotonic()
        run(line, site)
        record_property(line.partition("\n")[0], f"{time.monotonic() - begun:.1f} s")
    root = root_certificate(site)
    assert root is not None
    try:
        eventually("a certificate of the authority", 90, lambda: certificate(site, root))
    except AssertionError as failure:
        failure.add_note(site.compose("logs", "traefik", "pebble").stdout[-6000:])
        raise
    (site.site / "root.pem").write_text(root)
    (site.site / ".curlrc").write_text(
        f'connect-to = "{NAME}:443:127.0.0.1:{site.port("traefik", 443)}"\n'
        f'cacert = "{site.site / "root.pem"}"\n'
    )
    assert json.loads(run(curl, site))["status"] == "pass"
    run(mail, site)
    assert_kept_and_renewed(site, root)


def assert_kept_and_renewed(site: Stack, root: str) -> None:
    """A restart keeps the certificate; an expiring one is renewed."""
    again = "docker compose up --detach --wait --no-deps --force-recreate traefik"
    issued = certificate(site, root)
    run(again, site)
    eventually("the proxy answers again", 60, lambda: certificate(site, root))
    # From its volume: an authority issues only a few certificates per name and week.
    assert certificate(site, root) == issued
    # With a validity of one year, a certificate that expires in 90 days is due for renewal.
    run(f"SYSNDD_ACME_HOURS=8760 {again}", site)
    eventually("a new certificate", 90, lambda: certificate(site, root) not in {None, issued})
