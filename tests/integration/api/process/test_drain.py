"""An API that receives SIGTERM serves for API_DRAIN seconds while it closes its connections."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sysndd_local.ports import free_port
from tests.support.site import Site
from tests.support.workers import eventually, service_process

DRAIN = 4.0


def test_connections_are_closed_before_the_workers_stop(site: Site, tmp_path: Path) -> None:
    port = free_port()
    changes = {"API_PORT": str(port), "API_WORKERS": "2", "API_DRAIN": str(DRAIN)}
    url = f"http://127.0.0.1:{port}/health/live"
    with (
        service_process("sysndd_api", site, tmp_path, **changes) as process,
        httpx.Client(timeout=30) as kept,
    ):
        eventually("live", lambda: is_live(url), seconds=90)
        assert kept.get(url).headers.get("connection") != "close"
        os.kill(process.pid, signal.SIGTERM)
        log = tmp_path / "sysndd_api.log"
        eventually("it drains", lambda: "api_drain_started" in log.read_text(), seconds=30)
        # Requests on existing and new connections are served, and each connection is closed.
        eventually("closed", lambda: kept.get(url).headers.get("connection") == "close", seconds=3)
        assert httpx.get(url).headers["connection"] == "close"
        eventually("it has ended", lambda: not process.is_running(), seconds=60)
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)


def test_after_draining_no_connection_is_accepted_that_will_not_be_served(
    site: Site, tmp_path: Path
) -> None:
    """This holds even while a slow request delays the end of a worker."""
    port = free_port()
    changes = {"API_PORT": str(port), "API_WORKERS": "2", "API_DRAIN": "0.5"}
    url = f"http://127.0.0.1:{port}"
    body_may_end = threading.Event()

    def slow_body() -> Iterator[bytes]:
        yield b'{"login": "nobody",'
        body_may_end.wait(60)
        yield b' "password": "a wrong password"}'

    answers_seen: list[int] = []
    with service_process("sysndd_api", site, tmp_path, **changes) as process:
        eventually("live", lambda: is_live(f"{url}/health/live"), seconds=90)
        slow = threading.Thread(
            target=lambda: answers_seen.append(
                httpx.post(
                    f"{url}/api/auth/login",
                    content=slow_body(),
                    timeout=60,
                    headers={"Content-Type": "application/json"},
                ).status_code
            )
        )
        slow.start()
        time.sleep(1)
        os.kill(process.pid, signal.SIGTERM)
        eventually("refused", lambda: is_refused(f"{url}/health/live"), seconds=20)
        assert process.is_running()
        body_may_end.set()
        slow.join(60)
    assert answers_seen == [401]


def is_live(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def is_refused(url: str) -> bool:
    """Return whether a new connection is refused; an accepted one must be answered."""
    try:
        httpx.get(url, timeout=5)
    except httpx.ConnectError:
        return True
    except httpx.RemoteProtocolError:
        # Closed while the workers were being stopped, one after the other.
        return False
    return False
