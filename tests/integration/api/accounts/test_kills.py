"""A request that changes an account takes effect completely or not at all when the API is killed.

The requests follow one account from registration to deactivation. Each is killed before its COMMIT
and again after it, before the answer; with ``make lane LANE=kills-accounts`` also before each of
its statements.
"""

import asyncio
import collections
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from sysndd_core.mail.link_tokens import TokenPurpose, derive
from tests.support.accounts import NEW_PASSWORD, Lifecycle
from tests.support.http import PASSWORD, sign_in
from tests.support.killed_api import COMMIT, COMMITTED, KilledApi, KilledRequest, killed_api
from tests.support.site import Site
from tests.support.workers import eventually

AUTH = "/api/auth"
EVERY_STEP = os.environ.get("KILLS") == "all"
MARIE, NEW_MARIE = "marie@lab.example", "marie@elsewhere.example"
TABLES = {
    "user": "user_id, user_name, email, password_hash, role, state",
    "account_token": "id, purpose, used_at, revoked_at",
    "email_change": "id, old_confirmed_at, new_confirmed_at, finished_at",
    "session": "HEX(token_hash)",
    "known_client": "user_id, HEX(client)",
    "mail": "id, template, recipient",
    "audit_log": "id, action, outcome",
}

State = dict[str, set[tuple[Any, ...]]]


@dataclass
class KilledRequests:
    """Sends requests that are killed, and checks what each leaves behind."""

    lifecycle: Lifecycle
    site: Site
    killed: KilledApi
    emails: collections.Counter[str]
    kills: int = 0

    async def check(
        self,
        method: str,
        path: str,
        changed: str,
        action: str,
        *mails: str,
        session: str | None = None,
        **body: str,
    ) -> None:
        """Kill a request at its steps, then after its COMMIT.

        Arguments:
            changed: changed tables, apart from ``mail`` and ``audit_log``.
            action: action in the audit log.
            mails: templates of the emails, in alphabetical order.
            session: session token of the client.
            body: members of the request body.
        """
        request = KilledRequest(method, path, body or None, session)
        before = self.state()
        await self.assert_rolled_back(COMMIT, request, before)
        if EVERY_STEP:
            for number in range(1, self.killed.statements + 1):
                await self.assert_rolled_back(str(number), request, before)
        await self.killed.killed_at(COMMITTED, request)
        self.kills += 1
        after = self.state()
        found = {name for name in TABLES if before[name] != after[name]}
        assert found == {*changed.split(), "audit_log", *(["mail"] if mails else [])}, path
        assert sorted(row[1] for row in after["mail"] - before["mail"]) == list(mails), path
        assert [row[1:] for row in after["audit_log"] - before["audit_log"]] == [(action, "ok")]
        self.emails.update(mails)

    async def assert_rolled_back(self, point: str, request: KilledRequest, before: State) -> None:
        # Every session was used just now, so that no request needs a statement to record its use.
        self.site.server.execute(
            f"UPDATE `{self.site.ops}`.session SET last_seen_at = UTC_TIMESTAMP(6)"
        )
        await self.killed.killed_at(point, request)
        self.kills += 1
        # The database detects the lost connection and rolls back.
        await asyncio.to_thread(eventually, "it is rolled back", self.without_writers, seconds=60)
        assert self.state() == before, (request.path, point)

    def state(self) -> State:
        """Read the committed rows."""
        return {
            name: set(
                self.site.server.execute(
                    f"SELECT {columns} FROM"
                    f" `{self.site.app if name == 'user' else self.site.ops}`.`{name}`"
                )
            )
            for name, columns in TABLES.items()
        }

    def without_writers(self) -> bool:
        return self.site.server.execute("SELECT 1 FROM information_schema.innodb_trx") == ()

    def link(self, purpose: TokenPurpose) -> str:
        """Derive the token of the latest link, as its email contains it."""
        ((token_id,),) = self.site.server.execute(
            f"SELECT id FROM `{self.site.ops}`.account_token WHERE purpose = %s"
            " AND used_at IS NULL AND revoked_at IS NULL ORDER BY created_at DESC LIMIT 1",
            (purpose.value,),
        )
        return derive(SecretStr(self.site.environ["TOKEN_KEY"]), purpose, token_id)

    async def signed_in(self, password: str = PASSWORD) -> str:
        """Open a session in the API that is not killed."""
        return await sign_in(self.lifecycle.client, "marie", password)


async def test_a_killed_request_changes_an_account_completely_or_not_at_all(
    lifecycle: Lifecycle, site: Site, tmp_path: Path
) -> None:
    with killed_api(site, tmp_path) as killed:
        requests = KilledRequests(lifecycle, site, killed, collections.Counter())
        # First, because the later requests use up the rate limit of the client.
        assert (await lifecycle.register("pierre")).status_code == 202
        requests.emails["confirm"] += 1
        await registration(requests)
        await email_change(requests)
        await passwords(requests)
        await sessions(requests)
        await administration(requests)
        print(f"{requests.kills} kills")  # noqa: T201 - the count is what the long lane is run for
        # Every committed email arrives once, although its request was never answered.
        await lifecycle.outbox.send_queued()
        rows = site.server.execute(f"SELECT template, state FROM `{site.ops}`.mail")
        assert {state for _, state in rows} <= {"sent", "cancelled"}
        assert collections.Counter(template for template, _ in rows) == requests.emails


async def registration(requests: KilledRequests) -> None:
    body = {"user_name": "marie", "email": MARIE, "password": PASSWORD}
    await requests.check(
        "POST", f"{AUTH}/register", "user account_token", "register", "confirm", **body
    )
    await requests.check(
        "POST", f"{AUTH}/confirm/resend", "account_token", "resend", "confirm", email=MARIE
    )
    link = requests.link(TokenPurpose.CONFIRM)
    await requests.check("POST", f"{AUTH}/confirm", "user account_token", "confirm", token=link)
    await requests.check(
        "POST", f"{AUTH}/login", "session known_client", "sign_in", login="marie", password=PASSWORD
    )


async def email_change(requests: KilledRequests) -> None:
    session = await requests.signed_in()
    await requests.check(
        "POST",
        f"{AUTH}/email",
        "account_token email_change",
        "request_email_change",
        "email_new",
        "email_old",
        session=session,
        email=NEW_MARIE,
        password=PASSWORD,
    )
    old, new = requests.link(TokenPurpose.EMAIL_OLD), requests.link(TokenPurpose.EMAIL_NEW)
    path = f"{AUTH}/email/confirm"
    await requests.check(
        "POST", path, "account_token email_change", "confirm_email_change", token=old
    )
    await requests.check(
        "POST", path, "user account_token email_change", "change_email", "email_changed", token=new
    )


async def passwords(requests: KilledRequests) -> None:
    session = await requests.signed_in()
    await requests.check(
        "POST",
        f"{AUTH}/password",
        "user session",
        "change_password",
        "password_changed",
        session=session,
        old_password=PASSWORD,
        new_password=NEW_PASSWORD,
    )
    await requests.check(
        "POST", f"{AUTH}/password-reset", "account_token", "request_reset", "reset", email=NEW_MARIE
    )
    link = requests.link(TokenPurpose.RESET)
    await requests.check(
        "POST",
        f"{AUTH}/password-reset/confirm",
        "user account_token session",
        "reset",
        "password_changed",
        token=link,
        password=PASSWORD,
    )


async def sessions(requests: KilledRequests) -> None:
    first, second = await requests.signed_in(), await requests.signed_in()
    path = f"{AUTH}/sessions/{hashlib.sha256(first.encode()).hexdigest()[:32]}"
    await requests.check("DELETE", path, "session", "end_session", session=second)
    await requests.check("POST", f"{AUTH}/logout", "session", "sign_out", session=second)
    third = await requests.signed_in()
    await requests.check("DELETE", f"{AUTH}/sessions", "session", "end_sessions", session=third)


async def administration(requests: KilledRequests) -> None:
    admin = requests.lifecycle.api.admin.headers["Authorization"].removeprefix("Bearer ")
    users = "/api/admin/users"
    marie = f"{users}/{requests.lifecycle.user('marie')['user_id']}"

    async def check(path: str, changed: str, action: str, *mails: str, **body: str) -> None:
        method = "DELETE" if path.endswith("/sessions") else "POST"
        await requests.check(method, path, changed, action, *mails, session=admin, **body)

    await requests.signed_in()
    await check(f"{marie}/sessions", "session", "end_sessions")
    await requests.signed_in()
    notices = ["new_administrator"] * 2
    await check(f"{marie}/role", "user session", "change_role", *notices, role="Administrator")
    await requests.signed_in()
    await check(f"{marie}/role", "user session", "change_role", role="Viewer")
    await requests.signed_in()
    await check(f"{marie}/deactivate", "user session", "deactivate_user")
    await check(f"{marie}/reactivate", "user", "reactivate_user")
    pierre = f"{users}/{requests.lifecycle.user('pierre')['user_id']}"
    await check(f"{pierre}/resend-confirmation", "account_token", "resend_confirmation", "confirm")
    requests.site.server.execute(
        f"UPDATE `{requests.site.app}`.`user` SET state = 'awaiting_approval'"
        " WHERE user_name = 'pierre'"
    )
    await check(f"{pierre}/approve", "user", "approve_user", "approved")
