"""The real API over real HTTP, in the test's own process and event loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn

from sysndd_api.app import create_app
from sysndd_api.context import Context, open_context
from sysndd_api.operators.service import Operators
from sysndd_api.security.access import OperatorRole
from sysndd_api.settings import ApiSettings
from tests.support.site import Site

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Api:
    """A served API with one administrator, and clients for it.

    Attributes:
        client: client without credentials.
        admin: client with the administrator's token.
        context: services with separate connections, to prepare data.
    """

    client: httpx.AsyncClient
    admin: httpx.AsyncClient
    context: Context

    async def signed_in(self, user_name: str) -> httpx.AsyncClient:
        """Return a client with the token of an account whose password is ``PASSWORD``."""
        token = await sign_in(self.client, user_name)
        return httpx.AsyncClient(
            base_url=self.client.base_url, headers={"Authorization": f"Bearer {token}"}
        )


@pytest.fixture
async def api(site: Site) -> AsyncIterator[Api]:
    """Serve the site's API on a free port of the loopback address."""
    settings = site.load(ApiSettings)
    async with open_context(settings) as context, served(settings) as base_url:
        await context[Operators].create(
            "admin", "admin@sysndd.example", OperatorRole.ADMINISTRATOR, PASSWORD
        )
        async with httpx.AsyncClient(base_url=base_url) as client:
            token = await sign_in(client, "admin")
            headers = {"Authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(base_url=base_url, headers=headers) as admin:
                yield Api(client, admin, context)


@contextlib.asynccontextmanager
async def served(settings: ApiSettings) -> AsyncIterator[str]:
    """Serve an API built from ``settings``; yield its base URL."""
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            host="127.0.0.1",
            port=0,
            lifespan="on",
            log_config=None,
            ws="none",
            forwarded_allow_ips=settings.server.trusted_proxies,
        )
    )
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            task.result()
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


async def sign_in(client: httpx.AsyncClient, login: str, password: str = PASSWORD) -> str:
    """Sign in and return the token."""
    answer = await client.post("/api/auth/login", json={"login": login, "password": password})
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that an answer is the problem document with this status and code; return it."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document["status"], document["code"]) == (status, status, code)
    assert document["detail"]
    assert document["request_id"] == answer.headers["x-request-id"]
    return document
