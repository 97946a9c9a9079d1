"""``sysndd-preflight``: may this deployment go live?"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from sysndd_preflight import engine, report
from sysndd_preflight.catalog import Check, Phase, Status
from sysndd_preflight.checks import CATALOG
from sysndd_preflight.deployment import Deployment, Service, from_run_folder, read_environment
from sysndd_preflight.runner import Result, run

PASSED, BAD_CALL, FAILED, WARNED = 0, 2, 3, 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, check, report.

    Returns:
        0 when everything passed, 3 when something failed, 4 when there are warnings only, 2 when
        the call makes no sense.
    """
    options = _parser().parse_args(arguments)
    if options.list:
        _list()
        return PASSED
    try:
        checks = choose(options.only, options.skip)
        with ExitStack() as stack:
            deployment = _deployment(options, stack)
            tell = _say if not options.json else _say_nothing
            if not options.json:
                print(f"Preflight of {deployment.base_url or 'a deployment'}\n", flush=True)
            results = asyncio.run(run(deployment, checks, tell))
            status = report.overall(results, strict=options.strict)
            _write(options, results, status)
    except (OSError, ValueError, KeyError) as error:
        print(f"sysndd-preflight: {error}", file=sys.stderr)
        return BAD_CALL
    except engine.NotUp as error:
        print(f"sysndd-preflight: {error}", file=sys.stderr)
        return FAILED
    return {Status.PASS: PASSED, Status.WARN: WARNED}.get(status, FAILED)


def choose(only: Sequence[str], skip: Sequence[str]) -> list[Check]:
    """Return the checks that were asked for.

    Args:
        only: ids, ``part.`` prefixes or phases; all when empty.
        skip: likewise, taken out.

    Raises:
        ValueError: a name is none of a check.
    """
    for name in (*only, *skip):
        if not any(_names(name, check) for check in CATALOG.values()):
            raise ValueError(f"{name}: there is no such check; see sysndd-preflight --list")
    chosen = [
        check
        for check in CATALOG.values()
        if (not only or any(_names(name, check) for name in only))
        and not any(_names(name, check) for name in skip)
    ]
    if not chosen:
        raise ValueError("no check is left")
    return chosen


def _names(name: str, check: Check) -> bool:
    return name in (check.id, check.phase.value) or check.id.startswith(name.rstrip(".") + ".")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sysndd-preflight", description=__doc__)
    parser.add_argument("--list", action="store_true", help="list the checks and end")
    parser.add_argument("--target", metavar="URL", help="a running system; none is started")
    parser.add_argument(
        "--system", type=Path, metavar="FILE", help="system.json of a running `make up`"
    )
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="SERVICE=FILE",
        help="a service's settings, NAME=value; SERVICE: migrator, api, backup-worker, mailer, traefik",
    )
    parser.add_argument("--admin-login", metavar="NAME", help="an administrator of the target")
    parser.add_argument("--admin-password-file", type=Path, metavar="FILE")
    parser.add_argument("--ca-file", type=Path, help="what signed the target's certificate")
    parser.add_argument("--replicas", type=int, default=None, help="APIs that run (1)")
    parser.add_argument(
        "--reserve", type=int, default=10, help="database connections kept for people (10)"
    )
    parser.add_argument("--only", action="append", default=[], metavar="CHECK")
    parser.add_argument("--skip", action="append", default=[], metavar="CHECK")
    parser.add_argument("--strict", action="store_true", help="a warning is a failure")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit's XML as well")
    parser.add_argument("--repository", type=Path, default=Path(), help="the checkout (.)")
    return parser


def _deployment(options: argparse.Namespace, stack: ExitStack) -> Deployment:
    repository = options.repository.resolve()
    if not (repository / "proxy" / "traefik.yml").is_file():
        raise ValueError(f"--repository {repository}: there is no proxy/traefik.yml in it")
    target = options.target
    if target and not target.startswith(("http://", "https://")):
        raise ValueError("--target must start with http:// or https://")
    if options.system is not None:
        found = from_run_folder(options.system, repository, target)
    elif target or options.env:
        found = Deployment(repository, base_url=target.rstrip("/") if target else None)
    else:
        found = stack.enter_context(engine.own_project(repository))
    services = dict(found.services)
    for named in options.env:
        name, equals, path = named.partition("=")
        if not equals or name not in (*engine.OWN, "traefik"):
            raise ValueError(f"--env {named}: SERVICE=FILE is wanted")
        services[name] = Service(read_environment(Path(path)))
    admin = found.admin
    if options.admin_login:
        if options.admin_password_file is None:
            raise ValueError("--admin-login needs --admin-password-file")
        password = options.admin_password_file.read_text(encoding="utf-8").rstrip("\r\n")
        admin = (options.admin_login, password)
    return replace(
        found,
        services=services,
        admin=admin,
        ca_file=options.ca_file or found.ca_file,
        replicas=options.replicas or found.replicas,
        reserve=options.reserve,
    )


def _write(options: argparse.Namespace, results: list[Result], status: Status) -> None:
    if options.json:
        print(report.as_json(results, status))
    else:
        print(report.summary(results, status))
    if options.junit is not None:
        options.junit.write_text(report.as_junit(results), encoding="utf-8")


_phases_told: set[Phase] = set()


def _say(result: Result) -> None:
    if result.check.phase not in _phases_told:
        _phases_told.add(result.check.phase)
        print(f"{result.check.phase}", flush=True)
    print(report.line(result), flush=True)


def _say_nothing(_: Result) -> None:
    """JSON is printed as one document at the end."""


def _list() -> None:
    for check in CATALOG.values():
        print(f"{check.phase:<8} {check.id:<24} {check.severity:<8} {check.title}")
