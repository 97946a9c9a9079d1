"""Runs a hook of a restore: a command without a shell, or a POST request to a URL."""

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import time
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

import httpx

from sysndd_core.child_process import end_with_parent
from sysndd_core.errors import SysnddError
from sysndd_core.logging import get_logger
from sysndd_core.settings.site_hold import is_url

log = get_logger(__name__)

_CHUNK_BYTES = 65_536
_FIRST_BYTES = 2_000
_LAST_BYTES = 16_000
_LINES_IN_ERROR = 5
_LINES_IN_LOG = 50
# A process that a command leaves in the background can keep its output open.
_OUTPUT_GRACE_SECONDS = 0.5


@dataclass(frozen=True)
class HookEvent:
    """What a hook is called for; it gets these values as JSON or as ``SYSNDD_…`` variables.

    Attributes:
        event: ``restore_starting``, ``restore_ended``, ``undo_starting`` or ``undo_ended``.
        job_id: ID of the job.
        schema: Name of the application schema.
        backup: Name of the backup that is restored or whose restore is undone.
        outcome: ``done`` or ``rolled_back``; None before the start.
    """

    event: str
    job_id: str
    schema: str
    backup: str | None
    outcome: str | None


@dataclass(frozen=True)
class HookResult:
    """How a hook ended.

    Attributes:
        failure: What happened, such as ``hold.sh exited with code 3``; None if it succeeded.
        first_lines: The beginning of its output or response.
    """

    failure: str | None
    first_lines: str


@dataclass(frozen=True)
class Hook:
    """A configured hook.

    Attributes:
        name: The setting that configures it, which messages name.
        value: A command, or a URL; never in a log, because it can contain a token.
        timeout: Seconds after which it is ended and counts as failed.
        variables: Environment variables of a command, without those of the event.
    """

    name: str
    value: str = field(repr=False)
    timeout: float
    variables: Mapping[str, str]

    def check_program(self) -> None:
        """Check that the program of a command exists; does nothing for a URL.

        Raises:
            SysnddError: The program is missing or not executable.
        """
        if is_url(self.value):
            return
        program = shlex.split(self.value)[0]
        if shutil.which(program) is None:
            raise SysnddError(
                f"{self.name}: the program {program} does not exist or is not executable for this"
                " worker. Correct the path, or use a URL."
            )

    async def run(self, event: HookEvent) -> HookResult:
        """Run the hook, and write the last lines of its output to the log.

        Args:
            event: What it is called for.

        Returns:
            How it ended; a failure is not an exception.
        """
        log.info("hook_started", hook=self.name, hook_event=event.event)
        started = time.monotonic()
        output = _Output()
        if is_url(self.value):
            failure = await self._post(event, output)
        else:
            failure = await self._execute(event, output)
        for line in output.last_lines():
            log.info("hook_output", hook=self.name, line=line)
        seconds = round(time.monotonic() - started, 1)
        if failure is None:
            log.info("hook_succeeded", hook=self.name, seconds=seconds)
        else:
            log.error("hook_failed", hook=self.name, reason=failure, seconds=seconds)
        return HookResult(failure, output.first_lines())

    async def _execute(self, event: HookEvent, output: "_Output") -> str | None:
        command = shlex.split(self.value)
        values = {f"SYSNDD_{name.upper()}": value or "" for name, value in asdict(event).items()}
        async with _pipe_into(output) as pipe:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=pipe,
                    stderr=pipe,
                    env={**self.variables, **values},
                    start_new_session=True,
                    preexec_fn=end_with_parent,
                )
            except OSError as error:
                return f"{command[0]} cannot be run: {error.strerror}"
            try:
                async with asyncio.timeout(self.timeout):
                    await process.wait()
            except TimeoutError:
                return f"{command[0]} did not end within {self.timeout:g} s and was killed"
            finally:
                if process.returncode is None:
                    # The process is the leader of its group, which contains its children.
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    await process.wait()
        assert process.returncode is not None
        if process.returncode < 0:
            return f"{command[0]} was ended by signal {-process.returncode}"
        if process.returncode > 0:
            return f"{command[0]} exited with code {process.returncode}"
        return None

    async def _post(self, event: HookEvent, output: "_Output") -> str | None:
        # A path or query can contain a token.
        server = urlsplit(self.value).hostname
        try:
            async with (
                asyncio.timeout(self.timeout),
                httpx.AsyncClient(timeout=self.timeout, follow_redirects=False) as client,
                client.stream("POST", self.value, json=asdict(event)) as response,
            ):
                status = response.status_code
                await output.read(response.aiter_bytes())
        except TimeoutError:
            return f"{server} did not respond within {self.timeout:g} s"
        except httpx.TimeoutException:
            return f"{server} did not respond within {self.timeout:g} s"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"the request to {server} failed: {type(error).__name__}: {error}"
        if 300 <= status < 400:
            return f"{server} responded with HTTP {status}, and a hook does not follow redirects"
        return None if 200 <= status < 300 else f"{server} responded with HTTP {status}"


class _Output:
    """The beginning and the end of an output, and nothing in between."""

    def __init__(self) -> None:
        self._first = b""
        self._last = b""

    async def read(self, chunks: AsyncIterable[bytes]) -> None:
        """Read an output to its end."""
        async for chunk in chunks:
            self._first += chunk[: max(0, _FIRST_BYTES - len(self._first))]
            self._last = (self._last + chunk)[-_LAST_BYTES:]

    def first_lines(self) -> str:
        """Return the first lines in one line."""
        return " / ".join(_lines(self._first)[:_LINES_IN_ERROR])

    def last_lines(self) -> list[str]:
        """Return the last lines."""
        return _lines(self._last)[-_LINES_IN_LOG:]


@contextlib.asynccontextmanager
async def _pipe_into(output: _Output) -> AsyncIterator[int]:
    """Yield the writing end of a pipe whose content goes into ``output``.

    A pipe of asyncio would delay the end of a command until the processes that it leaves in the
    background have closed their output, too.
    """
    reading_end, writing_end = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading_end, "rb", 0)
    )
    reading = asyncio.create_task(output.read(_chunks(reader)))
    try:
        yield writing_end
    finally:
        os.close(writing_end)
        await asyncio.wait([reading], timeout=_OUTPUT_GRACE_SECONDS)
        reading.cancel()
        transport.close()


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while chunk := await reader.read(_CHUNK_BYTES):
        yield chunk


def _lines(output: bytes) -> list[str]:
    text = output.decode(errors="replace")
    printable = ("".join(c if c.isprintable() else " " for c in line) for line in text.splitlines())
    return [line.strip() for line in printable if line.strip()]
