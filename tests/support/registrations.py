"""The API and the mailer as processes, and registrations for them."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from sysndd_local.ports import free_port
from tests.support.accounts import NEW_PASSWORD
from tests.support.killed_api import NO_LIMITS
from tests.support.site import Site
from tests.support.smtp_faults import FaultySmtp
from tests.support.workers import eventually, service_process

numbers = itertools.count()


def registration(email: str) -> dict[str, Any]:
    """Return a registration of an address."""
    return {"user_name": f"name{next(numbers)}", "email": email, "password": NEW_PASSWORD}


@contextlib.asynccontextmanager
async def api_and_mailer(site: Site, directory: Path, smtp: FaultySmtp) -> AsyncIterator[str]:
    """Run both as processes, with rate limits that are never reached; yield the API's URL."""
    port = free_port()
    smtp_settings = {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(smtp.port),
        "SMTP_SECURITY": "none",
    }
    settings = NO_LIMITS | {"API_PORT": str(port), "API_WORKERS": "1", "LOG_LEVEL": "warning"}
    with (
        service_process("sysndd_api", site, directory, **settings),
        service_process("sysndd_mailer", site, directory, **smtp_settings),
    ):
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(eventually, "the API answers", lambda: is_ready(url), seconds=60)
        yield url


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready").status_code == 200
    except httpx.HTTPError:
        return False
