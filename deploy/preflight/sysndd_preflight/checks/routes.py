"""Live: the answers of the running system to requests through its proxy."""

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor

from sysndd_api.routes import ENDPOINTS
from sysndd_api.security.access import Access
from sysndd_preflight.catalog import Phase, Problem, Severity, Skipped, check
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.http import base_url, request, send_request, sign_in, sign_out
from sysndd_preflight.service_settings import api_settings

# From TEST-NET-3 (RFC 5737), which is assigned to nobody.
_SPOOFED = "203.0.113.66"
_CONCURRENCY = 16


@check(
    "ready",
    Phase.LIVE,
    "The system is ready.",
    remedy="Follow the `reason`; see docs/runbooks/troubleshooting.md, “The API is not ready”.",
    logs=("api", "traefik"),
)
async def ready(deployment: Deployment) -> str:
    """Request the readiness."""
    response = await request(deployment, "/api/health/ready")
    if response.status != 200:
        reason = response.json().get("reason") or response.body[:200].decode("utf-8", "replace")
        raise Problem(f"/api/health/ready answers {response.status}: {reason.strip()}")
    return f"{base_url(deployment)} is ready"


@check(
    "workers.serving",
    Phase.LIVE,
    "Every worker process of the API answers requests.",
    remedy="Look in the log of the API for a worker that ends at start; check API_WORKERS and"
    " limits.",
    seconds=60,
    logs=("api",),
)
async def workers(deployment: Deployment) -> str:
    """Send concurrent requests until each worker has answered; they are not distributed evenly."""
    expected = api_settings(deployment).server.workers
    bases = deployment.project.api_urls() if deployment.project else [_api_url(deployment)]
    token = await sign_in(deployment)
    try:
        counts = []
        for base in bases:
            found = await asyncio.to_thread(_pids, deployment, base, token, expected)
            if len(found) < expected:
                raise Problem(f"{len(found)} of {expected} workers answered at {base}")
            counts.append(f"{len(found)} of {expected} workers answered at {base}")
    finally:
        await sign_out(deployment, token)
    return "; ".join(counts)


def _api_url(deployment: Deployment) -> str:
    """Return the address of the API; kept-alive connections of the proxy reach the same worker."""
    server = api_settings(deployment).server
    host = "127.0.0.1" if server.host in ("0.0.0.0", "::") else server.host
    return f"http://{host}:{server.port}"


def _pids(deployment: Deployment, base: str, token: str, expected: int) -> set[int]:
    def pid(_: int) -> int | None:
        report = send_request(deployment, "/api/health", token=token, base=base, timeout=20).json()
        # So many requests can exhaust a small pool; the report then comes without details.
        found = ((report.get("checks") or {}).get("pool") or {}).get("worker_pid")
        return int(found) if found is not None else None

    found: set[int] = set()
    deadline = time.monotonic() + 25
    with ThreadPoolExecutor(_CONCURRENCY) as threads:
        while len(found) < expected and time.monotonic() < deadline:
            found |= {one for one in threads.map(pid, range(_CONCURRENCY)) if one is not None}
    return found


@check(
    "routes.closed",
    Phase.LIVE,
    "/metrics, /health and other internal paths are not reachable from outside.",
    remedy="Restore the rules in proxy/dynamic/site.yml; publish only the ports of the proxy.",
    logs=("traefik",),
)
async def closed(deployment: Deployment) -> str:
    """Request paths that must not be reachable."""
    paths = (
        *("/metrics", "/health/live", "/health/ready", "/apix", "/administrator", "/dashboard/"),
        *("/api/../metrics", "//metrics", "/api/..%2fmetrics", "/ping", "/.env", "/"),
    )
    for path in paths:
        response = await request(deployment, path)
        if response.status not in {301, 308, 400, 401, 404, 421}:
            raise Problem(f"{path} is answered with {response.status}")
        if b"# TYPE " in response.body:
            raise Problem(f"{path} exposes metrics")
    return f"none of {len(paths)} paths is reachable"


@check(
    "routes.admin",
    Phase.LIVE,
    "Administration requires signing in.",
    remedy="Give every endpoint below /api/admin Access.ADMINISTRATOR in sysndd_api/routes.py.",
    seconds=60,
    logs=("api",),
)
async def admin(deployment: Deployment) -> str:
    """Request every route of administrators without a token and with a wrong one."""
    count = 0
    for endpoint in ENDPOINTS:
        if endpoint.access is not Access.ADMINISTRATOR:
            continue
        path = re.sub(r"\{\w+(:\w+)?\}", "00000000", endpoint.path)
        for token in (None, "0" * 43):
            response = await request(deployment, path, method=endpoint.method, token=token)
            # A page may redirect to the sign-in page.
            if response.status not in {302, 303, 307, 401, 403}:
                raise Problem(f"{endpoint.method} {path} is answered with {response.status}")
        count += 1
    page = await request(deployment, "/admin/backups", headers={"Accept": "text/html"})
    if page.status == 200:
        raise Problem("/admin/backups is accessible without signing in")
    return f"{count} routes and the pages require signing in"


@check(
    "health.details",
    Phase.LIVE,
    "The health report shows its details to administrators only.",
    remedy="Restrict `checks` of /api/health to administrators (sysndd_api/health/handlers.py).",
    logs=("api",),
)
async def details(deployment: Deployment) -> str:
    """Request it without signing in."""
    report = (await request(deployment, "/api/health")).json()
    if not report:
        raise Problem("/api/health returns no report")
    if report.get("checks"):
        raise Problem(f"the details of {', '.join(report['checks'])} are public")
    return f"only the status ({report['status']}) is public"


@check(
    "forwarded.spoofed",
    Phase.LIVE,
    "Clients cannot spoof their recorded address.",
    remedy="Limit SYSNDD_TRUSTED_NETWORKS to load balancers and TRUSTED_PROXIES to the proxy.",
    logs=("traefik", "api"),
)
async def spoofed(deployment: Deployment) -> str:
    """Sign in with forged headers, and check the address of the session."""
    tampered = {
        "X-Forwarded-For": _SPOOFED,
        "X-Real-Ip": _SPOOFED,
        "X_Forwarded_For": _SPOOFED,
        "Forwarded": f"for={_SPOOFED}",
    }
    token = await sign_in(deployment, headers=tampered)
    try:
        sessions = (await request(deployment, "/api/auth/sessions", token=token)).json()
    finally:
        await sign_out(deployment, token)
    (current,) = [one for one in sessions.get("data", []) if one.get("current")]
    if current["remote"] == _SPOOFED:
        raise Problem(f"the forged address {_SPOOFED} was recorded as that of the client")
    return f"recorded {current['remote']} instead of the forged address"


@check(
    "headers.security",
    Phase.LIVE,
    "Responses contain the security headers.",
    remedy="Restore `security-headers` in every router of proxy/dynamic/site.yml.",
    severity=Severity.ERROR,
    logs=("traefik",),
)
async def headers(deployment: Deployment) -> str:
    """Check one response of each path."""
    expected = {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
    }
    secure = base_url(deployment).startswith("https://")
    for path in ("/api/health/live", "/admin/", "/account/confirm"):
        response = await request(deployment, path)
        for name, value in expected.items():
            if response.headers.get(name) != value:
                raise Problem(f"{path}: {name} is {response.headers.get(name, 'missing')}")
        if "server" in response.headers:
            raise Problem(f"{path} reveals the server software: {response.headers['server']}")
        if secure and "strict-transport-security" not in response.headers:
            raise Problem(f"{path}: strict-transport-security is missing")
    return "present on all three paths" + (", with HSTS" if secure else "")


@check(
    "account.known",
    Phase.LIVE,
    "An administrator can sign in.",
    remedy="Run `sysndd-admin create-admin` or `sysndd-admin set-password`.",
    logs=("api",),
)
async def known(deployment: Deployment) -> str:
    """Sign in, check the detailed health report, and sign out."""
    token = await sign_in(deployment)
    try:
        report = (await request(deployment, "/api/health", token=token)).json()
    finally:
        await sign_out(deployment, token)
    failed = {
        name: part.get("reason")
        for name, part in (report.get("checks") or {}).items()
        if part["status"] == "fail"
    }
    if failed:
        shown = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise Problem(f"the health report contains failures: {shown}", "Follow the reasons given.")
    if not report.get("checks"):
        raise Skipped("the account is not an administrator, so the health report has no details")
    return f"signed in; the {len(report['checks'])} health checks report {report['status']}"
