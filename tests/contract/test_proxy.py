"""The proxy's rules match the API's routes: only streaming routes have no body limit."""

import re
from pathlib import Path

from sysndd_api.routes import ENDPOINTS
from sysndd_api.web.middleware import UPLOAD_PATH

SITE = Path(__file__).resolve().parents[2] / "proxy" / "dynamic" / "site.yml"


def streamed(path: str) -> bool:
    """Return whether the proxy's router without a body limit matches a path."""
    rule = re.search(r"streamed:\n\s+rule: 'PathRegexp\(`(.+?)`\)'", SITE.read_text())
    assert rule is not None
    return re.search(rule[1], path) is not None


def test_the_proxy_streams_uploads_and_downloads_only() -> None:
    example = {
        endpoint.path: re.sub(r"\{\w+(:\w+)?\}", "x.sql.zst", endpoint.path)
        for endpoint in ENDPOINTS
    }
    expected = {path for path in example if path == UPLOAD_PATH or path.endswith("/download")}
    assert UPLOAD_PATH in expected
    assert len(expected) >= 2
    assert {path for path, concrete in example.items() if streamed(concrete)} == expected


def test_the_proxy_routes_everything_but_probes_and_metrics() -> None:
    inside = {"/health/live", "/health/ready", "/metrics"}
    routed = re.compile(r"^/(api|admin|account)(/|$)")
    assert {e.path for e in ENDPOINTS if not routed.match(e.path)} <= inside
