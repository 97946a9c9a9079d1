"""Live: what the running system answers, asked from outside through its proxy."""

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor

from sysndd_api.routes import ENDPOINTS
from sysndd_api.security.access import Access
from sysndd_preflight.catalog import NotHere, Phase, Problem, Severity, check
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.http import ask, ask_now, base_url, sign_in, sign_out
from sysndd_preflight.service_settings import api

# Addresses of TEST-NET-3 (RFC 5737): nobody's.
_SPOOFED = "203.0.113.66"
_TOGETHER = 16


@check(
    "ready",
    Phase.LIVE,
    "The system says that it is ready.",
    mend="Do what `reason` says; see docs/operations.md, “Is it all right?”.",
    logs=("api", "traefik"),
)
async def ready(deployment: Deployment) -> str:
    """Ask it."""
    answer = await ask(deployment, "/api/health/ready")
    if answer.status != 200:
        reason = answer.json().get("reason") or answer.body[:200].decode("utf-8", "replace")
        raise Problem(f"/api/health/ready answers {answer.status}: {reason.strip()}")
    return f"{base_url(deployment)} is ready"


@check(
    "workers.serving",
    Phase.LIVE,
    "Every worker process of the API serves requests.",
    mend="Look for a worker that ends at its start in the API's log; check API_WORKERS and limits.",
    seconds=60,
    logs=("api",),
)
async def workers(deployment: Deployment) -> str:
    """Ask many times at once until each worker has answered: one queue feeds them all unevenly."""
    wanted = api(deployment).server.workers
    bases = deployment.project.api_urls() if deployment.project else [_direct(deployment)]
    token = await sign_in(deployment)
    try:
        told = []
        for base in bases:
            found = await asyncio.to_thread(_pids, deployment, base, token, wanted)
            if len(found) < wanted:
                raise Problem(f"{len(found)} of {wanted} workers answered at {base}")
            told.append(f"{len(found)} of {wanted} workers answered at {base}")
    finally:
        await sign_out(deployment, token)
    return "; ".join(told)


def _direct(deployment: Deployment) -> str:
    """Return the API's own address: the proxy's kept connections would lead to the same worker."""
    server = api(deployment).server
    host = "127.0.0.1" if server.host in ("0.0.0.0", "::") else server.host
    return f"http://{host}:{server.port}"


def _pids(deployment: Deployment, base: str, token: str, wanted: int) -> set[int]:
    def pid(_: int) -> int | None:
        report = ask_now(deployment, "/api/health", token=token, base=base, timeout=20).json()
        # All at once is more than a small pool can take: then the report comes without details.
        found = ((report.get("checks") or {}).get("pool") or {}).get("worker_pid")
        return int(found) if found is not None else None

    found: set[int] = set()
    deadline = time.monotonic() + 25
    with ThreadPoolExecutor(_TOGETHER) as threads:
        while len(found) < wanted and time.monotonic() < deadline:
            found |= {one for one in threads.map(pid, range(_TOGETHER)) if one is not None}
    return found


@check(
    "routes.closed",
    Phase.LIVE,
    "/metrics, /health and everything else that is not ours can't be reached.",
    mend="Restore the rules of proxy/dynamic/site.yml; publish no port but the proxy's.",
    logs=("traefik",),
)
async def closed(deployment: Deployment) -> str:
    """Ask for what must not be there."""
    paths = (
        *("/metrics", "/health/live", "/health/ready", "/apix", "/administrator", "/dashboard/"),
        *("/api/../metrics", "//metrics", "/api/..%2fmetrics", "/ping", "/.env", "/"),
    )
    for path in paths:
        answer = await ask(deployment, path)
        if answer.status not in {301, 308, 400, 401, 404, 421}:
            raise Problem(f"{path} is answered {answer.status}")
        if b"# TYPE " in answer.body:
            raise Problem(f"{path} shows metrics")
    return f"{len(paths)} addresses lead nowhere"


@check(
    "routes.admin",
    Phase.LIVE,
    "Nothing of the administration can be reached without signing in.",
    mend="Every endpoint below /api/admin has Access.ADMINISTRATOR in sysndd_api/routes.py.",
    seconds=60,
    logs=("api",),
)
async def admin(deployment: Deployment) -> str:
    """Ask for every route of administrators, without and with a wrong token."""
    count = 0
    for endpoint in ENDPOINTS:
        if endpoint.access is not Access.ADMINISTRATOR:
            continue
        path = re.sub(r"\{\w+(:\w+)?\}", "00000000", endpoint.path)
        for token in (None, "0" * 43):
            answer = await ask(deployment, path, method=endpoint.method, token=token)
            # A page may send a visitor to the sign-in; that is no answer of the page itself.
            if answer.status not in {302, 303, 307, 401, 403}:
                raise Problem(f"{endpoint.method} {path} is answered {answer.status}")
        count += 1
    page = await ask(deployment, "/admin/backups", headers={"Accept": "text/html"})
    if page.status == 200:
        raise Problem("/admin/backups is shown without signing in")
    return f"{count} routes and the pages ask for a sign-in"


@check(
    "health.details",
    Phase.LIVE,
    "The health report hides its details from visitors.",
    mend="`checks` of /api/health is for administrators only (sysndd_api/health/handlers.py).",
    logs=("api",),
)
async def details(deployment: Deployment) -> str:
    """Read it without signing in."""
    report = (await ask(deployment, "/api/health")).json()
    if not report:
        raise Problem("/api/health does not answer with a report")
    if report.get("checks"):
        raise Problem(f"anyone sees {', '.join(report['checks'])}")
    return f"visitors see {report['status']} and no details"


@check(
    "forwarded.spoofed",
    Phase.LIVE,
    "Nobody can choose the address that is recorded for him.",
    mend="SYSNDD_TRUSTED_NETWORKS names load balancers only, TRUSTED_PROXIES the proxy only.",
    logs=("traefik", "api"),
)
async def spoofed(deployment: Deployment) -> str:
    """Sign in with forged headers, and look at the session that comes of it."""
    forged = {
        "X-Forwarded-For": _SPOOFED,
        "X-Real-Ip": _SPOOFED,
        "X_Forwarded_For": _SPOOFED,
        "Forwarded": f"for={_SPOOFED}",
    }
    token = await sign_in(deployment, headers=forged)
    try:
        sessions = (await ask(deployment, "/api/auth/sessions", token=token)).json()
    finally:
        await sign_out(deployment, token)
    (ours,) = [one for one in sessions.get("data", []) if one.get("current")]
    if ours["remote"] == _SPOOFED:
        raise Problem(f"the forged address {_SPOOFED} was recorded as the visitor's")
    return f"recorded was {ours['remote']}, not the forged address"


@check(
    "headers.security",
    Phase.LIVE,
    "Answers carry the security headers.",
    mend="Restore `security-headers` in proxy/dynamic/site.yml, in every router.",
    severity=Severity.ERROR,
    logs=("traefik",),
)
async def headers(deployment: Deployment) -> str:
    """Look at one answer of each path."""
    wanted = {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
    }
    secure = base_url(deployment).startswith("https://")
    for path in ("/api/health/live", "/admin/", "/account/confirm"):
        answer = await ask(deployment, path)
        for name, value in wanted.items():
            if answer.headers.get(name) != value:
                raise Problem(f"{path}: {name} is {answer.headers.get(name, 'missing')}")
        if "server" in answer.headers:
            raise Problem(f"{path} tells which server this is: {answer.headers['server']}")
        if secure and "strict-transport-security" not in answer.headers:
            raise Problem(f"{path} has no Strict-Transport-Security over TLS")
    return "present on all three paths" + (", with HSTS" if secure else "")


@check(
    "account.known",
    Phase.LIVE,
    "An administrator can sign in.",
    mend="`sysndd-admin create-admin`, or `sysndd-admin set-password`.",
    logs=("api",),
)
async def known(deployment: Deployment) -> str:
    """Sign in, look at the report with details, sign out."""
    token = await sign_in(deployment)
    try:
        report = (await ask(deployment, "/api/health", token=token)).json()
    finally:
        await sign_out(deployment, token)
    bad = {
        name: part.get("reason")
        for name, part in (report.get("checks") or {}).items()
        if part["status"] == "fail"
    }
    if bad:
        shown = "; ".join(f"{name}: {reason}" for name, reason in bad.items())
        raise Problem(f"the health report fails: {shown}", "Do what the report's reason says.")
    if not report.get("checks"):
        raise NotHere("this account sees no details: it is not an administrator's")
    return f"signed in; {len(report['checks'])} parts report {report['status']}"
