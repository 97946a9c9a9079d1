"""Long loops that let everything else of the process go on."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

ItemT = TypeVar("ItemT")

_AT_ONCE = 4


async def few_at_once(items: Iterable[ItemT]) -> AsyncIterator[ItemT]:
    """Yield ``items``; whatever is ready in the process has its turn after every four.

    A loop over a whole batch in one piece keeps the connections waiting that are under way.
    """
    for number, item in enumerate(items, 1):
        yield item
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
