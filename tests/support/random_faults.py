"""What the kill tests draw."""

import random


def spread(count: int, chance: random.Random) -> list[float]:
    """Draw numbers from 0 to 1, the end left out: one from each of so many equal parts."""
    return [(part + chance.random()) / count for part in range(count)]
