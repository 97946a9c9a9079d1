"""Concurrent requests about accounts: a token has one effect, and stale reads are detected."""

import asyncio
import random
import unicodedata
from collections import Counter

import httpx

from sysndd_api.settings import ApiSettings
from tests.support.accounts import NEW_PASSWORD, Lifecycle, token_of
from tests.support.http import PASSWORD, problem, served, sign_in
from tests.support.site import Site

MARIE = "marie@lab.example"


async def post_concurrently(
    base_urls: list[str], path: str, bodies: list[dict[str, str]]
) -> Counter[str]:
    """POST bodies concurrently, to the servers in turn; count the answers."""
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:
        answers = await asyncio.gather(
            *(
                client.post(f"{base_urls[number % len(base_urls)]}/api/auth/{path}", json=body)
                for number, body in enumerate(bodies)
            )
        )
    return Counter(
        str(answer.json().get("code") or answer.json().get("status") or answer.status_code)
        for answer in answers
    )


MANY = {"LIMIT_REQUESTS_PER_CLIENT": "10000", "DB_POOL_TIMEOUT": "20"}


async def test_one_hundred_confirmations_with_one_token_have_one_effect(
    lifecycle: Lifecycle, site: Site
) -> None:
    await lifecycle.register()
    token = token_of((await lifecycle.mails(MARIE))[-1])
    settings = site.load(ApiSettings, **MANY)
    async with served(settings) as first, served(settings) as second:
        seen = await post_concurrently([first, second], "confirm", [{"token": token}] * 100)
    assert seen == {"active": 1, "already_active": 99}
    assert lifecycle.audited().count(("confirm", "ok")) == 1


async def test_one_hundred_resets_with_one_token_set_one_password(
    lifecycle: Lifecycle, site: Site
) -> None:
    await lifecycle.active()
    await lifecycle.post("password-reset", email=MARIE)
    token = token_of((await lifecycle.mails(MARIE))[-1])
    settings = site.load(ApiSettings, **MANY)
    bodies = [{"token": token, "password": f"{NEW_PASSWORD} {n}"} for n in range(100)]
    async with served(settings) as first, served(settings) as second:
        seen = await post_concurrently([first, second], "password-reset/confirm", bodies)
    # Beyond the limit of concurrent hashes the answer is 503; of the other requests one succeeds.
    assert seen.pop("200") == 1
    assert set(seen) <= {"link_invalid", "sign_in_busy"}
    assert sum(seen.values()) == 99
    assert lifecycle.audited().count(("reset", "ok")) == 1
    subjects = await lifecycle.subjects(MARIE)
    assert subjects.count("Your SysNDD password was changed") == 1


async def test_thirty_registrations_of_one_address_create_one_account(
    lifecycle: Lifecycle, site: Site
) -> None:
    settings = site.load(ApiSettings, **MANY, LIMIT_EMAILS_PER_ADDRESS="1000")
    bodies = [{"user_name": f"marie{n}", "email": MARIE, "password": PASSWORD} for n in range(30)]
    async with served(settings) as first, served(settings) as second:
        seen = await post_concurrently([first, second], "register", bodies)
    assert seen == {"accepted": 30}
    ((rows,),) = site.server.execute(
        f"SELECT COUNT(*) FROM `{site.app}`.`user` WHERE email = %s", (MARIE,)
    )
    assert rows == 1


async def test_a_sign_in_fails_when_the_account_changes_during_it(
    lifecycle: Lifecycle, site: Site
) -> None:
    """The account is deactivated, or gets another password, while the hash is computed."""
    await lifecycle.active()
    for change in ("state = 'deactivated'", "password_hash = 'x'"):
        table = f"`{site.app}`.`user`"
        ((before,),) = site.server.execute(
            f"SELECT password_hash FROM {table} WHERE user_name = 'marie'"
        )
        with site.server.connect() as blocker, blocker.cursor() as cursor:
            # The sign-in waits for this row; the account changes during the wait.
            cursor.execute("START TRANSACTION")
            cursor.execute(f"UPDATE {table} SET {change} WHERE user_name = 'marie'")
            trying = asyncio.create_task(lifecycle.status_of_login("marie", PASSWORD))
            await asyncio.sleep(0.5)
            assert not trying.done()
            cursor.execute("COMMIT")
        assert await trying == 401, change
        site.server.execute(
            f"UPDATE {table} SET state = 'active', password_hash = %s WHERE user_name = 'marie'",
            (before,),
        )
    ((sessions,),) = site.server.execute(
        f"SELECT COUNT(*) FROM `{site.ops}`.session AS s JOIN `{site.app}`.`user` AS u"
        " ON s.realm = 'site' AND u.user_id = s.user_id WHERE u.user_name = 'marie'"
    )
    assert sessions == 0
    assert await lifecycle.status_of_login("marie", PASSWORD) == 200


async def test_a_password_is_rehashed_when_the_cost_rises(lifecycle: Lifecycle, site: Site) -> None:
    composed = "un très long mot de passe"
    await lifecycle.register(password=composed)
    token = token_of((await lifecycle.mails(MARIE))[-1])
    await lifecycle.post("confirm", token=token)
    assert "$m=19456,t=2,p=1$" in lifecycle.user("marie")["password_hash"]
    for settings, expected in [
        ({"PASSWORD_MEMORY_KIB": "20480", "PASSWORD_TIME_COST": "3"}, "$m=20480,t=3,p=1$"),
        ({"PASSWORD_MEMORY_KIB": "8192", "PASSWORD_TIME_COST": "1"}, "$m=20480,t=3,p=1$"),
    ]:
        async with (
            served(site.load(ApiSettings, **settings)) as base_url,
            httpx.AsyncClient(base_url=base_url) as client,
        ):
            await sign_in(client, "marie", composed)
            assert expected in lifecycle.user("marie")["password_hash"]
            # The same password in another Unicode normalization form.
            await sign_in(client, "marie", unicodedata.normalize("NFD", composed))


TAMPERED_HOSTS = [
    {"Host": "evil.example"},
    {"Host": "evil.example", "X-Forwarded-Host": "evil.example"},
    {"Host": "sysndd.example@evil.example"},
    {"Host": "sysndd.example\tevil.example"},
    {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "1"},
    {"Forwarded": "host=evil.example;proto=https"},
    {"X-Host": "evil.example", "X-Original-URL": "http://evil.example/"},
    {"X-Forwarded-Server": "evil.example", "X-Rewrite-URL": "//evil.example"},
    {"Origin": "http://evil.example", "Referer": "http://evil.example/"},
]


HEADERS = (
    "Host",
    "X-Forwarded-Host",
    "Forwarded",
    "X-Forwarded-Server",
    "X-Forwarded-Proto",
    "X-Forwarded-Prefix",
    "X-Forwarded-Port",
    "X-Host",
    "X-Original-Host",
    "X-Original-URL",
    "X-Rewrite-URL",
    "Origin",
    "Referer",
    "Base-Url",
)
VALUES = (
    "evil.example",
    "evil.example:443",
    "sysndd.example.evil.example",
    "sysndd.example@evil.example",
    "sysndd.example, evil.example",
    "http://evil.example/",
    "//evil.example",
    "host=evil.example",
    'for=192.0.2.1;host="evil.example";proto=https',
    "[::ffff:evil.example]",
    "evil.example#",
)


def tampered_headers(count: int) -> list[dict[str, str]]:
    """Draw combinations of up to four tampered headers, the same on every run."""
    chosen = random.Random(6)  # noqa: S311 - no secret
    return [
        {name: chosen.choice(VALUES) for name in chosen.sample(HEADERS, chosen.randint(1, 4))}
        for _ in range(count)
    ]


async def test_no_request_header_changes_the_links_in_emails(
    lifecycle: Lifecycle, site: Site
) -> None:
    """``link_of`` requires PUBLIC_URL; no part of a request may appear in an email."""
    await lifecycle.active()
    settings = site.load(ApiSettings, **MANY, LIMIT_EMAILS_PER_ADDRESS="1000")
    async with (
        served(settings) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=60) as client,
    ):

        async def ask(path: str, body: dict[str, str], headers: dict[str, str]) -> int:
            return (await client.post(f"/api/auth/{path}", json=body, headers=headers)).status_code

        tampered = TAMPERED_HOSTS + tampered_headers(60)
        statuses = await asyncio.gather(
            *(ask("password-reset", {"email": MARIE}, headers) for headers in tampered),
            *(ask("register", new_account(n), headers) for n, headers in enumerate(TAMPERED_HOSTS)),
        )
        # The HTTP server answers 400 to a malformed Host.
        assert set(statuses) <= {202, 400}
        host, port = base_url.removeprefix("http://").split(":")
        assert await absolute_uri(host, int(port)) == b"202"
    mails = await lifecycle.mails(MARIE)
    assert len(mails) >= statuses[: len(tampered)].count(202) + 2
    confirmations = [await lifecycle.mails(new_account(n)["email"]) for n in range(9)]
    assert sum(map(len, confirmations)) == statuses[len(tampered) :].count(202) >= 7
    for mail in [*mails, *(one for some in confirmations for one in some)]:
        token_of(mail)
        assert "evil" not in str(mail)


def new_account(number: int) -> dict[str, str]:
    name = f"pierre{number}"
    return {"user_name": name, "email": f"{name}@lab.example", "password": PASSWORD}


async def absolute_uri(host: str, port: int) -> bytes:
    """Send a request with the URL of another site in the request line; return the status."""
    body = b'{"email": "marie@lab.example"}'
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        b"POST http://evil.example/api/auth/password-reset HTTP/1.1\r\nHost: evil.example\r\n"
        b"Content-Type: application/json\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    answer = await reader.read()
    writer.close()
    return answer.split(b" ")[1]


async def test_registration_requires_the_token_key(site: Site, lifecycle: Lifecycle) -> None:
    settings = site.load(ApiSettings, TOKEN_KEY="")
    async with served(settings) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        body = {"user_name": "marie", "email": MARIE, "password": PASSWORD}
        problem(await client.post("/api/auth/register", json=body), 503, "token_key_missing")
        for path in ("password-reset", "confirm/resend"):
            answer = await client.post(f"/api/auth/{path}", json={"email": MARIE})
            problem(answer, 503, "token_key_missing")
    ((users,),) = site.server.execute(f"SELECT COUNT(*) FROM `{site.app}`.`user`")
    assert users == 0
