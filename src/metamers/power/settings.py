"""Settings of the simulated experiments, and the check that their permutation tests can be significant."""

from typing import Annotated

from metamers.config.fields import Number, Settings, below_1, from_to, setting, several
from metamers.names import ConfigurationError

LOWEST = "with n {} the smallest p of the permutation test {} is 2/2^n, 0.0625 with 5 and 0.03 with 6"


class StimulusDeviations(Settings):
    """standard deviations over stimuli of the log odds of recognition"""

    stimulus: Annotated[Number, from_to("", 0, 10, more="Common to all metamers of a stimulus.")] = 1
    model: Annotated[Number, from_to("", 0, 10, more="For the metamers of one model.")] = 0.5
    stage: Annotated[Number, from_to("", 0, 10, more="For the metamers of one stage.")] = 0.6


class PowerSettings(Settings):
    """simulated experiments that compare two models"""

    differences: Annotated[
        list[Annotated[Number, setting("a difference, from 0 to 0.3", ge=0, le=0.3)]],
        several("differences in recognizability, a list of numbers from 0 to 0.3, each once", "Means over all stages."),
    ] = [0.02, 0.05, 0.1]
    participants: Annotated[
        list[
            Annotated[
                int,
                from_to("a number of participants", 6, 10_000, LOWEST.format("participants", "of two models")),
            ]
        ],
        several("a list of numbers from 6 to 10000, each once"),
    ] = [6, 10, 16, 25, 40, 65, 100, 200]
    trials: Annotated[
        list[Annotated[int, from_to("a number of trials", 1, 10_000)]],
        several(
            "numbers of trials for each participant, model and stage, a list of numbers from 1 to 10000, each once"
        ),
    ] = [5, 10, 20]
    stages: Annotated[
        int,
        from_to(
            "number of stages of each model",
            2,
            1000,
            more="Contrasts of the run use the stages that both models share.",
        ),
    ] = 8
    alpha: Annotated[Number, below_1("level of the test")] = 0.05
    wanted: Annotated[Number, below_1("wanted power")] = 0.8
    simulations: Annotated[int, from_to("number of experiments for each condition", 100, 100_000)] = 2000
    stimuli: Annotated[
        Annotated[
            list[Annotated[int, from_to("a number of stimuli", 6, 100_000, LOWEST.format("stimuli", "over stimuli"))]],
            several("a list of numbers of distinct stimuli from 6 to 100000, each once, or null for fixed stimuli"),
        ]
        | None,
        setting(
            "a list of numbers of distinct stimuli from 6 to 100000, each once, or null for fixed stimuli",
            "With them, power is also over new stimuli ([Power](../docs/explanation/power.md)).",
        ),
    ] = [10, 40, 320]
    stimulus_sd: Annotated[
        StimulusDeviations,
        setting(
            "standard deviations over stimuli of the log odds of recognition: stimulus, model, stage",
            "Similar to those of human answers (not verified).",
        ),
    ] = StimulusDeviations()
    stimulus_simulations: Annotated[
        int, from_to("number of experiments with new stimuli for each condition", 100, 100_000)
    ] = 100


def smallest_p(number: int) -> float:
    """The smallest two-sided p with ``number`` participants (or stimuli): 2 of the 2^number sign flips."""
    return 2.0 ** (1 - number)


def min_number(alpha: float) -> int:
    """The smallest number of participants (or stimuli) with which p can be as small as ``alpha``."""
    return next(number for number in range(1, 2000) if smallest_p(number) <= alpha)


def check_power(settings: PowerSettings, permutations: int) -> None:
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
    alpha = settings.alpha
    for key in ("participants", "stimuli"):
        for number in getattr(settings, key) or ():
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
