"""Asks over HTTP, with each path exactly as it is written: other clients clean it first."""

import asyncio
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sysndd_preflight.catalog import NotHere, Problem
from sysndd_preflight.deployment import Deployment


@dataclass(frozen=True)
class Answer:
    """Status, headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body as an object; empty when it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def base_url(deployment: Deployment) -> str:
    """Return the target's address.

    Raises:
        NotHere: there is none.
    """
    if deployment.base_url is None:
        raise NotHere("there is no running system to ask (--target)")
    return deployment.base_url


def context(deployment: Deployment) -> ssl.SSLContext:
    """Return what the target's certificate is checked by."""
    return ssl.create_default_context(
        cafile=str(deployment.ca_file) if deployment.ca_file else None
    )


def ask_now(
    deployment: Deployment, path: str, *, method: str = "GET", token: str | None = None,
    headers: Mapping[str, str] | None = None, body: dict[str, Any] | None = None,
    base: str | None = None, timeout: float = 10,
) -> Answer:  # fmt: skip
    """Send one request on a connection of its own.

    Raises:
        NotHere: there is no target.
        Problem: nobody answers.
    """
    url = base or base_url(deployment)
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            host, parts.port, timeout=timeout, context=context(deployment)
        )
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=timeout)
    sent = {"Accept": "application/json", "Content-Type": "application/json", **(headers or {})}
    if token:
        sent["Authorization"] = f"Bearer {token}"
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, sent)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read(1_000_000))
    except (OSError, http.client.HTTPException) as error:
        raise Problem(f"{url}{path}: {error or type(error).__name__}") from error
    finally:
        connection.close()


async def ask(deployment: Deployment, path: str, **options: Any) -> Answer:
    """Send one request, in a thread; as ``ask_now``."""
    return await asyncio.to_thread(ask_now, deployment, path, **options)


async def sign_in(deployment: Deployment, headers: Mapping[str, str] | None = None) -> str:
    """Sign in as the administrator and return the token.

    Raises:
        NotHere: no administrator is known.
        Problem: it did not work.
    """
    if deployment.admin is None:
        raise NotHere("no administrator is known (--system, or --admin-login)")
    login, password = deployment.admin
    answer = await ask(
        deployment,
        "/api/auth/login",
        method="POST",
        body={"login": login, "password": password},
        headers=headers,
    )
    if answer.status != 200:
        raise Problem(
            f"signing in as {login} was answered {answer.status}",
            "Check --admin-login and its password file, or `sysndd-admin set-password`.",
        )
    token: str = answer.json()["access_token"]
    return token


async def sign_out(deployment: Deployment, token: str) -> None:
    """End the session again; nothing of a preflight stays."""
    await ask(deployment, "/api/auth/logout", method="POST", token=token)
