"""Supervisor of the worker processes: uvicorn's, with a shutdown that loses no request.

uvicorn's parent process keeps the listening socket open until its last worker has ended;
connections from that time are never answered. A stopping worker also closes idle connections
immediately, even if the proxy is sending a request. Therefore, for ``API_DRAIN`` seconds before
that, requests are still served, and each response closes its connection, so that the proxy
connects to another replica.
"""

import os
import signal
import time
from socket import socket

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from sysndd_core.logging import get_logger

log = get_logger(__name__)

# uvicorn.main.STARTUP_FAILURE: the application did not start in a worker.
_STARTUP_FAILURE = 3
# Time between the proxy's connection and its request, on a busy machine.
_LATE_REQUEST_SECONDS = 1.0


class Supervisor(Multiprocess):
    """Keeps the workers running until SIGTERM, then drains and stops them.

    Args:
        config: uvicorn's configuration.
        listening: The bound socket that the workers share.
        drain_seconds: How long connections are drained before the workers stop.
    """

    def __init__(self, config: Config, listening: socket, drain_seconds: float) -> None:
        super().__init__(config, sockets=[listening])
        self._drain_seconds = drain_seconds

    @property
    def failed_to_start(self) -> bool:
        """Whether it ended because the application did not start in a worker."""
        return any(process.exitcode == _STARTUP_FAILURE for process in self.processes)

    def keep_subprocess_alive(self) -> None:
        """Replace dead and hung workers.

        uvicorn keeps a copy of each worker's end of the pipe on which it waits for the answer to
        its health check. A worker killed after the question then leaves the supervisor waiting for
        the whole timeout, in which it replaces no worker and handles no signal.
        """
        for process in self.processes:
            process.child_conn.close()
        super().keep_subprocess_alive()

    def handle_term(self) -> None:
        """Drain, close the socket in this process, and let ``run`` stop the workers."""
        if self._drain_seconds > 0:
            log.info("api_drain_started", seconds=self._drain_seconds)
            for process in self.processes:
                if process.pid is not None and process.is_alive():
                    os.kill(process.pid, signal.SIGUSR1)
            time.sleep(self._drain_seconds)
        for listening in self.sockets:
            listening.close()
        super().handle_term()


class Draining:
    """Wraps the application of a worker: after SIGUSR1, each response closes its connection."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._begun = False

    def begin(self, *_: object) -> None:
        """Handle the signal."""
        self._begun = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""

        async def closing(message: Message) -> None:
            if self._begun and message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, closing)


def draining(app: ASGIApp) -> Draining:
    """Wrap ``app`` and install the signal handler; call it in a worker before it serves."""
    wrapped = Draining(app)
    signal.signal(signal.SIGUSR1, wrapped.begin)
    return wrapped


class Connection(HttpToolsProtocol):
    """uvicorn's protocol, which on shutdown waits a moment for a request on an idle connection.

    uvicorn closes such a connection immediately, which lost a POST on a connection that it had just
    accepted.
    """

    def shutdown(self) -> None:
        """Close an idle connection after a moment, and a busy one after its response."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(_LATE_REQUEST_SECONDS, super().shutdown)
        else:
            super().shutdown()
