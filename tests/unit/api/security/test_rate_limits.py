"""Who counts as one client, and the counts of one process while Redis is unavailable."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from sysndd_api.security.rate_limits import Hit, Limit, Limiter, client_of
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


async def exceeded(limiter: Limiter, hit: Hit) -> bool:
    (result,) = await limiter.hit(hit)
    return result.exceeded


async def test_without_redis_each_worker_allows_its_share(limiter: Limiter) -> None:
    hit = Hit(WINDOW, "192.0.2.1")
    assert [await exceeded(limiter, hit) for _ in range(4)] == [False, False, True, True]


async def test_the_share_of_a_worker_is_rounded_up(limiter: Limiter) -> None:
    """A limit of one must not become a limit of none."""
    assert not await exceeded(limiter, Hit(Limit("emails", 1, 900), "a"))
    assert [await exceeded(limiter, Hit(Limit("odd", 3, 900))) for _ in range(3)] == [
        False,
        False,
        True,
    ]


async def test_only_the_first_excess_of_a_window_is_marked(limiter: Limiter) -> None:
    results = [(await limiter.hit(Hit(WINDOW)))[0] for _ in range(5)]
    assert [result.first for result in results] == [False, False, True, False, False]


async def test_a_new_window_starts_from_zero(limiter: Limiter, clock: Clock) -> None:
    hit = Hit(WINDOW)
    assert [await exceeded(limiter, hit) for _ in range(3)][-1]
    clock.now = (NOW // 900 + 1) * 900
    assert not await exceeded(limiter, hit)


async def test_retry_after_is_the_rest_of_the_window(limiter: Limiter, clock: Clock) -> None:
    window_end = (NOW // 900 + 1) * 900
    for at, expected in ((window_end - 900, 900), (window_end - 60, 60), (window_end - 0.5, 1)):
        clock.now = at
        (result,) = await limiter.hit(Hit(WINDOW))
        assert result.retry_after == expected


async def test_subjects_and_limits_are_counted_separately(limiter: Limiter) -> None:
    for _ in range(3):
        await limiter.hit(Hit(WINDOW, "192.0.2.1"))
    assert await exceeded(limiter, Hit(WINDOW, "192.0.2.1"))
    assert not await exceeded(limiter, Hit(WINDOW, "192.0.2.2"))
    assert not await exceeded(limiter, Hit(Limit("other", 4, 900), "192.0.2.1"))


async def test_a_refunded_hit_is_not_counted(limiter: Limiter) -> None:
    hit = Hit(WINDOW)
    for _ in range(10):
        assert not await exceeded(limiter, hit)
        await limiter.refund(hit)


async def test_refunding_more_than_was_counted_has_no_effect(limiter: Limiter) -> None:
    hit = Hit(WINDOW)
    for _ in range(5):
        await limiter.refund(hit)
    assert [await exceeded(limiter, hit) for _ in range(3)] == [False, False, True]


async def test_a_cleared_subject_starts_from_zero(limiter: Limiter) -> None:
    hit, other = Hit(WINDOW, "a"), Hit(WINDOW, "b")
    for one in (hit, other) * 3:
        await limiter.hit(one)
    await limiter.clear(hit)
    assert not await exceeded(limiter, hit)
    assert await exceeded(limiter, other)
