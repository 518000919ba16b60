"""Which of the tests that take long are run today, when not all are."""

from collections.abc import Collection
from zlib import crc32


def drawn(names: Collection[str], every: int, day: int) -> set[str]:
    """Every Nth of some names, others each day; while the names stay the same, each once in N days.

    Their order does not follow folders. At least one is drawn if there are any: pytest fails when it runs no test.

    Parameters
    ----------
    names
        Names to draw from.
    every
        N; with more than there are names, one name is drawn each day.
    day
        Number of the day.
    """
    shuffled = sorted(set(names), key=lambda name: (crc32(name.encode()), name))
    every = min(every, len(shuffled))
    return {name for position, name in enumerate(shuffled) if position % every == day % every}
