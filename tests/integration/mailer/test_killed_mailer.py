"""No email is lost when the mailer is killed, or Redis is stopped, frozen or flushed."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.mail_chaos import STEPS, MailChaos, mail_chaos
from tests.support.servers import TestRedis
from tests.support.site import Site


async def test_mailer_killed_at_every_step(site: Site, tmp_path: Path) -> None:
    async with mail_chaos(site, tmp_path) as chaos:
        for step in STEPS:
            async with chaos.killed_at(step):
                await chaos.commit(3)
            chaos.mailer.start()
        await chaos.all_sent()
        chaos.check()
        assert len(chaos.committed) == 3 * len(STEPS)
        # Killed after the server had read the content, before and after it replied 250.
        assert len(chaos.unconfirmed) == 2


@contextlib.contextmanager
def stopped(redis: TestRedis) -> Iterator[None]:
    redis.stop()
    yield
    redis.start()


@contextlib.contextmanager
def frozen(redis: TestRedis) -> Iterator[None]:
    redis.freeze()
    yield
    redis.thaw()


@contextlib.contextmanager
def flushed(redis: TestRedis) -> Iterator[None]:
    """Delete all pending wake-ups."""
    yield
    redis.flush()


@pytest.mark.parametrize("outage", [stopped, frozen, flushed])
async def test_redis_outage_loses_no_email(
    site: Site,
    tmp_path: Path,
    outage: Callable[[TestRedis], contextlib.AbstractContextManager[None]],
) -> None:
    async with mail_chaos(site, tmp_path) as chaos:
        await send_first_email(chaos)
        with outage(chaos.redis):
            await chaos.commit(5)
            if outage is not flushed:
                await chaos.all_sent()
        await chaos.all_sent()
        chaos.check()
        assert len(chaos.server.accepted) == len(chaos.committed) == 6


async def send_first_email(chaos: MailChaos) -> None:
    """Wait until the mailer has started and listens for wake-ups."""
    await chaos.commit(1)
    await chaos.all_sent()
    await asyncio.sleep(0.2)
