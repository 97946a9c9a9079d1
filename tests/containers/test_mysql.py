"""The same deployment on MySQL, by one setting; and a certificate by ACME, which it gets afterwards."""

import json
import socket
import ssl
from pathlib import Path

import httpx
import pytest
import yaml

from sysndd_preflight.checks import CATALOG
from tests.containers.base_images import IMAGES
from tests.containers.stack import Stack, eventually, preflight, run_end_to_end, system_json
from tests.support.proxy import self_signed

NAME = "site.sysndd.example"
# https://github.com/letsencrypt/pebble: it asks the names of containers at the ports that they have.
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


def test_the_end_to_end_tests_on_mysql(mysql: Stack, tmp_path: Path) -> None:
    shown = mysql.compose("exec", "-T", "backup-worker", "mysqldump", "--version").stdout
    assert "Ver 9.7." in shown
    assert "MariaDB" not in shown
    walked = run_end_to_end(system_json(mysql, tmp_path))
    assert walked.returncode == 0, walked.stdout[-6000:]


def test_preflight_passes_on_mysql(mysql: Stack) -> None:
    done = preflight(mysql.site, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    states = {check["id"]: check["status"] for check in json.loads(done.stdout)["checks"]}
    # This deployment speaks plain HTTP: there is no certificate to look at.
    assert states == dict.fromkeys(CATALOG, "pass") | {"tls.certificate": "skip"}


@pytest.fixture
def by_acme(mysql: Stack) -> Stack:
    """The deployment with SYSNDD_TLS=acme and an authority of its own."""
    folder = mysql.site / "pebble"
    folder.mkdir()
    self_signed(folder, names="DNS:pebble")
    (folder / "key.pem").chmod(0o644)
    (folder / "config.json").write_text(json.dumps(PEBBLE))
    (mysql.site / "acme.yml").write_text(yaml.safe_dump({"services": {
        "traefik": {
            "ports": ["127.0.0.1::443"],
            # Traefik's ACME client trusts this authority's own address.
            "environment": {"LEGO_CA_CERTIFICATES": "/pebble/cert.pem"},
            "volumes": ["./pebble:/pebble:ro"],
            # Instead of the DNS: the authority asks who answers by the site's name.
            "networks": {"edge": {"aliases": [NAME]}},
        },
        "pebble": {
            "image": IMAGES["pebble"],
            "command": ["-config", "/pebble/config.json"],
            "environment": {"PEBBLE_VA_NOSLEEP": "1"},
            "volumes": ["./pebble:/pebble:ro"],
            "ports": ["127.0.0.1::15000"],
            "networks": ["edge"],
        },
    }}))  # fmt: skip
    mysql.configure(
        COMPOSE_FILE="docker-compose.yml:on-this-machine.yml:acme.yml", SYSNDD_TLS="acme",
        SYSNDD_DOMAIN=NAME, SYSNDD_ACME_EMAIL="operator@sysndd.example",
        SYSNDD_ACME_SERVER="https://pebble:14000/dir",
    )  # fmt: skip
    mysql.compose("up", "--wait", "--no-deps", "--no-build", "pebble", "traefik")
    return mysql


def test_a_certificate_is_issued_by_acme_and_outlives_the_proxy(by_acme: Stack) -> None:
    management = f"https://localhost:{by_acme.port('pebble', 15000)}"
    root = httpx.get(f"{management}/roots/0", verify=False).text  # noqa: S501 - tells whom to trust
    trusting = ssl.create_default_context(cadata=root)

    def certificate() -> bytes | None:
        address = ("127.0.0.1", by_acme.port("traefik", 443))
        try:
            with (
                socket.create_connection(address, 5) as raw,
                trusting.wrap_socket(raw, server_hostname=NAME) as secure,
            ):
                secure.sendall(f"GET /api/genes HTTP/1.0\r\nHost: {NAME}\r\n\r\n".encode())
                assert b" 200 " in secure.recv(100)
                return secure.getpeercert(binary_form=True)
        except (ssl.SSLError, OSError):
            return None

    eventually("a certificate of the authority", 90, certificate)
    issued = certificate()
    by_acme.compose("up", "--wait", "--no-deps", "--no-build", "--force-recreate", "traefik")
    eventually("it serves again", 60, certificate)
    # Out of its volume: an authority gives a name a handful of certificates a week.
    assert certificate() == issued
