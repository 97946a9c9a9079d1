"""Check whether a deployment is ready for production.

Without --system, --target or --env, the checks run in a temporary Compose project that is created
from the files of the deployment and removed at the end.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from sysndd_preflight import engine, report
from sysndd_preflight.catalog import Check, Status
from sysndd_preflight.checks import CATALOG
from sysndd_preflight.deployment import (
    SERVICES,
    Deployment,
    Service,
    from_run_folder,
    read_environment,
)
from sysndd_preflight.runner import Result, run

PASSED, USAGE_ERROR, FAILED, WARNED = 0, 2, 3, 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks and print the report.

    Returns:
        0 when all checks passed, 3 when a check failed, 4 when there are only warnings, 2 for a
        usage error.
    """
    options = _parser().parse_args(arguments)
    if options.list:
        _list()
        return PASSED
    try:
        checks = choose(options.only, options.skip)
        with ExitStack() as stack:
            deployment = _deployment(options, stack)
            if options.json:
                results = asyncio.run(run(deployment, checks, lambda _: None))
            else:
                print(f"Preflight of {deployment.base_url or 'a deployment'}\n", flush=True)
                results = asyncio.run(run(deployment, checks, report.Progress().show))
            status = report.overall(results, strict=options.strict)
            _write(options, results, status)
    except (OSError, ValueError, KeyError) as error:
        print(f"sysndd-preflight: {error}", file=sys.stderr)
        return USAGE_ERROR
    except engine.StartFailed as error:
        print(f"sysndd-preflight: {error}", file=sys.stderr)
        return FAILED
    return {Status.PASS: PASSED, Status.WARN: WARNED}.get(status, FAILED)


def choose(only: Sequence[str], skip: Sequence[str]) -> list[Check]:
    """Return the selected checks.

    Args:
        only: ids, groups or phases to select; all when empty.
        skip: ids, groups or phases to omit.

    Raises:
        ValueError: a name matches no check, or no check is left.
    """
    for name in (*only, *skip):
        if not any(_matches(name, check) for check in CATALOG.values()):
            raise ValueError(f"{name}: no such check; list them with sysndd-preflight --list")
    chosen = [
        check
        for check in CATALOG.values()
        if (not only or any(_matches(name, check) for name in only))
        and not any(_matches(name, check) for name in skip)
    ]
    if not chosen:
        raise ValueError("--only and --skip leave no check to run")
    return chosen


def _matches(name: str, check: Check) -> bool:
    return name in (check.id, check.phase.value) or check.id.startswith(name.rstrip(".") + ".")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sysndd-preflight",
        description=__doc__,
        epilog="Exit codes: 0 passed, 2 usage error, 3 failed, 4 warnings only.",
    )
    add = parser.add_argument
    add("--list", action="store_true", help="list the checks and exit")
    add("--target", metavar="URL", help="check the running system at this address")
    add("--system", type=Path, metavar="FILE", help="check a running `make up` (its system.json)")
    add(
        "--env",
        action="append",
        default=[],
        metavar="SERVICE=FILE",
        help="file with the settings of a service (NAME=value); SERVICE is migrator, api, "
        "backup-worker, mailer or traefik; repeatable",
    )
    add("--admin-login", metavar="NAME", help="administrator account of the target")
    add("--admin-password-file", type=Path, metavar="FILE", help="file with its password")
    add(
        "--ca-file",
        type=Path,
        metavar="FILE",
        help="CA certificate that signed the certificate of the target",
    )
    add("--replicas", type=int, metavar="N", help="number of API replicas (default 1)")
    add(
        "--reserve",
        type=int,
        metavar="N",
        default=10,
        help="database connections to reserve for people (default 10)",
    )
    name = "an id, a group or a phase; repeatable"
    add("--only", action="append", default=[], metavar="CHECK", help=f"run only these: {name}")
    add("--skip", action="append", default=[], metavar="CHECK", help=f"omit these: {name}")
    add("--strict", action="store_true", help="treat warnings as failures")
    add("--json", action="store_true", help="print the report as JSON")
    add("--junit", type=Path, metavar="FILE", help="also write the report as JUnit XML")
    add(
        "--repository",
        type=Path,
        metavar="DIRECTORY",
        default=Path(),
        help="the checkout (default: the current directory)",
    )
    return parser


def _deployment(options: argparse.Namespace, stack: ExitStack) -> Deployment:
    repository = options.repository.resolve()
    if not (repository / "proxy" / "run.sh").is_file():
        raise ValueError(f"--repository {repository}: not a checkout; proxy/run.sh is missing")
    target = options.target
    if target and not target.startswith(("http://", "https://")):
        raise ValueError(f"--target {target}: must start with http:// or https://")
    if options.system is not None:
        found = from_run_folder(options.system, repository, target)
    elif target or options.env:
        found = Deployment(repository, base_url=target.rstrip("/") if target else None)
    else:
        found = stack.enter_context(engine.temporary_project(repository))
    return replace(
        found,
        services={**found.services, **_named_services(options.env)},
        admin=_administrator(options) or found.admin,
        ca_file=options.ca_file or found.ca_file,
        replicas=options.replicas or found.replicas,
        reserve=options.reserve,
    )


def _named_services(options: Sequence[str]) -> dict[str, Service]:
    services = {}
    for option in options:
        name, equals, path = option.partition("=")
        if not equals or name not in (*SERVICES, "traefik"):
            raise ValueError(f"--env {option}: expected SERVICE=FILE, such as api=api.env")
        services[name] = Service(read_environment(Path(path)))
    return services


def _administrator(options: argparse.Namespace) -> tuple[str, str] | None:
    if not options.admin_login:
        return None
    if options.admin_password_file is None:
        raise ValueError("--admin-login requires --admin-password-file")
    password = options.admin_password_file.read_text(encoding="utf-8").rstrip("\r\n")
    return options.admin_login, password


def _write(options: argparse.Namespace, results: list[Result], status: Status) -> None:
    if options.json:
        print(report.as_json(results, status))
    else:
        print(report.summary(results, status))
    if options.junit is not None:
        options.junit.write_text(report.as_junit(results), encoding="utf-8")


def _list() -> None:
    for check in CATALOG.values():
        print(f"{check.phase:<8} {check.id:<24} {check.severity:<8} {check.title}")
