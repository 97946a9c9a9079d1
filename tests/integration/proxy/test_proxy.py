"""The proxy's configuration in a real Traefik."""

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from sysndd_local import proxy as traefik
from sysndd_local.ports import LOOPBACK, free_port
from tests.support.proxy import (
    REPOSITORY,
    Backend,
    Proxy,
    self_signed,
    start_backend,
    start_proxy,
    trusting,
)

BIG = 3 * 1024 * 1024  # bytes; three times the limit of a JSON body


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Backend, Proxy]]:
    """One proxy for all tests that do not use up its rate limits."""
    directory = tmp_path_factory.mktemp("proxy")
    with (
        start_backend() as backend,
        start_proxy(directory, backend.url, SYSNDD_RATE_FACTOR="1000") as proxy,
    ):
        yield backend, proxy


@pytest.fixture
def backend(shared: tuple[Backend, Proxy]) -> Backend:
    shared[0].reset()
    return shared[0]


@pytest.fixture
def proxy(shared: tuple[Backend, Proxy]) -> Proxy:
    return shared[1]


@pytest.fixture
def limited(backend: Backend, tmp_path: Path) -> Iterator[Proxy]:
    """A new proxy with the rate limits of production."""
    with start_proxy(tmp_path, backend.url) as running:
        yield running


def ask(proxy: Proxy, method: str, path: str) -> int:
    """Send a path exactly as written; other clients normalize it first."""
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path)
        return connection.getresponse().status
    finally:
        connection.close()


def send_concurrently(proxy: Proxy, method: str, path: str, count: int) -> list[int]:
    """Send requests over eight connections, without waiting for answers; return the statuses.

    Several connections, because Traefik delays a request for a moment before it rejects one.
    """
    with ThreadPoolExecutor(8) as threads:
        parts = threads.map(lambda _: send_pipelined(proxy, method, path, count // 8), range(8))
        return [status for part in parts for status in part]


def send_pipelined(proxy: Proxy, method: str, path: str, count: int) -> list[int]:
    """Send requests over one connection without waiting for answers (RFC 9112, 9.3.2)."""
    host, port = proxy.url.removeprefix("http://").split(":")
    one = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n".encode()
    with socket.create_connection((host, int(port)), 60) as connection:
        connection.sendall(one * count)
        with connection.makefile("rb") as answers:
            statuses = []
            for _ in range(count):
                statuses.append(int(answers.readline().split()[1]))
                headers = http.client.parse_headers(answers)
                answers.read(int(headers["Content-Length"]))
    return statuses


def test_exactly_three_paths_are_routed(proxy: Proxy, backend: Backend) -> None:
    ours = ["/api", "/api/", "/api/genes", "/admin", "/admin/x", "/account", "/account/confirm"]
    assert {path: ask(proxy, "GET", path) for path in ours} == dict.fromkeys(ours, 200)
    assert backend.paths() == ours
    foreign = [
        *("/", "/apix", "/api.json", "/administrator", "/accounts", "/API/genes", "/xapi/genes"),
        *("/metrics", "/health/live", "/health/ready", "/dashboard/", "/ping", "/api/../metrics"),
        *("//metrics", "/admin/../health/live", "/api/..//metrics", "/x/api/genes"),
    ]
    for method in ("GET", "POST", "DELETE"):
        assert {path: ask(proxy, method, path) for path in foreign} == dict.fromkeys(foreign, 404)
    assert backend.paths() == ours


def test_an_encoded_path_cannot_leave_the_routed_paths(proxy: Proxy, backend: Backend) -> None:
    for path in ("/api/%2e%2e/metrics", "/api/..%2fmetrics", "/%61pi/genes", "/api%2f..%2fmetrics"):
        ask(proxy, "GET", path)
    # The API received a name below /api, never the path /metrics itself.
    assert all(path.startswith("/api/") for path in backend.paths()), backend.paths()


def test_every_path_is_rate_limited_and_sign_in_most_strictly(limited: Proxy) -> None:
    guesses = send_concurrently(limited, "POST", "/api/auth/login", 40)
    assert guesses.count(200) >= 20
    assert guesses.count(429) >= 10
    with httpx.Client(base_url=limited.url) as client:
        refused = client.post("/account/reset")  # the same limit, because it is the same client
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) >= 1
        # Another user name does not evade the limit either.
        spoofed = {"X-Forwarded-For": "198.51.100.7", "X-Real-Ip": "198.51.100.7"}
        assert client.post("/api/auth/login", headers=spoofed).status_code == 429
        assert client.get("/api/genes").status_code == 200
        assert client.post("/api/admin/backups").status_code == 200
    reads = send_concurrently(limited, "GET", "/api/genes", 640)
    assert reads.count(200) >= 200
    assert 429 in reads


def test_the_pages_of_the_administrator_are_limited_more_strictly(limited: Proxy) -> None:
    pages = send_concurrently(limited, "GET", "/admin/", 160)
    assert pages.count(200) >= 60
    assert 429 in pages
    assert send_concurrently(limited, "GET", "/api/genes", 160) == [200] * 160


def test_a_large_body_is_rejected_before_it_reaches_the_api(proxy: Proxy, backend: Backend) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(48):
            yield b"x" * 65536

    announced = httpx.post(f"{proxy.url}/api/admin/backups", content=b"x" * BIG)
    streamed = httpx.post(f"{proxy.url}/api/admin/backups", content=parts())
    assert (announced.status_code, streamed.status_code) == (413, 413)
    assert backend.seen == []


def test_an_upload_streams_through_at_any_size(proxy: Proxy, backend: Backend) -> None:
    def parts() -> Iterator[bytes]:
        yield b"x" * 65536
        # The proxy does not buffer: the first part has arrived before the rest is sent.
        assert backend.first_chunk.wait(20)
        for _ in range(BIG // 65536 * 8):
            yield b"x" * 65536

    answer = httpx.post(f"{proxy.url}/api/admin/backups/upload", content=parts(), timeout=60)
    assert answer.status_code == 200
    assert backend.seen[0].received == 65536 + BIG * 8


def test_a_download_streams_through(proxy: Proxy, backend: Backend) -> None:
    with httpx.stream("GET", f"{proxy.url}/api/admin/backups/x.sql/download") as answer:
        chunks = answer.iter_raw()
        assert next(chunks) == b"0123456789"  # before the other half was sent
        backend.resume.set()
        assert b"".join(chunks) == b"0123456789"


def test_only_idempotent_requests_are_retried(proxy: Proxy, backend: Backend) -> None:
    backend.hang_up = 1
    assert httpx.get(f"{proxy.url}/api/genes").status_code == 200
    assert backend.paths() == ["/api/genes"] * 2
    backend.seen.clear()
    backend.hang_up = 1
    assert httpx.post(f"{proxy.url}/api/admin/backups", json={}).status_code == 502
    assert backend.paths() == ["/api/admin/backups"]
    backend.seen.clear()
    backend.hang_up = 1
    assert httpx.post(f"{proxy.url}/api/auth/login", json={}).status_code == 502
    assert backend.paths() == ["/api/auth/login"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unforwarded_requests_wait_for_an_api_instance(tmp_path: Path, method: str) -> None:
    body = b"x" * 100_000 if method == "POST" else b""
    with (
        start_backend() as backend,
        start_proxy(tmp_path, backend.url, SYSNDD_HOLD_SECONDS="40") as proxy,
        ThreadPoolExecutor(1) as thread,
    ):
        backend.healthy = False
        _wait_until(lambda: "Health check failed" in proxy.log.read_text())
        backend.seen.clear()
        asked = thread.submit(
            httpx.request, method, f"{proxy.url}/api/genes", content=body, timeout=60
        )
        with pytest.raises(TimeoutError):
            asked.result(3)
        assert backend.seen == []
        backend.healthy = True
        assert asked.result(30).status_code == 200
        (taken,) = backend.seen
        assert (taken.method, taken.received) == (method, len(body))


def test_an_unhealthy_backend_gets_no_requests_until_it_recovers(
    proxy: Proxy, backend: Backend
) -> None:
    backend.healthy = False
    _wait_until(lambda: ask(proxy, "GET", "/api/genes") == 502)
    backend.seen.clear()
    assert ask(proxy, "GET", "/api/genes") == 502
    assert backend.seen == []
    backend.healthy = True
    _wait_until(lambda: ask(proxy, "GET", "/api/genes") == 200)


def test_an_unhealthy_replica_gets_no_requests(tmp_path: Path) -> None:
    with (
        start_backend() as well,
        start_backend() as sick,
        start_proxy(tmp_path, f"{well.url}, {sick.url}") as proxy,
    ):
        for _ in range(4):
            assert ask(proxy, "GET", "/api/genes") == 200
        assert well.seen
        assert sick.seen
        sick.healthy = False

        def avoided() -> bool:
            sick.seen.clear()
            assert [ask(proxy, "GET", "/api/genes") for _ in range(4)] == [200] * 4
            return not sick.seen

        _wait_until(avoided)


SPOOFED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Real-Ip": "203.0.113.7",
    "X_Real_Ip": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
}


def test_forwarded_headers_of_clients_are_dropped(proxy: Proxy, backend: Backend) -> None:
    answer = httpx.get(f"{proxy.url}/api/genes", headers=SPOOFED)
    assert "strict-transport-security" not in answer.headers
    arrived = backend.seen[0].headers
    assert "203.0.113.7" not in str(arrived)
    assert "evil.example" not in str(arrived)
    assert arrived["X-Forwarded-For"] == "127.0.0.1"
    assert arrived["X-Forwarded-Proto"] == "http"


def test_forwarded_headers_of_a_trusted_network_are_passed_on(
    backend: Backend, tmp_path: Path
) -> None:
    networks = "10.0.0.0/8,127.0.0.0/8,::1/128"
    with start_proxy(tmp_path, backend.url, SYSNDD_TRUSTED_NETWORKS=networks) as proxy:
        backend.seen.clear()
        answer = httpx.get(f"{proxy.url}/api/genes", headers=SPOOFED)
        assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
        assert backend.seen[0].headers["X-Forwarded-For"] == "203.0.113.7, 127.0.0.1"
        with httpx.Client(base_url=proxy.url) as client:
            # Each visitor behind the load balancer has a separate limit.
            for n in range(40):
                headers = {"X-Forwarded-For": f"198.51.100.{n}"}
                assert client.post("/api/auth/login", headers=headers).status_code == 200
            guesses = [
                client.post("/api/auth/login", headers={"X-Forwarded-For": "198.51.100.99"})
                for _ in range(30)
            ]
            assert guesses[-1].status_code == 429


def test_every_response_has_security_headers(proxy: Proxy) -> None:
    headers = httpx.get(f"{proxy.url}/api/genes").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Server" not in headers
    assert (
        "Strict-Transport-Security" not in headers
    )  # plain HTTP: the header would lock developers out


def test_tls_is_served_and_http_redirects(backend: Backend, tmp_path: Path) -> None:
    files = self_signed(tmp_path)
    with start_proxy(tmp_path, backend.url, **files) as proxy:
        secure = f"https://localhost:{proxy.tls_port}"
        with httpx.Client(verify=trusting(files["SYSNDD_TLS_CERT_FILE"])) as client:
            answer = client.get(f"{secure}/api/genes")
            assert answer.status_code == 200
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
            assert client.get(f"{secure}/metrics").status_code == 404
        assert backend.seen[-1].headers["X-Forwarded-Proto"] == "https"
        backend.seen.clear()
        for path in ("/api/genes", "/admin/", "/account/confirm"):
            sent_on = httpx.get(f"{proxy.url}{path}")
            assert sent_on.status_code in {301, 308}
            expected = f"https://127.0.0.1:{proxy.tls_port}{path}"
            assert sent_on.headers["Location"] == expected
        assert backend.seen == []
        assert _offers_only_tls_1_2_and_later(proxy.tls_port)


def test_the_access_log_has_no_query_string_and_no_secret(proxy: Proxy) -> None:
    secret = "s3cr3t-t0ken"
    httpx.get(
        f"{proxy.url}/account/logged?token={secret}",
        headers={"Authorization": f"Bearer {secret}", "Cookie": f"a={secret}", "Referer": secret},
    )
    _wait_until(lambda: "/account/logged" in proxy.log.read_text())
    assert secret not in proxy.log.read_text()
    (line,) = [line for line in proxy.log.read_text().splitlines() if "/account/logged" in line]
    assert json.loads(line)["DownstreamStatus"] == 200


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"SYSNDD_TLS": "on"}, "SYSNDD_TLS must be"),
        ({"SYSNDD_TLS": "files"}, "SYSNDD_TLS_CERT_FILE"),
        ({"SYSNDD_TLS": "acme"}, "SYSNDD_DOMAIN"),
        ({"SYSNDD_TLS": "acme", "SYSNDD_DOMAIN": "x.example"}, "SYSNDD_ACME_EMAIL"),
        ({"SYSNDD_TRUSTED_NETWORKS": "0.0.0.0/0"}, "must not include all addresses"),
        ({"SYSNDD_TRUSTED_NETWORKS": "::/0"}, "must not include all addresses"),
        ({"SYSNDD_TRUSTED_NETWORKS": "proxy.example"}, "comma-separated list of networks"),
        ({"SYSNDD_HTTP_ADDRESS": 'x"y'}, "SYSNDD_HTTP_ADDRESS"),
    ],
)
def test_invalid_settings_are_rejected(settings: dict[str, str], message: str) -> None:
    done = subprocess.run(
        ["sh", str(REPOSITORY / "proxy" / "run.sh"), "render"],
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 64
    assert message in done.stderr


def test_a_file_that_would_replace_the_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "traefik.yml").write_text("{}")
    done = subprocess.run(
        ["sh", str(REPOSITORY / "proxy" / "run.sh")],
        env={"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 64
    assert "./traefik.yml would replace this configuration" in done.stderr


def test_healthcheck_asks_the_running_proxy(backend: Backend, tmp_path: Path) -> None:
    address = {"SYSNDD_PING_ADDRESS": f"{LOOPBACK}:{free_port()}"}
    command = ["sh", str(REPOSITORY / "proxy" / "run.sh"), "healthcheck"]
    environment = {"PATH": traefik.path(), **address}
    with start_proxy(tmp_path, backend.url, **address):
        assert subprocess.run(command, env=environment, check=False).returncode == 0
    assert subprocess.run(command, env=environment, check=False).returncode == 1


def _offers_only_tls_1_2_and_later(port: int) -> bool:
    old, new = (
        subprocess.run(
            [
                *("openssl", "s_client", "-connect", f"127.0.0.1:{port}"),
                *(version, "-cipher", "ALL:@SECLEVEL=0"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        ).returncode
        for version in ("-tls1_1", "-tls1_2")
    )
    return old != 0 and new == 0


def _wait_until(is_true: Callable[[], bool], *, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not is_true():
        assert time.monotonic() < deadline, f"not within {timeout} seconds"
        time.sleep(0.1)
