"""The order in which a request is checked before its handler runs."""

import pytest

from sysndd_api.security.access import Access, Actor, Role
from sysndd_api.security.credentials import SESSION_COOKIE
from sysndd_api.web.guard import Guard
from sysndd_core.accounts import AccountKey, Realm
from sysndd_core.errors import CrossSiteRequest, DatabaseUnavailable, Maintenance, NotSignedIn
from tests.support.requests import make_request

SITE = "https://sysndd.example"
MARIE = Actor(AccountKey(Realm.SITE, 7), "marie", Role.CURATOR)
SIGNED_IN = {"Cookie": f"{SESSION_COOKIE}=valid"}
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


class Sessions:
    """One session, with the token ``valid``; notes what is looked up."""

    def __init__(self, *, failure: Exception | None = None) -> None:
        self.lookups: list[tuple[str | None, str | None]] = []
        self.failure = failure

    async def __call__(
        self, token: str | None, access: Access, *, remote: str | None, audit_as: str | None = None
    ) -> Actor:
        self.lookups.append((token, audit_as))
        if self.failure is not None:
            raise self.failure
        if token != "valid":
            raise NotSignedIn()
        return MARIE


class MaintenanceMode:
    """Maintenance mode that is on or off."""

    def __init__(self, *, on: bool) -> None:
        self.on = on

    async def is_on(self) -> bool:
        return self.on

    async def reject_writes(self) -> None:
        if self.on:
            raise Maintenance()


def make_guard(sessions: Sessions | None = None, *, maintenance: bool = False) -> Guard:
    return Guard(sessions or Sessions(), MaintenanceMode(on=maintenance), public_url=SITE)


async def test_the_handler_learns_who_is_signed_in() -> None:
    request = make_request(headers=SIGNED_IN)
    await make_guard().check_endpoint(request, Access.SIGNED_IN, in_maintenance=False)
    assert (request.state.actor, request.state.token) == (MARIE, "valid")


async def test_an_endpoint_for_anyone_looks_up_no_session() -> None:
    sessions = Sessions()
    request = make_request("POST", headers=SIGNED_IN)
    await make_guard(sessions).check_endpoint(request, Access.ANYONE, in_maintenance=False)
    assert sessions.lookups == []


async def test_a_denial_is_reported_with_method_and_path() -> None:
    sessions = Sessions()
    request = make_request("DELETE", "/api/admin/x", headers={"Authorization": "Bearer other"})
    with pytest.raises(NotSignedIn):
        await make_guard(sessions).check_endpoint(
            request, Access.ADMINISTRATOR, in_maintenance=False
        )
    assert sessions.lookups == [("other", "DELETE /api/admin/x")]


async def test_a_foreign_form_is_refused_before_the_session_is_looked_up() -> None:
    sessions = Sessions()
    request = make_request("POST", headers=SIGNED_IN)
    with pytest.raises(CrossSiteRequest):
        await make_guard(sessions).check_page(request, Access.SIGNED_IN, in_maintenance=False)
    assert sessions.lookups == []


async def test_a_foreign_form_is_refused_even_without_a_session() -> None:
    """A foreign page could otherwise sign a visitor in as another account."""
    request = make_request("POST", headers={"Origin": "https://other.example"})
    with pytest.raises(CrossSiteRequest):
        await make_guard().check_page(request, Access.ANYONE, in_maintenance=False)


async def test_a_page_for_anyone_is_shown_with_or_without_a_session() -> None:
    without, with_session = make_request(), make_request(headers=SIGNED_IN)
    for request in (without, with_session):
        await make_guard().check_page(request, Access.ANYONE, in_maintenance=False)
    assert not hasattr(without.state, "actor")
    assert with_session.state.actor == MARIE


async def test_a_page_for_accounts_requires_a_session() -> None:
    with pytest.raises(NotSignedIn):
        await make_guard().check_page(make_request(), Access.SIGNED_IN, in_maintenance=False)


@pytest.mark.parametrize(
    ("method", "in_maintenance", "refused"),
    [("GET", False, False), ("HEAD", False, False), ("POST", True, False), ("POST", False, True)],
)
async def test_maintenance_mode_refuses_only_writes_to_the_application(
    method: str, in_maintenance: bool, refused: bool
) -> None:
    guard = make_guard(maintenance=True)
    request = make_request(method, headers={**SIGNED_IN, **OWN_PAGE})
    checks = (guard.check_endpoint, guard.check_page)
    for check in checks:
        try:
            await check(request, Access.SIGNED_IN, in_maintenance=in_maintenance)
        except Maintenance:
            assert refused
        else:
            assert not refused


async def test_a_stranger_does_not_learn_of_maintenance_mode() -> None:
    guard = make_guard(maintenance=True)
    with pytest.raises(NotSignedIn):
        await guard.check_endpoint(make_request("POST"), Access.SIGNED_IN, in_maintenance=False)


@pytest.mark.parametrize(
    ("headers", "failure", "admitted"),
    [
        (SIGNED_IN, None, True),
        ({}, None, False),
        (SIGNED_IN, DatabaseUnavailable(), False),
    ],
)
async def test_whether_credentials_suffice_is_answered_without_an_error(
    headers: dict[str, str], failure: Exception | None, admitted: bool
) -> None:
    guard = make_guard(Sessions(failure=failure))
    assert await guard.admits(make_request(headers=headers), Access.SIGNED_IN) is admitted
