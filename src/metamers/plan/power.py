"""Check of the simulated experiments: their permutation tests must be able to reach the significance level."""

from collections.abc import Mapping
from typing import Any

from metamers.names import ConfigurationError


def smallest_p(number: int) -> float:
    """The smallest two-sided p with ``number`` participants (or stimuli): 2 of the 2^number sign flips."""
    return 2.0 ** (1 - number)


def min_number(alpha: float) -> int:
    """The smallest number of participants (or stimuli) with which p can be as small as ``alpha``."""
    return next(number for number in range(1, 2000) if smallest_p(number) <= alpha)


def check_power(settings: Mapping[str, Any], permutations: int) -> None:
    """Check that the permutation test can be significant at the level with the configured numbers.

    Parameters
    ----------
    settings
        The configuration's ``comparison.power``.
    permutations
        The configuration's ``comparison.permutations``.

    Raises
    ------
    ConfigurationError
        When no p with a number of participants, of stimuli or of permutations is as small as the level.
    """
    alpha = settings["alpha"]
    for key in ("participants", "stimuli"):
        for number in settings[key] or ():
            if smallest_p(number) > alpha:
                raise ConfigurationError(
                    f"comparison.power.{key}: {number}: the permutation test of two models has p = 2/2^{number} = "
                    f"{smallest_p(number):.2g} at the smallest with {number} {key}, and comparison.power.alpha is "
                    f"{alpha:g}, so no experiment could be significant; wanted {min_number(alpha)} or more"
                )
    if alpha * permutations < 1:
        raise ConfigurationError(
            f"comparison.power.alpha: {alpha:g}: {permutations} permutations (comparison.permutations) have p = "
            f"{1 / permutations:g} at the smallest; wanted a level of that or more, or more permutations"
        )
