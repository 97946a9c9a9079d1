"""Traefik with the configuration of proxy/, and a backend that records its requests."""

import contextlib
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from sysndd_local import proxy as traefik
from sysndd_local.ports import LOOPBACK, accepts, free_port
from tests.support.processes import RealProcess

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class ReceivedRequest:
    """One request as the backend received it."""

    method: str
    path: str
    headers: dict[str, str]
    received: int = 0


@dataclass
class Backend:
    """A backend in the place of the API, which records what the proxy did with a request.

    Attributes:
        seen: every request except health checks, in order of arrival.
        healthy: the result of the health check.
        hang_up: number of next requests whose connection is closed without an answer.
        first_chunk: set when the first part of a stream arrived.
        resume: set to let the rest of a stream follow.
    """

    url: str = ""
    seen: list[ReceivedRequest] = field(default_factory=list)
    healthy: bool = True
    hang_up: int = 0
    first_chunk: threading.Event = field(default_factory=threading.Event)
    resume: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        """Return to the initial state."""
        self.seen.clear()
        self.healthy, self.hang_up = True, 0
        self.first_chunk.clear()
        self.resume.clear()

    def paths(self) -> list[str]:
        """Return the path of each request that arrived."""
        return [request.path for request in self.seen]


@dataclass(frozen=True)
class Proxy:
    """A running Traefik.

    Attributes:
        url: URL of the HTTP entry point.
        tls_port: port of the HTTPS entry point; 0 if there is none.
        log: file with the log and the access log.
    """

    url: str
    tls_port: int
    log: Path


@contextlib.contextmanager
def start_backend() -> Iterator[Backend]:
    """Serve on a free port of the loopback address."""
    backend = Backend()

    class Handler(_Handler):
        state = backend

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    backend.url = f"http://{LOOPBACK}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield backend
    finally:
        backend.resume.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def start_proxy(directory: Path, api_url: str, **settings: str) -> Iterator[Proxy]:
    """Run Traefik on free ports, with the files of proxy/ as they are."""
    port, tls_port = free_port(), free_port()
    environment: dict[str, str] = {
        "PATH": traefik.path(),
        "SYSNDD_HTTP_ADDRESS": f"{LOOPBACK}:{port}",
        "SYSNDD_HTTPS_ADDRESS": f"{LOOPBACK}:{tls_port}",
        "SYSNDD_HTTPS_PORT": str(tls_port),
        "SYSNDD_DYNAMIC_DIR": str(REPOSITORY / "proxy" / "dynamic"),
        "SYSNDD_API_URL": api_url,
        # The time that a test waits for a missing answer.
        "SYSNDD_HOLD_SECONDS": "1",
        **settings,
    }
    tls = settings.get("SYSNDD_TLS", "off") != "off"

    def ready() -> bool:
        if not accepts(port) or (tls and not accepts(tls_port)):
            return False
        # The routes are loaded a moment after the entry points.
        answer = httpx.get(f"http://{LOOPBACK}:{port}/api/health/live", timeout=30)
        return answer.status_code not in {404, 502, 503}

    command = traefik.command(REPOSITORY / "proxy")
    process = RealProcess("traefik", command, directory, ready, environment)
    try:
        process.start()
        yield Proxy(f"http://{LOOPBACK}:{port}", tls_port if tls else 0, process.log)
    finally:
        process.stop()


def self_signed(
    directory: Path, *, days: int = 30, names: str = "DNS:localhost,IP:127.0.0.1"
) -> dict[str, str]:
    """Create a certificate for localhost, or for ``names``; return the settings that name it."""
    certificate, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days)),
            *("-subj", "/CN=localhost", "-addext", f"subjectAltName={names}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return {
        "SYSNDD_TLS": "files",
        "SYSNDD_TLS_CERT_FILE": str(certificate),
        "SYSNDD_TLS_KEY_FILE": str(key),
    }


def trusting(certificate: str) -> ssl.SSLContext:
    """Return a client's context that trusts this certificate only."""
    return ssl.create_default_context(cafile=certificate)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Backend

    def do_GET(self) -> None:
        if self.path == "/health/live":
            self._answer(200 if self.state.healthy else 503)
            return
        self._note()
        if self._hangs_up():
            return
        if "/download" in self.path:
            self.send_response(200)
            self.send_header("Content-Length", "20")
            self.end_headers()
            self.wfile.write(b"0123456789")
            self.wfile.flush()
            self.state.resume.wait(30)
            self.wfile.write(b"0123456789")
            return
        self._answer(200)

    def do_POST(self) -> None:
        request = self._note()
        if self._hangs_up():
            return
        for part in self._body():
            request.received += len(part)
            self.state.first_chunk.set()
        self._answer(200)

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            part = self.rfile.read1(min(left, 65536))
            if not part:
                return
            left -= len(part)
            yield part

    def _note(self) -> ReceivedRequest:
        request = ReceivedRequest(self.command, self.path, dict(self.headers.items()))
        self.state.seen.append(request)
        return request

    def _hangs_up(self) -> bool:
        """Close the connection without an answer, like a killed worker."""
        if not self.state.hang_up:
            return False
        self.state.hang_up -= 1
        self.close_connection = True
        return True

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Suppress the request log."""
