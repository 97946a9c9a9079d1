"""The lanes: tests and checks that take too long for ``make test``.

``make lane`` lists them, ``make lane LANE=servers`` runs one. ``make ci`` runs those of ``CI``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_INTEGRATION = "tests/integration"
_ON_MYSQL = "tests/containers/test_mysql.py"
_PYTEST = ("{python}", "-m", "pytest")
_PARALLEL = (*_PYTEST, "-n", "{workers}", "--dist", "loadfile")

SERVER_TESTS = (
    "tests/servers",
    *(
        f"{_INTEGRATION}/{name}"
        for name in ("schema", "migrator", "core", "api", "backup", "mailer", "upgrades")
    ),
)
"""Tests that depend on the database server."""

CI_SERVER_TESTS = (
    "tests/servers",
    *(f"{_INTEGRATION}/{name}" for name in ("schema", "migrator", "core", "upgrades")),
    *(
        f"{_INTEGRATION}/backup/{name}.py"
        for name in (
            "restore/test_round_trip",
            "restore/test_site_hold",
            "load/test_parallel_load",
            "verify/test_verification",
            "dump/test_concurrent_schema_changes",
        )
    ),
)
"""The part of ``SERVER_TESTS`` that differs most between servers."""


@dataclass(frozen=True)
class Step:
    """One command of a lane.

    Attributes:
        command: Words of the command. ``{python}``, ``{workers}``, ``{servers}`` and ``{mailpit}``
            are replaced.
        environ: Default environment variables.
        takes_arguments: Whether this command gets the arguments of ``ARGS=``.
    """

    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    takes_arguments: bool = True


@dataclass(frozen=True)
class Lane:
    """A named set of tests or checks.

    Attributes:
        name: Value of ``LANE=``.
        about: One line for the list.
        steps: Run one after the other until one fails.
        needs_mailpit: Whether Mailpit is built first.
    """

    name: str
    about: str
    steps: Sequence[Step]
    needs_mailpit: bool = False


def _servers(name: str, about: str, tests: Sequence[str]) -> Lane:
    command = ("{python}", "-m", "tests.servers", "{servers}", "--", *_PARALLEL, *tests)
    return Lane(name, about, (Step(command),))


LANES: tuple[Lane, ...] = (
    _servers("servers", "The database's tests on MySQL 9.7 and MariaDB 11.8", SERVER_TESTS),
    _servers("servers-ci", "The part of `servers` that CI runs", CI_SERVER_TESTS),
    Lane(
        "containers",
        "Build the images, run them in a container engine, test the deployment",
        (Step(("{python}", "-m", "tests.containers")),),
    ),
    Lane(
        "containers-ci",
        "The part of `containers` that CI runs: everything but the deployment on MySQL",
        (Step(("{python}", "-m", "tests.containers", f"--ignore={_ON_MYSQL}")),),
    ),
    Lane(
        "sites",
        "WordPress and MediaWiki on one server with SysNDD: MariaDB as installed, 11.8, MySQL 9.7",
        (
            Step((*_PYTEST, "tests/sites")),
            Step(("{python}", "-m", "tests.servers", "{servers}", "--", *_PYTEST, "tests/sites")),
        ),
    ),
    Lane(
        "mailpit",
        "The tests that read emails, with Mailpit",
        (Step((*_PYTEST, "-m", "reads_mail", _INTEGRATION), {"TEST_MAILPIT": "{mailpit}"}),),
        needs_mailpit=True,
    ),
    Lane(
        "walk",
        "`make up`, the main path over HTTP, preflight, `make down`; emails in Mailpit",
        (Step(("make", "walk"), {"MAILPIT_BIN": "{mailpit}"}, takes_arguments=False),),
        needs_mailpit=True,
    ),
    Lane(
        "kills-migrations",
        "Kill migrator and server at seeded moments and at statements (KILLS, SEED)",
        (
            Step(
                (
                    *_PYTEST,
                    "-q",
                    "-s",
                    f"{_INTEGRATION}/migrator/apply/test_seeded_kills.py",
                    f"{_INTEGRATION}/migrator/apply/test_killed_at_every_statement.py",
                ),
                {"KILLS": "100", "SEED": "4"},
            ),
        ),
    ),
    Lane(
        "kills-backups",
        "Kill worker and server at every step of backup, restore and undo (KILLS, SEED)",
        (
            Step(
                (
                    *_PYTEST,
                    "-q",
                    "-s",
                    "-n",
                    "0",
                    f"{_INTEGRATION}/backup/restore/test_restore_killed.py",
                ),
                {"KILLS": "100", "SEED": "7"},
            ),
        ),
    ),
    Lane(
        "kills-mail",
        "Kill the mailer while mail server and Redis fail (KILLS, SEED)",
        (
            Step(
                (*_PYTEST, "-q", "-s", f"{_INTEGRATION}/mailer/test_mail_chaos.py"),
                {"KILLS": "30", "SEED": "6"},
            ),
        ),
    ),
    Lane(
        "kills-accounts",
        "Kill the API at every step of every request that changes accounts; compare response times"
        " for known and unknown addresses (SAMPLES)",
        (
            Step(
                (
                    *_PYTEST,
                    "-q",
                    "-s",
                    "-p",
                    "no:logging",
                    "tests/chaos",
                    f"{_INTEGRATION}/api/accounts/test_kills.py",
                ),
                {"SAMPLES": "500", "KILLS": "all"},
            ),
        ),
    ),
)

CI: tuple[tuple[tuple[str, ...], ...], ...] = (
    (("test",),),
    (("containers-ci",), ("mailpit", "walk", "servers-ci")),
)
"""The phases of CI, one after the other. The rows of a phase run in parallel, the lanes of a row
one after the other. ``test`` is ``make test``.

``test`` alone keeps two cores busy; beside it, tests time out. ``containers-ci`` mostly waits.
"""
