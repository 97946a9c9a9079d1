"""Who may call what: every route and page with every kind of account and session.

The cases come from the lists of routes and pages, so a new one is covered without a change here.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

import httpx
import pytest

from sysndd_api.operators.service import Operators
from sysndd_api.pages.page_route import SIGN_IN
from sysndd_api.pages.routes import PAGES
from sysndd_api.routes import ENDPOINTS
from sysndd_api.security.access import Access, OperatorRole, token_hash
from sysndd_core.accounts import Realm
from tests.support.accounts import add_site_user
from tests.support.http import PASSWORD, Api
from tests.support.site import Site

ALL = frozenset(Access)
_ROLES = {role.value for role in OperatorRole}
SIGNED_IN = frozenset({Access.ANYONE, Access.SIGNED_IN})
# What each account may call; the empty set stands for an account or session that has ended.
ADMITTED: dict[str, frozenset[Access]] = {
    "anonymous": frozenset(),
    "site Administrator": ALL,
    "site Curator": SIGNED_IN,
    "site Reviewer": SIGNED_IN,
    "site Viewer": SIGNED_IN,
    "operator administrator": ALL,
    "operator maintainer": ALL - {Access.ADMINISTRATOR},
    "operator viewer": SIGNED_IN | {Access.VIEWER},
    "forged token": frozenset(),
    "ended session": frozenset(),
    "expired session": frozenset(),
    "idle session": frozenset(),
    "deactivated site user": frozenset(),
    "unconfirmed site user": frozenset(),
    "disabled operator": frozenset(),
    "invited operator": frozenset(),
}
# Values of the parameters; none of them names an existing object.
PARAMETERS = {
    "name": "manual_20260101T000000Z_0123abcd.sql.zst",
    "job_id": "0a9e0000-0000-4000-8000-000000000000",
    "mail_id": "0a9e0000-0000-4000-8000-000000000000",
    "schema": "nothing",
    "user_id": "999999",
    "operator_id": "999999",
    "session_id": "0" * 32,
    "hgnc_id": "HGNC:0",
    "entity_id": "0",
    "rest": "nothing",
}


@dataclass(frozen=True)
class Call:
    """One method of one route or page."""

    method: str
    path: str
    access: Access
    is_page: bool

    @property
    def address(self) -> str:
        """The path with values in place of its parameters."""
        path = self.path.replace(":path}", "}")
        return path.format(**PARAMETERS)


CALLS = [Call(one.method, one.path, one.access, is_page=False) for one in ENDPOINTS] + [
    Call(one.method, one.path, one.access, is_page=True) for one in PAGES
]


class Callers:
    """Accounts of every kind, and a new session for every request."""

    def __init__(self, api: Api, site: Site) -> None:
        self._api = api
        self._site = site
        self._ids: dict[str, tuple[Realm, int]] = {}

    async def create(self) -> None:
        """Create the accounts."""
        for role in ("Administrator", "Curator", "Reviewer", "Viewer"):
            self._ids[f"site {role}"] = (Realm.SITE, add_site_user(self._site, role, role))
        for state in ("deactivated", "unconfirmed"):
            user_id = add_site_user(self._site, state, "Administrator", state)
            self._ids[f"{state} site user"] = (Realm.SITE, user_id)
        for name in ("administrator", "maintainer", "viewer", "disabled", "invited"):
            role = OperatorRole(name) if name in _ROLES else OperatorRole.ADMINISTRATOR
            view, _ = await self._api.context[Operators].create(
                f"the {name}", f"{name}@ops.example", role, PASSWORD
            )
            kind = f"operator {name}" if name in _ROLES else f"{name} operator"
            self._ids[kind] = (Realm.OPERATOR, view.operator_id)
            if name not in _ROLES:
                self._site.server.execute(
                    f"UPDATE `{self._site.ops}`.`operator` SET state = %s WHERE operator_id = %s",
                    (name, view.operator_id),
                )

    def headers(self, caller: str) -> dict[str, str]:
        """Return the headers of a request of a caller."""
        own_page = {"Sec-Fetch-Site": "same-origin"}
        if caller == "anonymous":
            return own_page
        token = secrets.token_urlsafe(32)
        if caller != "forged token":
            self._open(caller, token)
        return own_page | {"Authorization": f"Bearer {token}"}

    def _open(self, caller: str, token: str) -> None:
        realm, account = self._ids.get(caller, self._ids["operator administrator"])
        seen, expires = {
            "expired session": ("- INTERVAL 1 MINUTE", "- INTERVAL 1 SECOND"),
            "idle session": ("- INTERVAL 1 DAY", "+ INTERVAL 1 HOUR"),
        }.get(caller, ("", "+ INTERVAL 1 HOUR"))
        table = f"`{self._site.ops}`.session"
        self._site.server.execute(
            f"INSERT INTO {table} (token_hash, realm, user_id, created_at, last_seen_at,"
            " expires_at) VALUES (UNHEX(%s), %s, %s, UTC_TIMESTAMP(6),"
            f" UTC_TIMESTAMP(6) {seen}, UTC_TIMESTAMP(6) {expires})",
            (token_hash(token), realm, account),
        )
        if caller == "ended session":
            self._site.server.execute(
                f"DELETE FROM {table} WHERE token_hash = UNHEX(%s)", (token_hash(token),)
            )


def violations(caller: str, answers: Iterable[tuple[Call, httpx.Response]]) -> list[str]:
    """Return the calls whose answer is not what the access level says."""
    admitted, found = ADMITTED[caller], []
    for call, answer in answers:
        to_sign_in = answer.headers.get("location", "").startswith(SIGN_IN)
        if call.access is Access.ANYONE:
            expected = answer.status_code != 403
        elif call.access in admitted:
            expected = answer.status_code not in (401, 403) and (
                not to_sign_in or "sign-out" in call.path or "sessions" in call.path
            )
        elif not admitted:
            expected = to_sign_in if call.is_page else answer.status_code == 401
        else:
            expected = answer.status_code == 403
        if not expected or answer.status_code >= 500:
            found.append(f"{call.method} {call.path}: {answer.status_code}")
    return found


@pytest.mark.parametrize("caller", ADMITTED)
async def test_every_route_and_page_admits_whom_it_should(
    api: Api, site: Site, caller: str
) -> None:
    callers = Callers(api, site)
    await callers.create()
    answers = []
    for call in CALLS:
        headers = callers.headers(caller)
        answers.append((call, await api.client.request(call.method, call.address, headers=headers)))
    assert violations(caller, answers) == []


async def test_a_refused_request_changes_nothing(api: Api, site: Site) -> None:
    """Of those who may not write, no request leaves a job, an email or a changed account."""
    callers = Callers(api, site)
    await callers.create()
    tables = ("job", "mail", "`operator`")

    def state() -> list[object]:
        own = [site.server.execute(f"SELECT * FROM `{site.ops}`.{table}") for table in tables]
        return [*own, site.server.execute(f"SELECT * FROM `{site.app}`.`user`")]

    before = state()
    for call in CALLS:
        if call.method != "GET" and call.path.startswith(("/api/admin", "/admin")):
            for caller in ("site Viewer", "operator viewer", "disabled operator"):
                if call.access not in ADMITTED[caller]:
                    await api.client.request(
                        call.method, call.address, headers=callers.headers(caller)
                    )
    assert state() == before
