"""`docker compose up` in development: changed code is reloaded, emails are shown."""

from pathlib import Path

import httpx
import pytest

from sysndd_local.ports import free_port
from tests.containers.stack import create_stack, eventually
from tests.support.preflight import replace_in_file


@pytest.mark.usefixtures("stack")  # the images
def test_the_api_reloads_changed_code_and_emails_are_shown(tmp_path: Path) -> None:
    http, mail = free_port(), free_port()
    site = tmp_path / "site"
    developers = create_stack(site, subnet=244, HTTP_PORT=str(http), MAIL_HTTP_PORT=str(mail))
    # Compose uses the base file and the override file by default.
    for name in ("COMPOSE_FILE", "SMTP_HOST", "SMTP_PORT", "SMTP_SECURITY"):
        del developers.settings[name]
    developers.configure()
    try:
        developers.up("--no-build")
        assert httpx.get(f"http://localhost:{mail}/api/v1/messages").json()["total"] == 0
        assert title(http) == "SysNDD API"
        code = site / "services" / "api" / "sysndd_api" / "web" / "openapi.py"
        replace_in_file(code, 'f"{site_name} API"', '"Changed while it runs"')
        eventually("it is loaded", 60, lambda: title(http) == "Changed while it runs")
    finally:
        developers.down()


def title(port: int) -> str:
    """Return the title in the OpenAPI description; empty while the API starts."""
    try:
        answer = httpx.get(f"http://localhost:{port}/api/openapi.json", timeout=60)
        found: str = answer.json()["info"]["title"]
        return found
    except (httpx.HTTPError, ValueError):
        return ""
