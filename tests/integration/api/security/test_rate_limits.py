"""Rate limits count for all workers, hold without Redis, and cannot lock an account."""

from collections.abc import AsyncIterator

import httpx
import pytest

from sysndd_api.security.rate_limits import Hit, Limit, Limiter, client_of
from sysndd_api.settings import ApiSettings
from tests.support.accounts import NEW_PASSWORD, Lifecycle, about, token_of
from tests.support.http import PASSWORD, problem, served
from tests.support.servers import TestRedis
from tests.support.site import Site

LOGIN = "/api/auth/login"
MARIE = "marie@lab.example"
WRONG = "not the password"


async def try_password(
    client: httpx.AsyncClient, login: str, password: str = WRONG, *, remote: str = "192.0.2.1"
) -> int:
    """Try to sign in from an address that the trusted proxy reports; return the status."""
    body = {"login": login, "password": password}
    headers = {"X-Forwarded-For": remote}
    return (await client.post(LOGIN, json=body, headers=headers)).status_code


@pytest.fixture
async def limited_client(site: Site, lifecycle: Lifecycle) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API with low limits, and marie's account."""
    await lifecycle.active()
    settings = site.load(
        ApiSettings,
        LIMIT_FAILURES_PER_ACCOUNT_AND_CLIENT="3",
        LIMIT_FAILURES_PER_CLIENT="6",
        LIMIT_FAILURES_PER_ACCOUNT="8",
        LIMIT_FAILURES_TOTAL="30",
        LIMIT_REQUESTS_PER_CLIENT="5",
        LIMIT_REQUESTS_TOTAL="40",
        # With one worker, its share is the complete limit, should Redis be slow on a busy machine.
        API_WORKERS="1",
    )
    async with served(settings) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        yield client


@pytest.mark.parametrize("login", ["marie", "nobody"])
async def test_failures_of_one_client_for_one_account_are_limited(
    limited_client: httpx.AsyncClient, login: str
) -> None:
    # All spellings that the database treats as one account count together.
    spelled = [login, login.upper(), f"{login} ", login.replace("e", "é").replace("o", "ö")]
    statuses = [await try_password(limited_client, name) for name in spelled]
    assert statuses == [401, 401, 401, 429]
    answer = await limited_client.post(
        LOGIN, json={"login": login, "password": PASSWORD}, headers={"X-Forwarded-For": "192.0.2.1"}
    )
    problem(answer, 429, "too_many_attempts")
    assert 1 <= int(answer.headers["retry-after"]) <= 900
    assert await try_password(limited_client, "somebody") == 401


async def test_successful_sign_ins_are_not_counted(limited_client: httpx.AsyncClient) -> None:
    statuses = [await try_password(limited_client, "marie", PASSWORD) for _ in range(20)]
    assert statuses == [200] * 20


async def test_failures_of_one_client_for_many_accounts_are_limited(
    limited_client: httpx.AsyncClient,
) -> None:
    # One IPv6 host usually has a complete /64 network.
    for remotes in (["192.0.2.7"] * 7, [f"2001:db8:1:2::{number}" for number in range(1, 8)]):
        statuses = [
            await try_password(limited_client, f"user{number}{remote}", remote=remote)
            for number, remote in enumerate(remotes)
        ]
        assert statuses == [401] * 6 + [429]
    assert await try_password(limited_client, "somebody", remote="2001:db8:1:3::1") == 401


async def test_distributed_guessing_does_not_lock_an_account(
    limited_client: httpx.AsyncClient, lifecycle: Lifecycle
) -> None:
    home = "198.51.100.1"
    assert await try_password(limited_client, "marie", PASSWORD, remote=home) == 200
    statuses = [
        await try_password(limited_client, "marie", remote=f"192.0.2.{number}")
        for number in range(12)
    ]
    assert statuses == [401] * 8 + [429] * 4
    # A known client is let through, but its own failures count.
    assert await try_password(limited_client, "marie", PASSWORD, remote=home) == 200
    assert await try_password(limited_client, "marie", remote=home) == 401
    # Another client of marie's is not known; a password reset lets it through.
    away = "203.0.113.5"
    assert await try_password(limited_client, "marie", PASSWORD, remote=away) == 429
    headers = {"X-Forwarded-For": away}
    await limited_client.post("/api/auth/password-reset", json={"email": MARIE}, headers=headers)
    token = token_of(about(await lifecycle.mails(MARIE), "Reset your SysNDD password"))
    body = {"token": token, "password": NEW_PASSWORD}
    answer = await limited_client.post(
        "/api/auth/password-reset/confirm", json=body, headers=headers
    )
    assert answer.status_code == 200
    for _ in range(12):
        await try_password(limited_client, "marie", remote="192.0.2.99")
    assert await try_password(limited_client, "marie", NEW_PASSWORD, remote=away) == 200


async def test_a_forwarded_address_is_trusted_from_a_trusted_proxy_only(site: Site) -> None:
    """Behind a proxy that is not in TRUSTED_PROXIES, every client counts as that proxy."""
    settings = site.load(
        ApiSettings, LIMIT_FAILURES_PER_ACCOUNT_AND_CLIENT="3", TRUSTED_PROXIES="192.0.2.200"
    )
    async with served(settings) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        statuses = [
            await try_password(client, "nobody", remote=f"192.0.2.{number}") for number in range(4)
        ]
    assert statuses == [401, 401, 401, 429]


async def test_requests_of_one_client_are_limited(limited_client: httpx.AsyncClient) -> None:
    headers = {"X-Forwarded-For": "192.0.2.1"}
    body = {"email": "nobody@lab.example"}
    statuses = [
        (await limited_client.post(f"/api/auth/{path}", json=body, headers=headers)).status_code
        for path in ("password-reset", "confirm/resend") * 3
    ]
    assert statuses == [202] * 5 + [429]
    token = {"token": "x"}
    answer = await limited_client.post("/api/auth/confirm", json=token, headers=headers)
    problem(answer, 429, "too_many_attempts")
    other = await limited_client.post("/api/auth/confirm", json=token)
    problem(other, 410, "link_invalid")


async def test_the_total_limit_does_not_affect_a_known_client(
    limited_client: httpx.AsyncClient, lifecycle: Lifecycle
) -> None:
    await try_password(limited_client, "marie", PASSWORD, remote="198.51.100.1")
    for number in range(40):
        await limited_client.post(
            "/api/auth/confirm",
            json={"token": "x"},
            headers={"X-Forwarded-For": f"192.0.2.{number}"},
        )
    body = {"email": MARIE}
    answer = await limited_client.post("/api/auth/password-reset", json=body)
    problem(answer, 429, "too_many_attempts")
    known = {"X-Forwarded-For": "198.51.100.1"}
    answer = await limited_client.post("/api/auth/password-reset", json=body, headers=known)
    assert answer.status_code == 202
    # Only the first refusal of a window is in the audit log.
    refused = [event for event in lifecycle.audited() if event[1] == "too_many_attempts"]
    assert refused == [("confirm", "too_many_attempts")]


async def test_two_workers_share_one_count(limited_client: httpx.AsyncClient, site: Site) -> None:
    settings = site.load(ApiSettings, LIMIT_FAILURES_PER_ACCOUNT_AND_CLIENT="3")
    async with served(settings) as base_url, httpx.AsyncClient(base_url=base_url) as second:
        statuses = [
            await try_password(client, "marie")
            for client in (limited_client, second, limited_client, second)
        ]
    assert statuses == [401, 401, 401, 429]


@pytest.mark.parametrize("fault", ["stopped", "frozen", "flushed"])
async def test_limits_apply_while_redis_is_unavailable(
    limited_client: httpx.AsyncClient, redis_server: TestRedis, fault: str
) -> None:
    assert await try_password(limited_client, "nobody") == 401
    if fault == "stopped":
        redis_server.stop()
    elif fault == "frozen":
        redis_server.freeze()
    try:
        statuses = []
        for _ in range(5):
            if fault == "flushed":
                redis_server.flush()
            statuses.append(await try_password(limited_client, "nobody"))
        assert statuses[-1] == 429
        assert statuses.count(401) <= 2
        # The correct password is accepted.
        assert await try_password(limited_client, "marie", PASSWORD) == 200
    finally:
        if fault == "stopped":
            redis_server.start()
        elif fault == "frozen":
            redis_server.thaw()


async def test_redis_holds_no_address_and_every_key_expires(
    limited_client: httpx.AsyncClient, redis_server: TestRedis
) -> None:
    await try_password(limited_client, MARIE)
    await limited_client.post("/api/auth/password-reset", json={"email": MARIE})
    with redis_server.client() as redis:
        keys = [key.decode() for key in redis.keys("sysndd:limit:*")]
        assert len(keys) >= 7
        assert not any("marie" in key or "192.0.2" in key for key in keys)
        assert all(0 < redis.ttl(key) <= 3601 for key in keys)


async def test_without_redis_each_worker_applies_its_share(site: Site) -> None:
    limiter = Limiter(site.redis, site="t", secret="s", workers=4)
    limiter._retry_redis_at = float("inf")  # Redis is unavailable throughout
    limit = Limit("share", 10, 3600)
    results = [(await limiter.hit(Hit(limit)))[0].exceeded for _ in range(5)]
    assert results == [False, False, False, True, True]
    await limiter.close()


async def test_the_counts_of_a_worker_are_bounded(site: Site) -> None:
    limiter = Limiter(site.redis, site="t", secret="s", workers=1)
    limiter._retry_redis_at = float("inf")  # Redis is unavailable throughout
    limit = Limit("bounded", 2, 3600)
    for number in range(30_000):
        await limiter.hit(Hit(limit, str(number)))
    assert len(limiter._counts) <= 20_001
    results = [(await limiter.hit(Hit(limit, "x")))[0].exceeded for _ in range(3)]
    assert results == [False, False, True]
    await limiter.close()


def test_a_client_is_an_ipv4_address_or_an_ipv6_network() -> None:
    assert client_of("192.0.2.1") == client_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff") == "2001:db8::/64"
    assert client_of(None) == "unknown"


ENUMERATION = [
    ("login", {"login": MARIE, "password": WRONG}, {"login": "no@lab.example", "password": WRONG}),
    ("login", {"login": "marie", "password": WRONG}, {"login": "noman", "password": WRONG}),
    ("password-reset", {"email": MARIE}, {"email": "nobody@lab.example"}),
    ("confirm/resend", {"email": MARIE}, {"email": "nobody@lab.example"}),
    (
        "register",
        {"user_name": "m1", "email": MARIE, "password": NEW_PASSWORD},
        {"user_name": "m2", "email": "m2@lab.example", "password": NEW_PASSWORD},
    ),
]


@pytest.mark.parametrize("state", ["active", "unconfirmed", "deactivated"])
async def test_known_and_unknown_addresses_are_indistinguishable(
    lifecycle: Lifecycle, state: str
) -> None:
    """Compares status, headers and body; `make lane LANE=kills-accounts` compares durations."""
    await lifecycle.active()
    lifecycle.site.server.execute(
        f"UPDATE `{lifecycle.site.app}`.`user` SET state = %s WHERE user_name = 'marie'", (state,)
    )
    for path, known, unknown in ENUMERATION:
        seen = []
        for body in (known, unknown):
            answer = await lifecycle.post(path, **body)
            headers = {k: v for k, v in answer.headers.items() if k not in ("date", "x-request-id")}
            content = answer.json()
            content.pop("request_id", None)
            seen.append((answer.status_code, headers, content))
        assert seen[0] == seen[1], path
    # The correct password of an inactive account is answered like a wrong one.
    if state != "active":
        assert await lifecycle.status_of_login("marie", PASSWORD) == 401
