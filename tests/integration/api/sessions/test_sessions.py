"""Sessions with header and cookie: access, expiry, revocation and cross-site requests."""

import httpx
import pytest

from sysndd_api.security.credentials import SESSION_COOKIE
from sysndd_api.settings import ApiSettings
from tests.support.accounts import add_site_user
from tests.support.http import PASSWORD, Api, problem, served, sign_in
from tests.support.site import Site

SESSIONS = "/api/auth/sessions"


def cookie_headers(token: str, **headers: str) -> dict[str, str]:
    """Return the headers of a browser with the cookie; httpx sends no Secure cookie over HTTP."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"Cookie": f"theme=dark; {SESSION_COOKIE}={token}"} | named


async def test_a_cookie_authorizes_reads_like_a_header(api: Api) -> None:
    token = await sign_in(api.client, "admin")
    for path in ("/api/auth/me", "/api/admin/audit", SESSIONS):
        answer = await api.client.get(path, headers=cookie_headers(token))

        assert answer.status_code == 200, path
    # A read changes nothing, so its origin does not matter.
    crossing = cookie_headers(token, Sec_Fetch_Site="cross-site")
    assert (await api.client.get("/api/auth/me", headers=crossing)).status_code == 200
    health = (await api.client.get("/api/health", headers=cookie_headers(token))).json()
    assert health["checks"] is not None


REFUSED = [
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://sysndd.example"},
    {"Origin": "null"},
    {"Origin": "https://sysndd.example"},
    {"Origin": "http://sysndd.example:81"},
    {"Origin": "http://sysndd.example.evil.example"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://["},
    {"Origin": "http://evil.example", "Host": "evil.example"},
    {"Referer": "http://sysndd.example/admin"},
]


async def test_a_page_of_another_site_cannot_use_the_cookie(api: Api) -> None:
    token = await sign_in(api.client, "admin")
    for headers in REFUSED:
        for method, path in (
            ("POST", "/api/auth/logout"),
            ("POST", "/api/admin/backups"),
            ("DELETE", SESSIONS),
        ):
            answer = await api.client.request(method, path, headers=cookie_headers(token) | headers)
            problem(answer, 403, "cross_site_request")
    assert (await api.client.get("/api/auth/me", headers=cookie_headers(token))).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8080"},
        {"Origin": "http://sysndd.example"},
        {"Origin": "http://SYSNDD.example:80"},
    ],
    ids=["fetch metadata", "before Origin", "Origin", "Origin with the default port"],
)
async def test_a_page_of_the_site_signs_out_with_the_cookie(
    api: Api, header: dict[str, str]
) -> None:
    token = await sign_in(api.client, "admin")
    answer = await api.client.post("/api/auth/logout", headers=cookie_headers(token) | header)
    assert answer.status_code == 204
    (cleared,) = answer.headers.get_list("set-cookie")
    assert cleared.startswith(f'{SESSION_COOKIE}=""; ')
    for attribute in ("Max-Age=0", "Path=/", "Secure", "HttpOnly", "SameSite=lax"):
        assert attribute in cleared
    problem(
        await api.client.get("/api/auth/me", headers=cookie_headers(token)), 401, "not_signed_in"
    )


async def test_an_invalid_header_is_rejected_despite_a_valid_cookie(api: Api) -> None:
    token = await sign_in(api.client, "admin")
    for header in ("Bearer", "Bearer wrong", "Basic YTpi", ""):
        headers = cookie_headers(token, Authorization=header)
        problem(await api.client.get("/api/auth/me", headers=headers), 401, "not_signed_in")


async def test_sessions_are_listed_and_ended_one_by_one(api: Api) -> None:
    token = await sign_in(api.client, "admin")
    mine = {"Authorization": f"Bearer {token}"}
    listed = (await api.client.get(SESSIONS, headers=mine)).json()
    assert listed["total"] == len(listed["data"]) == 2
    (current,) = [one for one in listed["data"] if one["current"]]
    (other,) = [one for one in listed["data"] if not one["current"]]
    assert current["remote"] == "127.0.0.1"
    assert current["user_agent"].startswith("python-httpx")
    assert token not in str(listed)
    assert (await api.client.delete(f"{SESSIONS}/{other['id']}", headers=mine)).status_code == 204
    problem(await api.admin.get("/api/auth/me"), 401, "not_signed_in")
    assert (await api.client.get("/api/auth/me", headers=mine)).status_code == 200
    for wrong in (other["id"], "0" * 32, "x", "%27", "A" * 32, "é" * 32):
        answer = await api.client.delete(f"{SESSIONS}/{wrong}", headers=mine)
        problem(answer, 404, "session_not_found")


async def test_a_session_of_another_account_cannot_be_ended(api: Api, site: Site) -> None:
    add_site_user(site, "other")
    (theirs,) = (await api.admin.get(SESSIONS)).json()["data"]
    async with await api.signed_in("other") as other:
        problem(await other.delete(f"{SESSIONS}/{theirs['id']}"), 404, "session_not_found")
    assert (await api.admin.get("/api/auth/me")).status_code == 200


async def test_all_sessions_of_an_account_are_ended(api: Api) -> None:
    async with await api.signed_in("admin") as second:
        assert (await api.admin.delete(SESSIONS)).json() == {"ended": 2}
        problem(await api.admin.get("/api/auth/me"), 401, "not_signed_in")
        problem(await second.get("/api/auth/me"), 401, "not_signed_in")


async def test_a_session_expires_when_idle_and_at_its_maximum_age(api: Api, site: Site) -> None:
    table = f"`{site.ops}`.session"
    site.server.execute(f"UPDATE {table} SET last_seen_at = last_seen_at - INTERVAL 119 MINUTE")
    assert (await api.admin.get("/api/auth/me")).status_code == 200
    # The use restarted the idle time: after another 119 minutes the session is valid.
    site.server.execute(f"UPDATE {table} SET last_seen_at = last_seen_at - INTERVAL 119 MINUTE")
    assert (await api.admin.get("/api/auth/me")).status_code == 200
    site.server.execute(f"UPDATE {table} SET last_seen_at = last_seen_at - INTERVAL 121 MINUTE")
    problem(await api.admin.get("/api/auth/me"), 401, "not_signed_in")
    async with await api.signed_in("admin") as admin:
        ((rows,),) = site.server.execute(f"SELECT COUNT(*) FROM {table}")
        assert rows == 1  # the expired one was deleted
        site.server.execute(f"UPDATE {table} SET expires_at = UTC_TIMESTAMP(6)")
        problem(await admin.get("/api/auth/me"), 401, "not_signed_in")


async def test_the_lifetime_of_a_session_is_a_setting(api: Api, site: Site) -> None:
    settings = site.load(ApiSettings, SESSION_HOURS="1", SESSION_IDLE_MINUTES="5")
    async with served(settings) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        token = await sign_in(client, "admin")
        headers = {"Authorization": f"Bearer {token}"}
        site.server.execute(
            f"UPDATE `{site.ops}`.session SET last_seen_at = last_seen_at - INTERVAL 6 MINUTE"
        )
        problem(await client.get("/api/auth/me", headers=headers), 401, "not_signed_in")
    ((hours,),) = site.server.execute(
        f"SELECT MIN(TIMESTAMPDIFF(MINUTE, created_at, expires_at)) FROM `{site.ops}`.session"
    )
    assert hours == 60


async def test_a_session_does_not_pass_to_the_next_owner_of_a_user_id(api: Api, site: Site) -> None:
    """A restore resets AUTO_INCREMENT, so an ID may be assigned to another account."""
    add_site_user(site, "marie", "Viewer")
    async with await api.signed_in("marie") as marie:
        site.server.execute(f"UPDATE `{site.app}`.`user` SET created_at = UTC_TIMESTAMP(6)")
        problem(await marie.get("/api/auth/me"), 401, "not_signed_in")


async def test_sessions_are_audited(api: Api) -> None:
    async with await api.signed_in("admin") as second:
        (other,) = [o for o in (await second.get(SESSIONS)).json()["data"] if not o["current"]]
        await second.delete(f"{SESSIONS}/{other['id']}")
        events = (await second.get("/api/admin/audit")).json()["data"]
    assert [event["action"] for event in events] == [
        "end_session",
        "sign_in",
        "sign_in",
        "create_operator",
    ]
    assert events[0]["object"] == other["id"]


async def test_a_client_without_an_ip_address_is_recorded_as_none(api: Api, site: Site) -> None:
    for forwarded in ("not an address", "é", "1.2.3.4.5", "x" * 300):
        answer = await api.client.post(
            "/api/auth/login",
            json={"login": "admin", "password": PASSWORD},
            headers={b"X-Forwarded-For": forwarded.encode()},
        )
        assert answer.status_code == 200
    remotes = site.server.execute(f"SELECT DISTINCT remote FROM `{site.ops}`.audit_log")
    assert {remote for (remote,) in remotes} == {None, "127.0.0.1"}
