"""Who counts as one client, and the counts of one process while Redis is unavailable."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from sysndd_api.security.rate_limits import Limit, Limiter, Use, client_of
from sysndd_core.settings.redis import RedisSettings

NOW = 1_800_000_000.0
WINDOW = Limit("sign_in", 4, 900)


@pytest.mark.parametrize(
    ("remote", "client"),
    [
        (None, "unknown"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        # An IPv4 client of a socket that listens on both is counted as the same client.
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::1", "::/64"),
    ],
)
def test_a_client_is_an_address_or_a_network(remote: str | None, client: str) -> None:
    assert client_of(remote) == client


def test_neighbouring_ipv6_networks_are_different_clients() -> None:
    assert client_of("2001:db8:1:2::1") != client_of("2001:db8:1:3::1")


class Clock:
    """A clock that a test sets."""

    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.time", clock)
    return clock


@pytest.fixture
async def limiter(clock: Clock) -> AsyncIterator[Limiter]:
    """The limiter of one of two workers; port 1 of the loopback address refuses connections."""
    redis = RedisSettings(url=SecretStr("redis://127.0.0.1:1/0"))
    limiter = Limiter(redis, site="sysndd", secret="key", workers=2)
    yield limiter
    await limiter.close()


async def over(limiter: Limiter, use: Use) -> bool:
    (verdict,) = await limiter.take(use)
    return verdict.over


async def test_without_redis_each_worker_allows_its_share(limiter: Limiter) -> None:
    use = Use(WINDOW, "192.0.2.1")
    assert [await over(limiter, use) for _ in range(4)] == [False, False, True, True]


async def test_the_share_of_a_worker_is_rounded_up(limiter: Limiter) -> None:
    """A limit of one must not become a limit of none."""
    assert not await over(limiter, Use(Limit("emails", 1, 900), "a"))
    assert [await over(limiter, Use(Limit("odd", 3, 900))) for _ in range(3)] == [
        False,
        False,
        True,
    ]


async def test_only_the_first_excess_of_a_window_is_marked(limiter: Limiter) -> None:
    verdicts = [(await limiter.take(Use(WINDOW)))[0] for _ in range(5)]
    assert [verdict.first for verdict in verdicts] == [False, False, True, False, False]


async def test_a_new_window_starts_from_zero(limiter: Limiter, clock: Clock) -> None:
    use = Use(WINDOW)
    assert [await over(limiter, use) for _ in range(3)][-1]
    clock.now = (NOW // 900 + 1) * 900
    assert not await over(limiter, use)


async def test_retry_after_is_the_rest_of_the_window(limiter: Limiter, clock: Clock) -> None:
    window_end = (NOW // 900 + 1) * 900
    for at, expected in ((window_end - 900, 900), (window_end - 60, 60), (window_end - 0.5, 1)):
        clock.now = at
        (verdict,) = await limiter.take(Use(WINDOW))
        assert verdict.retry_after == expected


async def test_subjects_and_limits_are_counted_separately(limiter: Limiter) -> None:
    for _ in range(3):
        await limiter.take(Use(WINDOW, "192.0.2.1"))
    assert await over(limiter, Use(WINDOW, "192.0.2.1"))
    assert not await over(limiter, Use(WINDOW, "192.0.2.2"))
    assert not await over(limiter, Use(Limit("other", 4, 900), "192.0.2.1"))


async def test_what_is_given_back_is_not_counted(limiter: Limiter) -> None:
    use = Use(WINDOW)
    for _ in range(10):
        assert not await over(limiter, use)
        await limiter.give_back(use)


async def test_giving_back_more_than_was_taken_earns_nothing(limiter: Limiter) -> None:
    use = Use(WINDOW)
    for _ in range(5):
        await limiter.give_back(use)
    assert [await over(limiter, use) for _ in range(3)] == [False, False, True]


async def test_a_forgotten_subject_starts_from_zero(limiter: Limiter) -> None:
    use, other = Use(WINDOW, "a"), Use(WINDOW, "b")
    for one in (use, other) * 3:
        await limiter.take(one)
    await limiter.forget(use)
    assert not await over(limiter, use)
    assert await over(limiter, other)
