"""Accounts over HTTP with a real mailer and mail server, and the links in their emails."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import argon2
import httpx
import pytest

from sysndd_core.db.database import Database
from sysndd_core.settings.smtp import SmtpSecurity, SmtpSettings
from tests.support.catchers import TestCatcher
from tests.support.http import PASSWORD, Api
from tests.support.outbox import Outbox, open_outbox
from tests.support.site import Site

NEW_PASSWORD = "another long sentence of words"
PUBLIC_URL = "http://sysndd.example"


@dataclass
class Lifecycle:
    """An API, a mailer that sends on request, and the emails that arrived.

    Attributes:
        client: sends no credentials.
    """

    api: Api
    site: Site
    outbox: Outbox
    catcher: TestCatcher

    @property
    def client(self) -> httpx.AsyncClient:
        """A client without credentials."""
        return self.api.client

    async def post(self, path: str, **body: Any) -> httpx.Response:
        """POST a body below ``/api/auth`` without credentials."""
        # Not with json=: httpx cannot send a lone surrogate, which JSON can escape.
        return await self.client.post(
            f"/api/auth/{path}",
            content=json.dumps(body),
            headers={"Content-Type": "application/json"},
        )

    async def register(self, name: str = "marie", **more: Any) -> httpx.Response:
        """Register ``name`` with the address ``name@lab.example`` and ``PASSWORD``."""
        body = {"user_name": name, "email": f"{name}@lab.example", "password": PASSWORD} | more
        return await self.post("register", **body)

    async def active(self, name: str = "marie") -> None:
        """Register and confirm an account."""
        assert (await self.register(name)).status_code == 202
        token = token_of((await self.mails(f"{name}@lab.example"))[-1])
        assert (await self.post("confirm", token=token)).json() == {"status": "active"}

    async def mails(self, address: str) -> list[dict[str, Any]]:
        """Send what is due; return the emails to an address, oldest first."""
        await self.outbox.send_queued()
        async with httpx.AsyncClient(base_url=self.catcher.rest_url) as client:
            listed = (await client.get("/api/v1/messages", params={"limit": 500})).json()
            return [
                (await client.get(f"/api/v1/message/{one['ID']}")).json()
                for one in reversed(listed["messages"])
                if any(to["Address"] == address for to in one["To"])
            ]

    async def subjects(self, address: str) -> list[str]:
        """Return the subjects of the emails to an address, oldest first."""
        return [mail["Subject"] for mail in await self.mails(address)]

    async def status_of_login(self, login: str, password: str) -> int:
        """Try to sign in; return the status."""
        return (await self.post("login", login=login, password=password)).status_code

    def user(self, name: str) -> dict[str, Any]:
        """Read an account's row."""
        columns = ("user_id", "user_name", "email", "password_hash", "role", "state")
        ((row),) = self.site.server.execute(
            f"SELECT {', '.join(columns)} FROM `{self.site.app}`.`user` WHERE user_name = %s",
            (name,),
        )
        return dict(zip(columns, row, strict=True))

    def audited(self) -> list[tuple[str, str]]:
        """Read (action, outcome) of every event in the audit log, oldest first."""
        rows = self.site.server.execute(
            f"SELECT action, outcome FROM `{self.site.ops}`.audit_log ORDER BY id"
        )
        return [(action, outcome) for action, outcome in rows]


@cache
def _hash_of_password() -> str:
    return argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)


def add_site_user(site: Site, name: str, role: str = "Administrator", state: str = "active") -> int:
    """Insert a user of the site whose password is ``PASSWORD``; return the ID."""
    site.server.execute(
        f"INSERT INTO `{site.app}`.`user` (user_name, email, password_hash, role, state,"
        " created_at, confirmed_at) VALUES (%s, %s, %s, %s, %s, UTC_TIMESTAMP(6),"
        " UTC_TIMESTAMP(6))",
        (name, f"{name}@sysndd.example", _hash_of_password(), role, state),
    )
    ((user_id,),) = site.server.execute(
        f"SELECT user_id FROM `{site.app}`.`user` WHERE user_name = %s", (name,)
    )
    return int(user_id)


def remove_operators(site: Site) -> None:
    """Leave only the site's own Administrators, as in a system of release 0.9.0."""
    site.server.execute(f"DELETE FROM `{site.ops}`.`operator`")


def about(mails: list[dict[str, Any]], words: str) -> dict[str, Any]:
    """Return the latest email with these words; emails sent together arrive in any order."""
    return next(mail for mail in reversed(mails) if words in mail["Subject"] + mail["Text"])


def link_text(mail: dict[str, Any]) -> str:
    """Return the only link with a token in an email, which text and HTML must share."""
    links = set(re.findall(r"https?://\S+token=[A-Za-z0-9_-]+", mail["Text"]))
    in_html = set(re.findall(r"https?://[^\s\"<]+token=[A-Za-z0-9_-]+", mail["HTML"]))
    assert links == in_html
    (link,) = links
    return str(link)


def link_of(mail: dict[str, Any]) -> str:
    """Return the link of an email, which must start with the test site's PUBLIC_URL."""
    link = link_text(mail)
    assert link.startswith(f"{PUBLIC_URL}/account/"), link
    return link


def token_of(mail: dict[str, Any]) -> str:
    """Return the token of an email's link."""
    (token,) = parse_qs(urlsplit(link_of(mail)).query)["token"]
    return token


@pytest.fixture
async def lifecycle(
    api: Api, site: Site, database: Database, smtp_catcher: TestCatcher
) -> AsyncIterator[Lifecycle]:
    """An API with a mailer and a mail server, to follow accounts from registration on."""
    smtp = SmtpSettings(host=smtp_catcher.host, port=smtp_catcher.port, security=SmtpSecurity.NONE)
    async with httpx.AsyncClient() as client:
        await client.delete(f"{smtp_catcher.rest_url}/api/v1/messages")
    async with open_outbox(site, database, smtp) as outbox:
        yield Lifecycle(api, site, outbox, smtp_catcher)


async def at_once(answers: list[Any]) -> list[httpx.Response]:
    """Await many requests together."""
    return list(await asyncio.gather(*answers))
