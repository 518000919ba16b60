"""Settings of the comparisons, and the checks of the contrasts between models."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

from metamers.config.fields import ModelName, Settings, from_to, setting, several
from metamers.config.models import ModelEntry
from metamers.names import ConfigurationError, unknown_name


class ComparisonSettings(Settings):
    """statistics of the comparisons"""

    permutations: Annotated[int, from_to("permutations of the ANOVA's test", 100, 1_000_000, "published: 10000")] = (
        10_000
    )
    bootstrap: Annotated[
        int,
        from_to("samples of every bootstrap interval", 100, 100_000, more="Of the leaderboard."),
    ] = 2000
    contrasts: Annotated[
        list[Annotated[list[ModelName], setting("[model, reference]", min_length=2, max_length=2)]],
        several(
            "pairs of generation models whose recognizability is compared stage by stage: [model, reference]",
            "Models that differ only by `weights.train.seed` count with a named one; if both sides have several, each "
            "needs three ([Contrasts](../docs/explanation/recognizability.md#contrasts-between-models)). The "
            "recognition models are those of other families than both; else those in no contrast; else all except the "
            "two. A file with other models needs its own contrasts, or `contrasts: []`.",
            least=0,
        ),
    ] = []


def check_contrasts(
    contrasts: Sequence[Sequence[str]],
    generation_models: Mapping[str, list[str]],
    recognition_models: Collection[str],
    models: Mapping[str, ModelEntry],
) -> None:
    """Check that the models of a contrast can be compared: same modality, a common stage, and another observer.

    Raises
    ------
    ConfigurationError
        For the first contrast of models that cannot be.
    """
    for number, pair in enumerate(contrasts):
        key = f"comparison.contrasts.{number}"
        for name in pair:
            if name not in generation_models:
                raise ConfigurationError(
                    f"{unknown_name('generation model', name, generation_models, key)} A run without them needs "
                    "`comparison: {contrasts: []}`."
                )
        modality = models[pair[0]].modality
        if pair[0] == pair[1] or models[pair[1]].modality != modality:
            raise ConfigurationError(f"{key}: {pair[0]} and {pair[1]}: wanted two models of one modality")
        if not set(generation_models[pair[0]]) & set(generation_models[pair[1]]):
            raise ConfigurationError(f"{key}: {pair[0]} and {pair[1]} share no stage at which to compare them")
        observers = [name for name in recognition_models if models[name].modality == modality]
        if set(observers) <= set(pair):
            raise ConfigurationError(
                f"{key}: no recognition model of modality {modality!r} other than the two, which cannot judge their "
                "own metamers"
            )


def check_sides(sides: Sequence[tuple[list[str], list[str]]]) -> None:
    """Check that no two contrasts compare the same networks, each given as those of the model and of the reference.

    Raises
    ------
    ConfigurationError
        For the first contrast that repeats an earlier one.
    """
    known = []
    for number, (one, other) in enumerate(sides):
        if (compared := (set(one), set(other))) in known:
            raise ConfigurationError(
                f"comparison.contrasts.{number}: {one[0]} and {other[0]} stand for the same networks as an earlier "
                f"contrast: {', '.join(sorted(one))} and {', '.join(sorted(other))}; wanted each group once"
            )
        known.append(compared)
