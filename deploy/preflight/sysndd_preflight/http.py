"""HTTP requests with each path exactly as written; other clients normalize it first."""

import asyncio
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sysndd_preflight.catalog import Problem, Skipped
from sysndd_preflight.deployment import Deployment


@dataclass(frozen=True)
class Response:
    """Status, headers with lower-case names, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object; empty if it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def base_url(deployment: Deployment) -> str:
    """Return the address of the system.

    Raises:
        Skipped: it is unknown.
    """
    if deployment.base_url is None:
        raise Skipped("no running system is known; use --system or --target")
    return deployment.base_url


def tls_context(deployment: Deployment) -> ssl.SSLContext:
    """Return the TLS context that verifies the certificate of the system."""
    return ssl.create_default_context(
        cafile=str(deployment.ca_file) if deployment.ca_file else None
    )


def send_request(
    deployment: Deployment,
    path: str,
    *,
    method: str = "GET",
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: dict[str, Any] | None = None,
    base: str | None = None,
    timeout: float = 10,
) -> Response:
    """Send one request on a new connection.

    Raises:
        Skipped: no running system is known.
        Problem: there is no answer.
    """
    url = base or base_url(deployment)
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            host, parts.port, timeout=timeout, context=tls_context(deployment)
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
        return Response(response.status, found, response.read(1_000_000))
    except (OSError, http.client.HTTPException) as error:
        raise Problem(
            f"{url}{path} does not answer: {error or type(error).__name__}",
            "Check that the system is running and that its address is correct.",
        ) from error
    finally:
        connection.close()


async def request(deployment: Deployment, path: str, **options: Any) -> Response:
    """Send one request in a thread; arguments as for ``send_request``."""
    return await asyncio.to_thread(send_request, deployment, path, **options)


async def sign_in(deployment: Deployment, headers: Mapping[str, str] | None = None) -> str:
    """Sign in as the administrator and return the session token.

    Raises:
        Skipped: no administrator is known.
        Problem: signing in failed.
    """
    if deployment.admin is None:
        raise Skipped("no administrator is known; use --system or --admin-login")
    login, password = deployment.admin
    response = await request(
        deployment,
        "/api/auth/login",
        method="POST",
        body={"login": login, "password": password},
        headers=headers,
    )
    if response.status != 200:
        raise Problem(
            f"signing in as {login} was answered with {response.status}",
            "Check --admin-login and --admin-password-file, or set a new password with"
            " `sysndd-admin set-password`.",
        )
    token: str = response.json()["access_token"]
    return token


async def sign_out(deployment: Deployment, token: str) -> None:
    """End the session, so that preflight leaves none."""
    await request(deployment, "/api/auth/logout", method="POST", token=token)
