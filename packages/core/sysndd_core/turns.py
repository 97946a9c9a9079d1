"""Loops that yield to the event loop."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

ItemT = TypeVar("ItemT")

_AT_ONCE = 4


async def few_at_once(items: Iterable[ItemT]) -> AsyncIterator[ItemT]:
    """Yield ``items`` and give control to the event loop after every four.

    Otherwise a loop over a large batch would delay all open connections of the process.
    """
    for number, item in enumerate(items, 1):
        yield item
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
