"""Every page and every kind of output of a site that is not SysNDD."""

import contextlib
import re
from collections.abc import AsyncIterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from sysndd_api.context import open_context
from sysndd_api.operators.service import Operators
from sysndd_api.pages.admin.mail import SUBJECTS
from sysndd_api.security.access import OperatorRole
from sysndd_api.security.credentials import SESSION_COOKIE
from sysndd_api.settings import ApiSettings
from sysndd_core.db.database import Database
from sysndd_core.mail.outbox import NewMail
from sysndd_core.settings.smtp import SmtpSecurity, SmtpSettings
from tests.support.addresses import every_page, existing_objects
from tests.support.catchers import TestCatcher
from tests.support.http import PASSWORD, problem, served, sign_in
from tests.support.outbox import open_outbox
from tests.support.pages import FROM_HERE, put_backup
from tests.support.site import Site

NAME = 'Köln "Lab" <DB> & Söhne'
LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><script>alert(1)</script>'
    '<path d="M0 0h9v9z"/></svg>'
)
BRAND = {
    "SITE_NAME": NAME,
    "SITE_URL": "https://genes.example/?a=1&b=2",
    "SITE_ACCENT": "#FFDD00",
    "SUPPORT_EMAIL": "help@genes.example",
    "IMPRINT_URL": "https://genes.example/imprint",
    "PRIVACY_URL": "https://genes.example/privacy",
    "PUBLIC_URL": "http://platform.example",
    "MAIL_FROM": "",
}
FOOTER = {
    f"Back to {NAME}": "https://genes.example/?a=1&b=2",
    "Support": "mailto:help@genes.example",
    "Imprint": "https://genes.example/imprint",
    "Privacy policy": "https://genes.example/privacy",
}
# The names of commands and settings are those of the project; no site has other ones.
COMMANDS = re.compile(r"sysndd-(admin|migrator|mailer|preflight|backup-worker)")


class Shown(HTMLParser):
    """Collects the text and the links that a person sees, and checks that elements are balanced."""

    VOID = frozenset(("meta", "link", "img", "input", "br", "path", "rect", "circle", "line"))

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: dict[str, str] = {}
        self._open: list[str] = []
        self._address: str | None = None
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in self.VOID:
            self._open.append(tag)
        self.texts += [values.get(one) or "" for one in ("alt", "title", "aria-label", "value")]
        if tag == "a":
            self._address = values.get("href")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Ignore shapes of icons."""

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID and self._open:
            # HTML allows omitted end tags of these two.
            while self._open[-1] != tag and self._open[-1] in ("p", "option"):
                self._open.pop()
            assert self._open.pop() == tag
        if tag == "a":
            self._address = None

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._address is not None:
            self.links[data] = self._address


@pytest.fixture
async def branded(site: Site, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in administrator's client of a site with every setting of its brand."""
    (tmp_path / "logo.svg").write_text(LOGO, encoding="utf-8")
    settings = site.load(ApiSettings, **BRAND, SITE_LOGO=str(tmp_path / "logo.svg"))
    async with open_context(settings) as context, served(settings) as base_url:
        await context[Operators].create(
            "admin", "admin@lab.example", OperatorRole.ADMINISTRATOR, PASSWORD
        )
        async with httpx.AsyncClient(base_url=base_url) as client:
            token = await sign_in(client, "admin")
            client.headers.update({"Cookie": f"{SESSION_COOKIE}={token}", **FROM_HERE})
            yield client


async def test_every_page_shows_the_site_and_never_another_name(
    branded: httpx.AsyncClient, site: Site
) -> None:
    backup = put_backup(site, 1, database=site.app)
    with contextlib.ExitStack() as stack:
        cursor = stack.enter_context(stack.enter_context(site.server.connect()).cursor())
        values = stack.enter_context(
            existing_objects(cursor, app=site.app, ops=site.ops, login="admin")
        )
        pages = [one.path for one in every_page(values | {"name": backup.name})]
        # The text of the test data itself.
        for table in (f"`{site.app}`.`user`", f"`{site.ops}`.`operator`"):
            cursor.execute(f"UPDATE {table} SET email = REPLACE(email, 'sysndd.', 'lab.')")
        cursor.execute(
            f"UPDATE `{site.ops}`.mail SET recipient = 'nobody@lab.example', message_id = '<1@x>'"
        )
        for path in (*pages, "/admin/nothing", "/account/nothing"):
            answer = await branded.get(path, follow_redirects=True)
            assert answer.status_code == (404 if path.endswith("nothing") else 200), path
            assert "<DB>" not in answer.text, path
            assert "&amp;lt;" not in answer.text, path
            page = Shown(answer.text)
            for text in page.texts:
                assert "sysndd" not in COMMANDS.sub("", text).replace(site.app, "").lower(), path
            title = re.search(r"<title>(.*)</title>", answer.text)
            assert title is not None
            assert unescape(title[1]).endswith(f" · {NAME}"), path
            assert page.links[NAME] in ("/admin", "/account"), path
            assert FOOTER.items() <= page.links.items(), path
            for static in ("site/logo", "site/accent.css"):
                assert f'="/admin/static/{static}?v=' in answer.text, path


async def test_the_logo_and_the_colour_are_served_from_this_origin(
    branded: httpx.AsyncClient,
) -> None:
    page = (await branded.get("/account/sign-in")).text
    found = re.findall(r'(?:href|src)="(/admin/static/site/[^"]+)"', page)
    addresses = {address.partition("?")[0]: address for address in found}
    logo = await branded.get(addresses["/admin/static/site/logo"])
    assert logo.text == LOGO
    assert logo.headers["content-type"] == "image/svg+xml"
    # The file contains a script, which must not run where the image is opened by itself.
    policy = logo.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "sandbox", "frame-ancestors 'none'"} <= set(policy)
    assert logo.headers["x-content-type-options"] == "nosniff"
    sheet = await branded.get(addresses["/admin/static/site/accent.css"])
    assert sheet.headers["content-type"] == "text/css; charset=utf-8"
    assert sheet.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "--pico-primary-background: #ffdd00;" in sheet.text


async def test_a_site_without_a_brand_serves_neither(site: Site) -> None:
    async with (
        served(site.load(ApiSettings)) as base_url,
        httpx.AsyncClient(base_url=base_url) as client,
    ):
        page = (await client.get("/account/sign-in")).text
        assert "<footer" not in page
        assert "/admin/static/site/" not in page
        for name in ("logo", "accent.css"):
            assert (await client.get(f"/admin/static/site/{name}")).status_code == 404


async def test_the_api_is_documented_under_the_name_of_the_site(
    branded: httpx.AsyncClient,
) -> None:
    document = await branded.get("/api/openapi.json")
    assert document.json()["info"]["title"] == f"{NAME} API"
    assert "SysNDD" not in document.text
    page = await branded.get("/api/docs")
    assert "<h1>Köln &quot;Lab&quot; &lt;DB&gt; &amp; Söhne API</h1>" in page.text
    assert "SysNDD" not in page.text


async def test_the_subjects_of_emails_name_the_site(branded: httpx.AsyncClient, site: Site) -> None:
    for number, template in enumerate(SUBJECTS):
        site.server.execute(
            f"INSERT INTO `{site.ops}`.mail (id, purpose, recipient, template, context,"
            " message_id, state, run_after, created_at) VALUES (%s, 'test', 'a@lab.example', %s,"
            " '{}', %s, 'cancelled', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
            (f"{number:08x}-0000-4000-8000-000000000000", template, f"<{number}@x>"),
        )
    shown = Shown((await branded.get("/admin/mail")).text)
    subjects = {text for text, address in shown.links.items() if "/admin/mail/" in address}
    assert subjects == {subject.format(site=NAME) for subject in SUBJECTS.values()}


async def test_the_name_of_the_site_is_rejected_as_a_password(branded: httpx.AsyncClient) -> None:
    form = {"user_name": "marie", "email": "marie@lab.example"}
    for password in (NAME, "Söhne-202611", "kölnlabdbsöhne"):
        answer = await branded.post("/api/auth/register", json=form | {"password": password})
        assert problem(answer, 422, "password_rejected")
    accepted = await branded.post("/api/auth/register", json=form | {"password": PASSWORD})
    assert accepted.status_code == 202


async def test_the_default_sender_has_the_name_of_the_site(
    site: Site, database: Database, smtp_catcher: TestCatcher
) -> None:
    branded = Site(site.server, site.environ | BRAND, site.backup_dir)
    smtp = SmtpSettings(host=smtp_catcher.host, port=smtp_catcher.port, security=SmtpSecurity.NONE)
    async with httpx.AsyncClient(base_url=smtp_catcher.rest_url) as catcher:
        await catcher.delete("/api/v1/messages")
        async with open_outbox(branded, database, smtp) as outbox:
            await outbox.put(NewMail("test", "p@lab.example", "test", {"requested_at": "now"}))
            await outbox.worker.run_until_idle()
        (listed,) = (await catcher.get("/api/v1/messages")).json()["messages"]
        message = (await catcher.get(f"/api/v1/message/{listed['ID']}")).json()
    assert message["From"] == {"Name": NAME, "Address": "noreply@localhost.localdomain"}
    assert message["Subject"] == f"{NAME} test email"
    assert f"{NAME}, https://genes.example/?a=1&b=2. This is an automated" in message["Text"]
    for part in ("Subject", "Text", "HTML"):
        assert "sysndd" not in message[part].lower()
