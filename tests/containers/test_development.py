"""`docker compose up` as a developer types it: changed code is loaded, mails are on a page."""

from pathlib import Path

import httpx
import pytest

from sysndd_local.ports import free_port
from tests.containers.stack import copied, eventually
from tests.support.preflight import spoil


@pytest.mark.usefixtures("stack")  # the images
def test_the_api_loads_changed_code_and_mails_are_shown(tmp_path: Path) -> None:
    http, mail = free_port(), free_port()
    site = tmp_path / "site"
    developers = copied(site, subnet=244, HTTP_PORT=str(http), MAIL_HTTP_PORT=str(mail))
    # What a developer's `.env` does not say: compose takes the two files by itself.
    for name in ("COMPOSE_FILE", "SMTP_HOST", "SMTP_PORT", "SMTP_SECURITY"):
        del developers.settings[name]
    developers.configure()
    try:
        developers.up("--no-build")
        assert httpx.get(f"http://localhost:{mail}/api/v1/messages").json()["total"] == 0
        assert title(http) == "SysNDD"
        code = site / "services" / "api" / "sysndd_api" / "web" / "openapi.py"
        spoil(code, '"SysNDD"', '"Changed while it runs"')
        eventually("it is loaded", 60, lambda: title(http) == "Changed while it runs")
    finally:
        developers.down()


def title(port: int) -> str:
    """Return the title of the API's own description; nothing while it starts."""
    try:
        answer = httpx.get(f"http://localhost:{port}/api/openapi.json", timeout=60)
        found: str = answer.json()["info"]["title"]
        return found
    except (httpx.HTTPError, ValueError):
        return ""
