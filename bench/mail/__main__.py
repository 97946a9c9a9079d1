"""``make bench WHAT=mail``: the mailer, compared with a plain aiosmtplib loop.

All runs send the same emails over the same number of connections to the same server. The loop runs
twice: with its messages ready in memory, and building each message as it is sent. The mailer is
the real process with a MariaDB server that has the settings of a production server (each commit is
flushed): it claims rows, renders, builds and sends emails, and closes rows. The runs alternate, so
that other load on the machine affects all of them. The time is measured from the first EHLO to the
loop's last 250 reply, and to the mailer's last closed row.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.mail.emails import MAIL_FROM, PUBLIC_URL, context_of, recipient_of
from bench.server import running_server
from sysndd_core.db.database import Database
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.mail.outbox import MailRows, NewMail
from sysndd_core.settings.base import Settings, load
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.settings.redis import RedisSettings
from sysndd_local import mariadb, redis
from sysndd_local.ports import LOOPBACK, accepts, free_port

WITHIN_SECONDS = 600


@dataclass(frozen=True)
class Round:
    """One run of the loop with ready messages, of the loop that builds them, and of the mailer."""

    ready: "Run"
    built: "Run"
    mailer: "Run"


@dataclass(frozen=True)
class Run:
    """Emails per second, and processor time of the sender in milliseconds per email."""

    rate: float
    processor_ms: float


class _Core(Settings):
    database: DatabaseSettings
    redis: RedisSettings


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="sysndd-bench-") as folder:
        root = Path(folder)
        with running_server(root / "server") as server, _redis(root / "redis") as redis_url:
            environ = _environ(server, redis_url)
            subprocess.run(
                [sys.executable, "-m", "sysndd_migrator", "up"],
                env=environ,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            rounds = []
            for number in range(options.rounds):
                print(f"round {number + 1} …", file=sys.stderr)
                ready, built = _run_loop(options, "ready"), _run_loop(options, "built")
                mailer = _run_mailer(options, environ, root / f"mailer{number}.log")
                rounds.append(Round(ready, built, mailer))
    _print_table(rounds, options)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.mail", description=__doc__)
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def _run_loop(options: argparse.Namespace, kind: str) -> Run:
    with _sink() as (port, stop):
        before = _processor_seconds()
        arguments = (str(port), str(options.connections), str(options.mails), kind)
        subprocess.run([sys.executable, "-m", "bench.mail.loop", *arguments], check=True)
        used = _processor_seconds() - before
        counts = stop()
    assert counts["mails"] == options.mails
    return _rates(options.mails, float(counts["last"] - counts["first"]), used)


def _run_mailer(options: argparse.Namespace, environ: dict[str, str], log: Path) -> Run:
    asyncio.run(_fill_outbox(environ, options.mails))
    with _sink() as (port, stop), log.open("wb") as output:
        before = _processor_seconds()
        process = subprocess.Popen(
            [sys.executable, "-m", "sysndd_mailer"],
            env=environ | {"SMTP_PORT": str(port), "SMTP_CONNECTIONS": str(options.connections)},
            stdout=output,
            stderr=output,
        )
        try:
            last = asyncio.run(_wait_until_sent(environ))
        finally:
            process.terminate()
            process.wait()
        used = _processor_seconds() - before
        counts = stop()
    assert counts["mails"] == options.mails, "an email was lost or sent twice"
    return _rates(options.mails, last - float(counts["first"]), used)


def _rates(mails: int, seconds: float, processor_seconds: float) -> Run:
    return Run(mails / seconds, 1000 * processor_seconds / mails)


def _processor_seconds() -> float:
    """Return the processor seconds of all ended child processes, including their start."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _fill_outbox(environ: dict[str, str], mails: int) -> None:
    settings = load(_Core, environ)
    wake_up = WakeUp(settings.redis)
    async with Database(settings.database) as database:
        rows = MailRows(database, wake_up, domain="sysndd.example")
        await database.execute(f"DELETE FROM {rows.table}")
        async with database.transaction() as tx:
            for number in range(mails):
                mail = NewMail("test", recipient_of(number), "test", context_of(number))
                await rows.enqueue(tx, mail, requested_by=None)
            tx._after_commit.clear()  # no mailer is running that needs the wake-ups
    await wake_up.close()


async def _wait_until_sent(environ: dict[str, str]) -> float:
    """Wait until each row is closed; return the time of the last one in seconds since the epoch."""
    async with Database(load(_Core, environ).database) as database:
        table, deadline = f"{database.ops}.mail", time.monotonic() + WITHIN_SECONDS
        while True:
            # Uses the index, because a table scan takes as long as a hundred emails.
            row = await database.fetch_one(
                f"SELECT 1 FROM {table} FORCE INDEX (mail_due)"
                " WHERE state IN ('queued', 'running') LIMIT 1"
            )
            if row is None:
                break
            assert time.monotonic() < deadline, "the mailer did not finish in time"
            await asyncio.sleep(0.5)
        row = await database.fetch_one(
            f"SELECT UNIX_TIMESTAMP(MAX(finished_at)) AS last FROM {table}"
        )
        assert row is not None
        return float(row["last"])


@contextmanager
def _sink() -> Iterator[tuple[int, Any]]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.mail.sink", str(port)], stdout=subprocess.PIPE
    )

    def stop() -> dict[str, float]:
        """Stop the server; return its counts."""
        process.terminate()
        output, _ = process.communicate(timeout=30)
        counts: dict[str, float] = json.loads(output)
        return counts

    try:
        deadline = time.monotonic() + 30
        while not accepts(port):
            assert time.monotonic() < deadline, "the mail server did not start in time"
            time.sleep(0.02)
        yield port, stop
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@contextmanager
def _redis(directory: Path) -> Iterator[str]:
    server = redis.RedisServer(directory, free_port(), "bench")
    redis.prepare(server)
    process = subprocess.Popen(redis.command(server), stdout=subprocess.DEVNULL)
    try:
        yield server.url
    finally:
        process.terminate()
        process.wait()


def _environ(server: mariadb.MariadbServer, redis_url: str) -> dict[str, str]:
    return {
        **os.environ,
        "DB_HOST": LOOPBACK,
        "DB_PORT": str(server.port),
        "DB_USER": "root",
        "DB_PASSWORD": server.root_password,
        "DB_NAME": "bench",
        "OPS_DB_NAME": "bench_ops",
        "REDIS_URL": redis_url,
        "MIGRATIONS_DIR": "db/migrations",
        "ENVIRONMENT": "development",
        "PUBLIC_URL": PUBLIC_URL,
        "MAIL_FROM": MAIL_FROM,
        "SMTP_HOST": LOOPBACK,
        "SMTP_SECURITY": "none",
    }


def _print_table(rounds: list[Round], options: argparse.Namespace) -> None:
    print(f"\n{options.mails} emails, {options.connections} connections; emails per second (and")
    print("processor time of the sender in milliseconds per email, including its start):\n")
    print("| round | loop, ready | loop, built | mailer | mailer / ready | mailer / built |")
    print("|---:|---:|---:|---:|---:|---:|")
    for number, one in enumerate(rounds, 1):
        runs = (one.ready, one.built, one.mailer)
        cells = [f"{run.rate:.0f} ({run.processor_ms:.2f})" for run in runs]
        ratios = [f"{one.mailer.rate / loop.rate:.2f}" for loop in (one.ready, one.built)]
        print(f"| {number} | {' | '.join(cells + ratios)} |")
    ready = statistics.median(one.mailer.rate / one.ready.rate for one in rounds)
    built = statistics.median(one.mailer.rate / one.built.rate for one in rounds)
    print(f"\nmedian ratios {ready:.2f} and {built:.2f}")


if __name__ == "__main__":
    sys.exit(main())
