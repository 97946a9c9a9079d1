"""SIGKILL of the migrator and of the server, repeatedly, at seeded times.

``KILLS`` is the number of kills (20 by default; ``make lane LANE=kills-migrations KILLS=100`` for
the long lane), ``SEED`` selects the times. Every fifth kill hits the server. After each kill,
``up`` resumes. At the end of each round, the schema, the rows and a counter of executed statements
must be those of a run without kills.
"""

import random
import signal
import time

import pytest

from tests.support.killed_migrator import KILLS, SEED
from tests.support.migrator import Workspace, eventually, finish

STEPS = 8
SERVER_EVERY = 5

FIRST = (
    "CREATE TABLE gene (id INT PRIMARY KEY, symbol VARCHAR(20) NOT NULL);\n"
    "CREATE TABLE tally (n INT NOT NULL);\nINSERT INTO tally VALUES (0);\n"
)


def step(number: int) -> str:
    """Return a file with a definition, rows, a guarded definition and a transaction."""
    return (
        f"ALTER TABLE gene ADD COLUMN c{number} INT;\nDO SLEEP(0.02);\n"
        f"INSERT INTO gene (id, symbol) VALUES ({number}, 'g{number}');\n"
        "UPDATE tally SET n = n + 1;\n"
        f"CREATE INDEX by_c{number} ON gene (c{number});\n"
        f"SET @ddl = 'ALTER TABLE gene ADD COLUMN d{number} INT';\n"
        "PREPARE change_it FROM @ddl;\nEXECUTE change_it;\nDEALLOCATE PREPARE change_it;\n"
        "START TRANSACTION;\nUPDATE tally SET n = n + 1;\nCOMMIT;\n"
        f"CREATE TABLE extra_{number} (id INT PRIMARY KEY);\n"
        f"-- assert: SELECT COUNT(*) = 1 FROM gene WHERE id = {number}\n"
    )


def plain(number: int) -> str:
    """Return a file with rows between its definitions."""
    return (
        f"CREATE TABLE plain_{number} (id INT PRIMARY KEY);\n"
        f"INSERT INTO plain_{number} VALUES (1);\nUPDATE tally SET n = n + 1;\n"
        f"ALTER TABLE plain_{number} ADD COLUMN note VARCHAR(10);\n"
    )


@pytest.mark.slow
def test_kills_at_seeded_times_do_not_change_the_result(workspace: Workspace) -> None:
    workspace.write("001_first.sql", FIRST)
    for number in range(STEPS):
        workspace.write(f"{number + 2:03d}_step.sql", step(number))
    for number in range(4 * STEPS):
        workspace.write(f"{number + 2 + STEPS:03d}_plain.sql", plain(number))
    workspace.up()
    undisturbed = workspace.state()
    generator = random.Random(SEED)  # noqa: S311 - repeatable times, no secrets
    kills = rounds = servers = 0
    longest = 0.6  # seconds; reduced if a run ends earlier
    while kills < KILLS:
        rounds += 1
        assert rounds <= KILLS + 5, f"only {kills} kills hit in {rounds} rounds"
        workspace.drop()
        for _ in range(KILLS + 5):
            server = workspace.server.process is not None and kills % SERVER_EVERY == 4
            finished = disturbed(workspace, generator.uniform(0, longest), server=server)
            if finished is None:
                kills, servers = kills + 1, servers + server
                if kills >= KILLS:
                    workspace.up()
                    break
            else:
                assert finished == 0, finished
                longest *= 0.8
                break
        assert workspace.state() == undisturbed
    summary = f"{kills} kills, {servers} of them of the server, in {rounds} rounds, seed {SEED}"
    print(summary)  # noqa: T201 - the long lane reports the count


def disturbed(workspace: Workspace, pause: float, *, server: bool) -> int | None:
    """Run ``up`` and kill it or the server ``pause`` seconds after it took the lock.

    Returns:
        None if the kill hit, else the exit code of a run that ended earlier.
    """
    process = workspace.start("up")
    eventually(lambda: process.poll() is not None or workspace.lock_holder())
    time.sleep(pause)
    if process.poll() is not None:
        finished = finish(process)
        assert finished.code == 0, finished
        return 0
    if not server:
        process.send_signal(signal.SIGKILL)
        finished = finish(process)
        assert finished.code in {0, -signal.SIGKILL}, finished
        return None if finished.code else 0
    workspace.server.kill()
    finished = finish(process)
    workspace.server.start()
    if finished.code == 0:
        return 0
    assert finished.code == 69, finished
    return None
