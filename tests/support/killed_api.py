"""An API that is killed at a chosen statement of a request, and a client for it.

As a module it reads points from standard input. For each point it forks a process that serves the
API and sends itself SIGKILL when the request with the ``X-Kill`` header reaches the point:

- a number: before that statement, counted from 1;
- ``commit``: before the COMMIT;
- ``committed``: after the COMMIT, before the answer.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from sysndd_api.app import create_app
from sysndd_api.settings import ApiSettings
from sysndd_core.db.database import Arguments, Transaction
from sysndd_core.logging import configure
from sysndd_core.settings.base import load
from tests.support.site import REPOSITORY, Site
from tests.support.workers import PACKAGES

NO_LIMITS = dict.fromkeys(
    (
        "LIMIT_REQUESTS_PER_CLIENT",
        "LIMIT_REQUESTS_TOTAL",
        "LIMIT_FAILURES_PER_ACCOUNT_AND_CLIENT",
        "LIMIT_FAILURES_PER_CLIENT",
        "LIMIT_FAILURES_PER_ACCOUNT",
        "LIMIT_FAILURES_TOTAL",
    ),
    "1000000",
) | {"LIMIT_EMAILS_PER_ADDRESS": "1000"}
COMMIT, COMMITTED = "commit", "committed"


@dataclass(frozen=True)
class KilledRequest:
    """A request."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    token: str | None = None


class KilledApi:
    """A client of an API that is killed during each request.

    Attributes:
        statements: number of statements before the COMMIT of the last request.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.statements = 0

    async def killed_at(self, point: str, request: KilledRequest) -> None:
        """Send a request; assert that the process was killed at the point without an answer."""
        port = int((await self._say(point)).removeprefix("port "))
        headers = {"X-Kill": point}
        if request.token is not None:
            headers["Authorization"] = f"Bearer {request.token}"
        url = f"http://127.0.0.1:{port}{request.path}"
        async with httpx.AsyncClient(timeout=60, headers=headers) as client:
            try:
                answer = await client.request(request.method, url, json=request.body)
            except httpx.TransportError:
                pass
            else:
                raise AssertionError(f"answered at {point}: {answer.status_code} {answer.text}")
        reached, how = (await self._read()).split(), await self._read()
        assert (reached[:2], how) == (["reached", point], "killed"), (reached, how)
        self.statements = int(reached[2])

    async def _say(self, line: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return await self._read()

    async def _read(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            return (await asyncio.to_thread(self._process.stdout.readline)).strip()


@contextlib.contextmanager
def killed_api(site: Site, directory: Path) -> Iterator[KilledApi]:
    """Run the process that forks the APIs, with rate limits that are never reached."""
    paths = [str(REPOSITORY / package) for package in (*PACKAGES, ".")]
    environ = os.environ | site.environ | NO_LIMITS | {"PYTHONPATH": os.pathsep.join(paths)}
    with (directory / "killed-api.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.killed_api"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environ,
            text=True,
        )
    try:
        yield KilledApi(process)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


_watched: ContextVar[bool] = ContextVar("watched", default=False)


class _Killer:
    def __init__(self, at: str) -> None:
        self._at = at
        self._statements = 0

    def watch(self) -> None:
        """Check at every statement and COMMIT whether the point is reached."""
        send, commit = Transaction._cursor, Transaction.commit

        @contextlib.asynccontextmanager
        async def watched_send(
            transaction: Transaction, sql: str, arguments: Arguments
        ) -> AsyncIterator[Any]:
            if _watched.get():
                self._statements += 1
                self._reached(str(self._statements))
            async with send(transaction, sql, arguments) as cursor:
                yield cursor

        async def watched_commit(transaction: Transaction) -> None:
            self._reached(COMMIT)
            await commit(transaction)
            self._reached(COMMITTED)

        setattr(Transaction, "_cursor", watched_send)  # noqa: B010 - mypy allows it in no other form
        setattr(Transaction, "commit", watched_commit)  # noqa: B010

    def _reached(self, point: str) -> None:
        if _watched.get() and point == self._at:
            _print(f"reached {point} {self._statements}")
            os.kill(os.getpid(), signal.SIGKILL)


def _watching(app: ASGIApp) -> ASGIApp:
    async def watching(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            _watched.set(any(name == b"x-kill" for name, _ in scope["headers"]))
        await app(scope, receive, send)

    return watching


async def _serve(at: str) -> None:
    settings = load(ApiSettings, os.environ)
    configure(settings.log, service="killed-api")
    _Killer(at).watch()
    app = _watching(create_app(settings))
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="on", log_config=None, ws="none")
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            serving.result()
        await asyncio.sleep(0.01)
    _print(f"port {server.servers[0].sockets[0].getsockname()[1]}")
    await serving


def _print(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def _main() -> None:
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if not child:
            asyncio.run(_serve(line.strip()))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        _print("killed" if status == -signal.SIGKILL else f"ended {status}")


if __name__ == "__main__":
    _main()
