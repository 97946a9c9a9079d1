"""``sysndd-migrator`` in a process that sends itself SIGKILL at a chosen statement.

Every statement to the server is a point, the migrator's own among them: all of them pass through
``Session.send``. The processes are forked by a server that has imported everything already.
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
from sysndd_migrator.server.session import Answer, Session
from tests.support.random_faults import spread

KILLS = int(os.environ.get("KILLS", "20"))
"""How many processes a test kills."""
SEED = int(os.environ.get("SEED", "4"))
"""What the moments are drawn from."""
BEFORE, DURING = "before", "during"


class Moment(NamedTuple):
    """When to kill.

    Attributes:
        at: number of the statement, from 1.
        when: ``BEFORE``, when nothing of it was sent and all before it was answered, or ``DURING``,
            when it was sent and its answer is not waited for.
    """

    at: int
    when: str


NEVER = Moment(0, BEFORE)

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload([__name__])


def moments(
    arguments: Sequence[str], environ: Mapping[str, str], log: Path, *, kills: int, seed: int
) -> list[Moment]:
    """Run a command undisturbed, and choose when to kill it.

    Args:
        arguments: the command line, without the program.
        environ: the whole environment.
        log: file that what it prints is added to.
        kills: how many moments, one from each of so many equal parts of the run; or all there are.
        seed: which of them.
    """
    code, statements = _ended(NEVER, arguments, environ, log)
    assert code == 0, log.read_text()
    every = [Moment(at, when) for at in range(1, statements + 1) for when in (BEFORE, DURING)]
    chance = random.Random(seed)  # noqa: S311 - repeatable moments, no secrets
    return [every[int(share * len(every))] for share in spread(min(kills, len(every)), chance)]


def killed_at(
    moment: Moment, arguments: Sequence[str], environ: Mapping[str, str], log: Path
) -> None:
    """Run a command like ``moments``, and make sure that it was killed at one of them."""
    code, _ = _ended(moment, arguments, environ, log)
    assert code == -signal.SIGKILL, f"{moment}: {log.read_text()}"


def _ended(
    moment: Moment, arguments: Sequence[str], environ: Mapping[str, str], log: Path
) -> tuple[int, int]:
    """Return the exit code, and how many statements there were until then."""
    ours, theirs = _forking.Pipe(duplex=False)
    process = _forking.Process(target=_run, args=(moment, arguments, environ, log, theirs))
    process.start()
    theirs.close()
    process.join(60)
    code = process.exitcode
    process.kill()
    assert code is not None, f"still running: {arguments}, {moment}"
    with ours:
        return code, ours.recv()


class _Killer:
    def __init__(self, moment: Moment, report: Connection) -> None:
        self._at, self._when = moment
        self._report = report
        self._seen = 0

    def watch(self) -> None:
        """Come by at every statement of a session; not at those that only look on meanwhile."""
        send = Session.send

        async def watched_send(session: Session, sql: str, *rest: Any, **options: Any) -> Answer:
            self._seen += 1
            if self._seen != self._at:
                return await send(session, sql, *rest, **options)
            if self._when == DURING:
                # Until it waits for the answer, which is when all of it is sent.
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
    moment: Moment,
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
    killer = _Killer(moment, report)
    killer.watch()
    code = main(arguments)
    killer.report()
    raise SystemExit(code)
