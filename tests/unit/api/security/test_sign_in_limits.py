"""Which attempts are refused, and which clients are let through although others overdo it."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import pytest
from pydantic import SecretStr

from sysndd_api.security.access import Account, Actor, Role
from sysndd_api.security.rate_limits import Limiter
from sysndd_api.security.sign_in_limits import RateLimits, normalize_login
from sysndd_core.accounts import AccountKey, Realm
from sysndd_core.errors import TooManyAttempts
from sysndd_core.settings.accounts import LimitSettings
from sysndd_core.settings.redis import RedisSettings

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


@pytest.mark.parametrize(
    "spelling",
    [
        "MARIE",
        "Márie",
        "marie ",
        " marie",
        # Full-width letters, a zero-width space and a soft hyphen.
        "\uff4d\uff41\uff52\uff49\uff45",
        "mar\u200bie",
        "mar\u00adie",
        # The accent as a code point of its own.
        "mari\u0301e",
    ],
)
def test_spellings_that_the_database_equates_are_one_login(spelling: str) -> None:
    assert normalize_login(spelling) == "marie"


@pytest.mark.parametrize("other", ["mary", "marie1", "ma rie", "marie@lab.example", ""])
def test_other_logins_stay_apart(other: str) -> None:
    assert normalize_login(other) != "marie"


def test_folding_is_complete_for_letters_that_expand() -> None:
    assert normalize_login("STRASSE") == normalize_login("straße")
    assert normalize_login("ﬁnn") == normalize_login("FINN")


MARIE = Account(
    AccountKey(Realm.SITE, 7),
    "marie",
    "marie@lab.example",
    None,
    Role.CURATOR,
    "active",
    datetime(2026, 1, 1),  # noqa: DTZ001 - as the server returns it
)


class ClientsOfMarie:
    """Marie has signed in from home before, and from nowhere else."""

    async def knows(self, accounts: Sequence[Account | None], client: str) -> bool:
        return MARIE in accounts and client == HOME


class Log:
    """Collects the refusals that are audited."""

    def __init__(self) -> None:
        self.refusals: list[tuple[str, str | None, str | None]] = []

    async def record(
        self, actor: Actor, action: str, *, outcome: str, object_name: str | None = None
    ) -> None:
        assert outcome == TooManyAttempts.code
        self.refusals.append((action, object_name, actor.remote))


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def limits(log: Log, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RateLimits]:
    """Small limits, counted by the only process; no window ends during a test."""
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.0)
    redis = RedisSettings(url=SecretStr("redis://127.0.0.1:1/0"))
    limiter = Limiter(redis, site="sysndd", secret="key", workers=1)
    settings = LimitSettings(
        emails_per_address=2,
        requests_per_client=3,
        requests_total=1000,
        failures_per_account_and_client=3,
        failures_per_client=5,
        failures_per_account=5,
        failures_total=1000,
    )
    yield RateLimits(limiter, settings, ClientsOfMarie(), log)
    await limiter.close()


async def fail_sign_ins(
    limits: RateLimits, count: int, *, login: str = "marie", remote: str = ELSEWHERE
) -> None:
    for _ in range(count):
        await limits.sign_in(login, remote, accounts=[])


async def test_one_client_may_fail_a_limited_number_of_times(limits: RateLimits) -> None:
    await fail_sign_ins(limits, 3)
    with pytest.raises(TooManyAttempts) as refused:
        await limits.sign_in("marie", ELSEWHERE, accounts=[MARIE])
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= 900


async def test_another_spelling_of_the_login_does_not_evade_the_limit(limits: RateLimits) -> None:
    for spelling in ("marie", "MARIE ", "mar\u200bie"):
        await limits.sign_in(spelling, ELSEWHERE, accounts=[MARIE])
    with pytest.raises(TooManyAttempts):
        await limits.sign_in("Márie", ELSEWHERE, accounts=[MARIE])


async def test_another_address_of_the_same_network_does_not_evade_the_limit(
    limits: RateLimits,
) -> None:
    for number in range(3):
        await limits.sign_in("marie", f"2001:db8::{number}", accounts=[MARIE])
    with pytest.raises(TooManyAttempts):
        await limits.sign_in("marie", "2001:db8::ffff", accounts=[MARIE])


async def test_failures_of_others_do_not_lock_a_known_client_out(limits: RateLimits) -> None:
    for number in range(5):
        await limits.sign_in("marie", f"203.0.113.{number}", accounts=[MARIE])
    with pytest.raises(TooManyAttempts):
        await limits.sign_in("marie", ELSEWHERE, accounts=[MARIE])
    await limits.sign_in("marie", HOME, accounts=[MARIE])


async def test_a_known_client_is_limited_by_its_own_failures(limits: RateLimits) -> None:
    await fail_sign_ins(limits, 3, remote=HOME)
    with pytest.raises(TooManyAttempts):
        await limits.sign_in("marie", HOME, accounts=[MARIE])


async def test_one_client_cannot_try_many_accounts(limits: RateLimits) -> None:
    for number in range(5):
        await limits.sign_in(f"user{number}", ELSEWHERE, accounts=[])
    with pytest.raises(TooManyAttempts):
        await limits.sign_in("user5", ELSEWHERE, accounts=[])


async def test_successful_sign_ins_do_not_count(limits: RateLimits) -> None:
    for _ in range(20):
        await limits.sign_in("marie", HOME, accounts=[MARIE])
        await limits.sign_in_succeeded("marie", HOME)


async def test_a_password_reset_clears_the_failures_of_the_account(limits: RateLimits) -> None:
    await fail_sign_ins(limits, 3)
    await limits.password_reset(("Marie", "marie@lab.example"), ELSEWHERE)
    await limits.sign_in("marie", ELSEWHERE, accounts=[MARIE])


async def test_requests_are_limited_per_client(limits: RateLimits) -> None:
    for _ in range(3):
        await limits.check("register", ELSEWHERE)
    with pytest.raises(TooManyAttempts):
        await limits.check("register", ELSEWHERE)
    await limits.check("register", "203.0.113.1")


async def test_the_first_refusal_of_a_window_is_audited_once(limits: RateLimits, log: Log) -> None:
    for _ in range(3):
        await limits.check("register", ELSEWHERE)
    for _ in range(4):
        with pytest.raises(TooManyAttempts):
            await limits.check("register", ELSEWHERE)
    assert log.refusals == [("register", "requests_per_client", ELSEWHERE)]


async def test_emails_are_limited_per_address_and_kind(limits: RateLimits) -> None:
    sent = [await limits.may_mail("reset", "marie@lab.example") for _ in range(3)]
    assert sent == [True, True, False]
    assert not await limits.may_mail("reset", "MARIE@lab.example")
    assert await limits.may_mail("confirm", "marie@lab.example")
    assert await limits.may_mail("reset", "pierre@lab.example")
