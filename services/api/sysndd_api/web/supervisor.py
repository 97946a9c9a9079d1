"""The workers' supervisor: uvicorn's, with an end that loses no request.

uvicorn's parent process keeps the listening socket open until its last worker has ended: what
connects in that time is never answered. And a worker that is told to stop closes its idle
connections at once, whatever the proxy is sending on them. So before that, for ``API_DRAIN``
seconds, everything is still served, each answer asks for its connection to be closed, and the proxy
opens its next ones at another replica.
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

# uvicorn's own: the application did not start in a worker (uvicorn.main.STARTUP_FAILURE).
_STARTUP_FAILURE = 3
# Between the proxy's connection and its request: a packet, or a moment of a busy machine.
_LATE_REQUEST_SECONDS = 1.0


class Supervisor(Multiprocess):
    """Keeps the workers alive until SIGTERM, then drains and ends them.

    Args:
        config: uvicorn's.
        listening: the bound socket that the workers share.
        drain_seconds: how long connections are wound down before the workers are told to stop.
    """

    def __init__(self, config: Config, listening: socket, drain_seconds: float) -> None:
        super().__init__(config, sockets=[listening])
        self._drain_seconds = drain_seconds

    @property
    def failed_to_start(self) -> bool:
        """Whether it ended because the application did not start in a worker."""
        return any(process.exitcode == _STARTUP_FAILURE for process in self.processes)

    def handle_term(self) -> None:
        """Drain, close the socket here, and let ``run`` stop the workers."""
        if self._drain_seconds > 0:
            log.info("api_draining", seconds=self._drain_seconds)
            for process in self.processes:
                if process.pid is not None and process.is_alive():
                    os.kill(process.pid, signal.SIGUSR1)
            time.sleep(self._drain_seconds)
        for listening in self.sockets:
            listening.close()
        super().handle_term()


class Draining:
    """Wraps the application in a worker: after SIGUSR1 each answer closes its connection."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._begun = False

    def begin(self, *_: object) -> None:
        """Handle the signal."""
        self._begun = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""

        async def closing(message: Message) -> None:
            if self._begun and message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, closing)


def draining(app: ASGIApp) -> Draining:
    """Wrap ``app`` and install the signal's handler; call it in a worker, before it serves."""
    wrapped = Draining(app)
    signal.signal(signal.SIGUSR1, wrapped.begin)
    return wrapped


class Connection(HttpToolsProtocol):
    """uvicorn's, but at the end one without a request is given time for the one that is on its way.

    uvicorn would close it at once: a POST on a connection that was accepted a moment before was lost.
    """

    def shutdown(self) -> None:
        """Close it when it has nothing to answer, after a moment; else after its answer."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(_LATE_REQUEST_SECONDS, super().shutdown)
        else:
            super().shutdown()
