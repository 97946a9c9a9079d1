"""The life of an account through the proxy, with delivered emails, and which secrets remain."""

import secrets
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import zstandard
from httpx import codes
from redis import Redis

from tests.support.accounts import link_text
from tests.support.system import System, poll


def wait_for_email(
    system: System, address: str, subject: str, *, but: str = "\0"
) -> dict[str, Any]:
    """Wait for an email that does not contain ``but``, and return it."""
    mail_url, deadline = system.description["mail_url"], time.monotonic() + 60
    while True:
        listed = httpx.get(f"{mail_url}/api/v1/messages", params={"limit": 500}).json()["messages"]
        for one in listed:
            if one["Subject"] == subject and one["To"][0]["Address"] == address:
                message: dict[str, Any] = httpx.get(f"{mail_url}/api/v1/message/{one['ID']}").json()
                if but not in message["Text"]:
                    return message
        assert time.monotonic() < deadline, f"no mail {subject!r} to {address}"
        time.sleep(0.02)


def test_an_account_is_registered_confirmed_and_reset_and_leaves_no_token_behind(
    system: System, anonymous: httpx.Client, admin: httpx.Client
) -> None:
    tag = secrets.token_hex(4)
    name, email = f"walker_{tag}", f"walker-{tag}@lab.example"
    passwords = [f"canary-{secrets.token_hex(12)}" for _ in range(2)]
    body = {"user_name": name, "email": email, "password": passwords[0]}
    began = time.monotonic()
    assert anonymous.post("/api/auth/register", json=body).status_code == codes.ACCEPTED
    mail = wait_for_email(system, email, "Confirm your email address for SysNDD")
    assert time.monotonic() - began < 5
    confirm = link_text(mail)
    _open_link_only(system, anonymous, confirm)
    answer = anonymous.post("/api/auth/confirm", json={"token": _token(confirm)})
    assert answer.json() == {"status": "active"}

    sessions = [_signed_in(anonymous, name, passwords[0])]
    assert anonymous.post("/api/auth/password-reset", json={"email": email}).status_code == 202
    reset = link_text(wait_for_email(system, email, "Reset your SysNDD password"))
    body = {"token": _token(reset), "password": passwords[1]}
    assert anonymous.post("/api/auth/password-reset/confirm", json=body).status_code == codes.OK
    headers = {"Authorization": f"Bearer {sessions[0]}"}
    assert anonymous.get("/api/auth/me", headers=headers).status_code == codes.UNAUTHORIZED
    refused = anonymous.post("/api/auth/login", json={"login": name, "password": passwords[0]})
    assert refused.status_code == codes.UNAUTHORIZED
    sessions.append(_signed_in(anonymous, email, passwords[1]))
    wait_for_email(system, email, "Your SysNDD password was changed")
    # One unused link is valid during the search.
    assert anonymous.post("/api/auth/password-reset", json={"email": email}).status_code == 202
    alive = link_text(
        wait_for_email(system, email, "Reset your SysNDD password", but=_token(reset))
    )
    job = poll(admin, admin.post("/api/admin/backups"))
    assert job["state"] == "succeeded", job["error"]
    if system.run is not None:
        canaries = [*passwords, *sessions, *map(_token, (confirm, reset, alive))]
        _search(system, canaries, Path(system.description["backup_dir"]), email)


def _open_link_only(system: System, anonymous: httpx.Client, link: str) -> None:
    """Open a link as a mail scanner does; the account must not change."""
    parts = urlsplit(link)
    for method in ("GET", "HEAD"):
        answer = anonymous.request(method, f"{parts.path}?{parts.query}")
        assert answer.status_code < 500
    name = parse_qs(parts.query)
    assert set(name) == {"token"}
    with system.sql() as cursor:
        cursor.execute("SELECT COUNT(*) FROM `user` WHERE state = 'unconfirmed'")
        assert cursor.fetchall()[0][0] >= 1


def _token(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


def _signed_in(client: httpx.Client, login: str, password: str) -> str:
    answer = client.post("/api/auth/login", json={"login": login, "password": password})
    assert answer.status_code == codes.OK, answer.text
    token: str = answer.json()["access_token"]
    return token


def _search(system: System, canaries: list[str], backups: Path, email: str) -> None:
    """Search databases, Redis, backups and logs for secrets; check that the search can find one."""
    database = system.description["database"]
    places: dict[str, bytes] = {
        "dump": subprocess.run(
            [
                "mariadb-dump",
                f"--socket={database['socket']}",
                f"--user={database['user']}",
                "--databases",
                database["name"],
                database["ops_name"],
            ],
            env={"PATH": "/usr/bin:/bin", "MYSQL_PWD": database["password"]},
            capture_output=True,
            check=True,
        ).stdout,
        "redis": _redis(system.description["redis_url"]),
    }
    for path in backups.rglob("*"):
        if path.is_file():
            places[f"backup {path.name}"] = _unpacked(path)
    for process in system.description["processes"]:
        # The mail catcher is the recipient, so it must have the link.
        if process["name"] != "mail-catcher":
            log = Path(process["log"])
            for one in [log, *log.parent.glob(f"{log.name}.*")]:
                places[f"log {one.name}"] = one.read_bytes()
    assert email.encode() in places["dump"]
    assert any(email.encode() in text for name, text in places.items() if name.startswith("backup"))
    assert b"/api/auth/password-reset" in b"".join(
        text for name, text in places.items() if name.startswith("log api")
    )
    for where, text in places.items():
        for canary in canaries:
            assert canary.encode() not in text, where


def _redis(url: str) -> bytes:
    # Read without DUMP: Redis compresses dumped values, and the search would miss a secret.
    found: list[object] = []
    with Redis.from_url(url) as redis:
        for key in redis.keys("*"):
            kind = redis.type(key).decode()
            read = {
                "string": redis.get,
                "hash": redis.hgetall,
                "set": redis.smembers,
                "list": lambda name: redis.lrange(name, 0, -1),
                "zset": lambda name: redis.zrange(name, 0, -1, withscores=True),
                "stream": redis.xrange,
            }[kind]
            found += [key, read(key)]
    return repr(found).encode()


def _unpacked(path: Path) -> bytes:
    if path.suffix == ".zst":
        with path.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as text:
            return text.read()
    return path.read_bytes()
