"""SIGKILL of the API at every step of a request: all of it is there afterwards, or nothing.

A step is made to last by locking the table that its statement needs: the API waits for the lock,
is killed, and the server rolls back. The last step is after the commit, before the answer.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx

from sysndd_local.ports import free_port
from tests.support.accounts import NEW_PASSWORD, Lifecycle, about, token_of
from tests.support.http import PASSWORD
from tests.support.servers import RealProcess
from tests.support.site import Site
from tests.support.workers import children_of, end, eventually, service_process

MARIE = "marie@lab.example"
EVERY_STEP = os.environ.get("KILLS") == "all"
"""``make chaos-accounts`` takes every step; an API is started for each."""
AFTER = "after the commit"


async def killed_in(
    site: Site, directory: Path, step: str, *, path: str, body: dict[str, str], committed: str
) -> None:
    """Start an API, ask it, and kill all its processes at a step.

    Arguments:
        step: table whose statement is interrupted, or ``AFTER``.
        committed: a query that finds a row once the request has committed.
    """
    port = free_port()
    changes = {"API_PORT": str(port), "API_WORKERS": "1", "LOG_FORMAT": "json"}
    with service_process("sysndd_api", site, directory, **changes) as process:
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(eventually, "the API answers", lambda: _lives(url), seconds=60)
        with site.server.connect() as blocker, blocker.cursor() as cursor:
            if step != AFTER:
                cursor.execute(f"LOCK TABLES {step} WRITE")
            asking = asyncio.create_task(_ask(f"{url}/api/auth/{path}", body))
            if step == AFTER:
                condition: Callable[[], object] = lambda: site.server.execute(committed)  # noqa: E731
            else:
                condition = site.waiting_for_a_table
            await asyncio.to_thread(eventually, f"the step {step}", condition, seconds=60)
            interrupted = site.waiting_for_a_table()
            _kill(process)
            await asking
            # MySQL lets a statement wait on for a client that is dead; what it does then, nobody
            # commits.
            cursor.execute("UNLOCK TABLES")
            if interrupted is not None:
                await asyncio.to_thread(
                    eventually,
                    "its connection is gone",
                    lambda: not _connected(site, interrupted),
                    seconds=60,
                )


def _kill(process: RealProcess) -> None:
    workers = children_of(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    end(workers)


def _lives(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready").status_code == 200
    except httpx.HTTPError:
        return False


async def _ask(url: str, body: dict[str, str]) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        # Killed after the commit it may have answered, on a slow machine; before it, never.
        with contextlib.suppress(httpx.HTTPError):
            await client.post(url, json=body)


def _connected(site: Site, number: int) -> bool:
    return bool(
        site.server.execute("SELECT 1 FROM information_schema.processlist WHERE id = %s", (number,))
    )


async def test_registration(lifecycle: Lifecycle, site: Site, tmp_path: Path) -> None:
    body = {"user_name": "marie", "email": MARIE, "password": PASSWORD}
    committed = f"SELECT 1 FROM `{site.app}`.`user` WHERE user_name = 'marie'"
    for step in _tables(site, "user", "account_token", "audit_log", "mail"):
        await killed_in(site, tmp_path, step, path="register", body=body, committed=committed)
        assert site.server.execute(committed) == (), step
        assert await lifecycle.mails(MARIE) == [], step
    await killed_in(site, tmp_path, AFTER, path="register", body=body, committed=committed)
    (mail,) = await lifecycle.mails(MARIE)
    answer = await lifecycle.post("confirm", token=token_of(mail))
    assert answer.json() == {"status": "active"}


async def test_reset(lifecycle: Lifecycle, site: Site, tmp_path: Path) -> None:
    await lifecycle.active()
    assert await lifecycle.status_of_login("marie", PASSWORD) == 200
    await lifecycle.post("password-reset", email=MARIE)
    token = token_of(about(await lifecycle.mails(MARIE), "Choose a new"))
    count = len(await lifecycle.mails(MARIE))
    body = {"token": token, "password": NEW_PASSWORD}
    committed = (
        f"SELECT 1 FROM `{site.ops}`.account_token WHERE purpose = 'reset' AND used_at IS NOT NULL"
    )
    sessions = f"SELECT COUNT(*) FROM `{site.ops}`.session"
    before = site.server.execute(sessions)
    for step in _tables(site, "user", "session", "known_client", "audit_log", "mail"):
        await killed_in(
            site, tmp_path, step, path="password-reset/confirm", body=body, committed=committed
        )
        assert site.server.execute(committed) == (), step
        assert site.server.execute(sessions) == before, step
        assert len(await lifecycle.mails(MARIE)) == count, step
    assert await lifecycle.status_of_login("marie", PASSWORD) == 200
    answer = await lifecycle.post("password-reset/confirm", **body)
    assert answer.status_code == 200
    assert (await lifecycle.subjects(MARIE))[-1] == "Your SysNDD password was changed"


def _tables(site: Site, *names: str) -> list[str]:
    """Name the tables in full; the last one alone unless every step is asked for."""
    chosen = names if EVERY_STEP else names[-1:]
    return [f"`{site.app if name == 'user' else site.ops}`.`{name}`" for name in chosen]
