"""What the kill tests draw."""

import random


def spread(count: int, dice: random.Random) -> list[float]:
    """Draw numbers from 0 to 1, the end left out: one from each of so many equal parts."""
    return [(part + dice.random()) / count for part in range(count)]
