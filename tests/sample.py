"""Which of the tests that take long are run today, when not all are."""

from collections.abc import Collection
from zlib import crc32


def drawn(names: Collection[str], every: int, day: int) -> set[str]:
    """Every Nth of some names, others each day, and each of them once in N days.

    Names are put in an order that does not follow their folders, so the days take about equally long. There is one name
    at least while there is any: pytest fails when it runs no test.

    Parameters
    ----------
    names
        Names to draw from.
    every
        N; with more than there are names, one name is drawn each day.
    day
        Number of the day.
    """
    mixed = sorted(set(names), key=lambda name: (crc32(name.encode()), name))
    every = min(every, len(mixed))
    return {name for position, name in enumerate(mixed) if position % every == day % every}
