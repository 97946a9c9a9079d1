"""``sysndd-migrator`` in a process that sends itself SIGKILL at a chosen statement.

Every statement is a kill point, including the migrator's own, because all of them go through
``Session.send``. The processes are forked by a server that has imported the modules already.
"""

import asyncio
import multiprocessing
import os
import random
import signal
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from sysndd_migrator.cli.main import main
from sysndd_migrator.server.session import Result, Session
from tests.support.random_faults import spread

KILLS = int(os.environ.get("KILLS", "20"))
"""How many processes a test kills."""
SEED = int(os.environ.get("SEED", "4"))
"""What the moments are drawn from."""
BEFORE, DURING = "before", "during"


class KillPoint(NamedTuple):
    """When to kill.

    Attributes:
        at: Number of the statement, from 1.
        when: ``BEFORE``: nothing of it was sent, and the previous results were read. ``DURING``: it
            was sent, and its result is not read.
    """

    at: int
    when: str


NEVER = KillPoint(0, BEFORE)

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload([__name__])


def kill_points(
    arguments: Sequence[str], environ: Mapping[str, str], log: Path, *, kills: int, seed: int
) -> list[KillPoint]:
    """Run a command without a kill, and choose points at which to kill it.

    Args:
        arguments: Command line without the program.
        environ: The complete environment.
        log: File to which the output is appended.
        kills: Number of points, one from each of as many equal parts of the run; at most all.
        seed: Seed of the choice.
    """
    code, statements = _ended(NEVER, arguments, environ, log)
    assert code == 0, log.read_text()
    every = [KillPoint(at, when) for at in range(1, statements + 1) for when in (BEFORE, DURING)]
    chance = random.Random(seed)  # noqa: S311 - repeatable points, no secrets
    return [every[int(share * len(every))] for share in spread(min(kills, len(every)), chance)]


def killed_at(
    point: KillPoint, arguments: Sequence[str], environ: Mapping[str, str], log: Path
) -> None:
    """Run a command as ``kill_points`` does, and assert that it was killed."""
    code, _ = _ended(point, arguments, environ, log)
    assert code == -signal.SIGKILL, f"{point}: {log.read_text()}"


def _ended(
    point: KillPoint, arguments: Sequence[str], environ: Mapping[str, str], log: Path
) -> tuple[int, int]:
    """Return the exit code, and the number of statements until then."""
    ours, theirs = _forking.Pipe(duplex=False)
    process = _forking.Process(target=_run, args=(point, arguments, environ, log, theirs))
    process.start()
    theirs.close()
    process.join(60)
    code = process.exitcode
    process.kill()
    assert code is not None, f"still running: {arguments}, {point}"
    with ours:
        return code, ours.recv()


class _Killer:
    def __init__(self, point: KillPoint, report: Connection) -> None:
        self._at, self._when = point
        self._report = report
        self._seen = 0

    def watch(self) -> None:
        """Count every statement of a session; the progress connection is not one."""
        send = Session.send

        async def watched_send(session: Session, sql: str, *rest: Any, **options: Any) -> Result:
            self._seen += 1
            if self._seen != self._at:
                return await send(session, sql, *rest, **options)
            if self._when == DURING:
                # It waits for the result as soon as the statement is sent completely.
                sending = asyncio.ensure_future(send(session, sql, *rest, **options))
                await asyncio.sleep(0)
                assert not sending.done()
            self.kill()
            raise AssertionError("still alive")

        setattr(Session, "send", watched_send)  # noqa: B010 - mypy allows no assignment to a method

    def kill(self) -> None:
        self.report()
        os.kill(os.getpid(), signal.SIGKILL)

    def report(self) -> None:
        self._report.send(self._seen)


def _run(
    point: KillPoint,
    arguments: Sequence[str],
    environ: Mapping[str, str],
    log: Path,
    report: Connection,
) -> None:
    os.environ.clear()
    os.environ.update(environ)
    with log.open("ab", buffering=0) as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    killer = _Killer(point, report)
    killer.watch()
    code = main(arguments)
    killer.report()
    raise SystemExit(code)
