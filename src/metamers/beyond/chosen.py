"""Which metamers and distortions the extensions make: their sets, and the stages at which models are compared."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metamers.beyond.sets import (
    FEWEST_STIMULI,
    NOISE,
    OTHER,
    OWN,
    PARTS,
    TOGETHER,
    Beyond,
    BeyondSet,
    MetamerSets,
    Sensitivity,
)
from metamers.beyond.settings import BeyondSettings, MetamerSetsSettings, SensitivitySettings
from metamers.config.models import ModelEntry, check_has_classes
from metamers.names import INPUT_STAGE, ConfigurationError, unknown_name


def other_stimuli(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Another stimulus for each stimulus: cyclically the next one, of another category if there is any.

    Parameters
    ----------
    rows
        At least two rows of a dataset's table, with ``stimulus`` and ``category``.
    """
    others = {}
    for place, row in enumerate(rows):
        following = [*rows[place + 1 :], *rows[:place]]
        differing = [other for other in following if other["category"] != row["category"]]
        others[row["stimulus"]] = (differing or following)[0]["stimulus"]
    return others


def stages_at(depths: Sequence[float], stages: Sequence[str], generated: Sequence[str]) -> list[str]:
    """The nearest stage at each position for which metamers are made; of two equally near stages, the earlier.

    Parameters
    ----------
    depths
        0 is the input, 1 the last stage.
    stages
        All stages of a model, in processing order, the input first.
    generated
        The stages for which metamers are made; at least one is not the input.
    """
    places = {stage: place / (len(stages) - 1) for place, stage in enumerate(stages) if stage in generated}
    return [min((s for s in places if s != INPUT_STAGE), key=lambda s: abs(places[s] - depth)) for depth in depths]


def distinct_depths(depths: Sequence[float], chains: Mapping[str, tuple[Sequence[str], Sequence[str]]]) -> list[float]:
    """The positions without those at which every model has the same stage as at an earlier one.

    Parameters
    ----------
    depths
        Positions, 0 the input and 1 the last stage.
    chains
        Model → ``stages`` and ``generated`` of ``stages_at``.
    """
    at = zip(*(stages_at(depths, *chain) for chain in chains.values()), strict=True)
    first: dict[tuple[str, ...], float] = {}
    for depth, stages in zip(depths, at, strict=True):
        first.setdefault(stages, depth)
    return list(first.values())


def dissenters(members: Sequence[str]) -> list[str]:
    """The members that match another stimulus than all other members, one in each case.

    Every member is one, but of two members only the second, because every stimulus is also the other one of a stimulus.
    """
    return list(members[1:]) if len(members) == 2 else list(members)


def cases_of(part: str, members: Sequence[str], kinds: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """The cases of a set, as of ``BeyondSet``.

    Parameters
    ----------
    part
        ``ensemble``, ``controversial`` or ``starts``.
    members
        Models.
    kinds
        For ``starts``, some of ``STARTS``.
    """
    own = dict.fromkeys(members, OWN)
    if part == "ensemble":
        return {TOGETHER: {"matched": own, "start": NOISE}}
    if part == "controversial":
        return {name: {"matched": own | {name: OTHER}, "start": NOISE} for name in dissenters(members)}
    return {kind: {"matched": own, "start": kind} for kind in kinds}


def sets_of(
    chosen: Sequence[str],
    settings: BeyondSettings,
    generated: Mapping[str, Sequence[str]],
    models: Mapping[str, ModelEntry],
    rows: Mapping[str, Sequence[Mapping[str, str]]],
) -> dict[str, BeyondSet]:
    """The sets of a run: an ensemble and a controversial set for each modality with two models, starts for each model.

    Parameters
    ----------
    chosen
        Generation models.
    settings
        The configuration's ``beyond``.
    generated
        Generation model → stages for which metamers are made.
    models
        The registry of models.
    rows
        Modality → stimuli for which metamers are made, as rows of a table.
    """
    modalities = dict.fromkeys(models[name].modality for name in chosen)
    sets = {}
    for part in PARTS:
        if (of_part := getattr(settings, part)) is None:
            continue
        for modality in modalities:
            names = [name for name in chosen if models[name].modality == modality]
            groups = {name: [name] for name in names} if part == "starts" else {modality: names}
            chains = {name: (list(models[name].stages), generated[name]) for name in names}
            depths = distinct_depths(of_part.depths, chains)
            for group, members in groups.items():
                if part != "starts" and len(members) < 2:
                    continue
                others = list(other_stimuli(rows[modality]).items())
                sets[f"{part}_{group}"] = BeyondSet(
                    part=part,
                    modality=modality,
                    depths=depths,
                    members={name: stages_at(depths, *chains[name]) for name in members},
                    stimuli=dict(others[: of_part.stimuli]),
                    cases=cases_of(part, members, getattr(of_part, "kinds", ())),
                )
    return sets


def compared_stages(
    part: str,
    settings: SensitivitySettings | MetamerSetsSettings | None,
    generated: Mapping[str, Sequence[str]],
    recognition_models: Sequence[str],
    models: Mapping[str, ModelEntry],
    rows: Mapping[str, Sequence[Mapping[str, str]]],
) -> dict[str, dict[str, Any]]:
    """The stages that a part compares, for each modality with a generation model that has a stage after the input.

    Parameters
    ----------
    part
        Name in the configuration's ``beyond``.
    settings
        Its settings; None: no stages.
    generated
        Generation model → stages for which metamers are made.
    recognition_models
        Names.
    models
        The registry of models.
    rows
        Modality → stimuli for which metamers are made, as rows of a table.

    Returns
    -------
    dict
        Modality → fields of ``ComparedStages``.

    Raises
    ------
    ConfigurationError
        When no generation model has a stage after the input, or one has no other recognition model.
    """
    if settings is None:
        return {}
    compared = {}
    chosen = [name for name, stages in generated.items() if not set(stages) <= {INPUT_STAGE}]
    if not chosen:
        raise ConfigurationError(
            f"beyond.{part}: no generation model has a stage after {INPUT_STAGE!r}. Add one to generation_models, "
            f"or set `{part}: null`."
        )
    for modality in dict.fromkeys(models[name].modality for name in chosen):
        if len(rows[modality]) < FEWEST_STIMULI[part]:
            raise ConfigurationError(
                f"stimuli.{modality}.number: {len(rows[modality])}, but beyond.{part} needs at least "
                f"{FEWEST_STIMULI[part]} stimuli. Raise the number, or set `{part}: null`."
            )
        own = [name for name in chosen if models[name].modality == modality]
        others = [name for name in recognition_models if models[name].modality == modality and name not in own]
        for name in own:
            if not set(recognition_models) & {*own, *others} - {name}:
                raise ConfigurationError(
                    f"beyond.{part}: {name!r} has no other recognition model of modality {modality!r} to compare "
                    f"with. Add one to recognition_models, or set `{part}: null`."
                )
        chains = {
            name: (list(models[name].stages), list(generated[name] if name in own else models[name].stages))
            for name in [*own, *others]
        }
        depths = distinct_depths(settings.depths, {name: chains[name] for name in own})
        compared[modality] = {
            "modality": modality,
            "depths": depths,
            "stages": {name: stages_at(depths, *chain) for name, chain in chains.items()},
            "generation_models": own,
            "stimuli": [row["stimulus"] for row in rows[modality]][: settings.stimuli],
        }
    return compared


def check_models(
    chosen: Sequence[str],
    settings: BeyondSettings,
    generated: Mapping[str, Sequence[str]],
    models: Mapping[str, ModelEntry],
    rows: Mapping[str, Sequence[Mapping[str, str]]],
    recognition_models: Mapping[str, Sequence[str]],
) -> None:
    """Check that sets can be made for the models that ``beyond.models`` names.

    Parameters
    ----------
    chosen, settings, generated, models, rows
        As of ``sets_of``.
    recognition_models
        Modality → recognition models that are not in ``chosen``.

    Raises
    ------
    ConfigurationError
        For the first model without a set.
    """
    for number, name in enumerate(chosen):
        modality = models[name].modality
        if set(generated[name]) <= {INPUT_STAGE}:
            raise ConfigurationError(
                f"beyond.models.{number}: {name!r} has no stage after {INPUT_STAGE!r} in generation_models"
            )
        if len(rows[modality]) < 2:
            raise ConfigurationError(f"stimuli.{modality}.number: 1, but beyond needs another stimulus as well")
        if not recognition_models[modality]:
            raise ConfigurationError(
                f"recognition_models: none of modality {modality!r} other than those of beyond.models, which cannot "
                "judge their own metamers. A run without extensions needs `beyond: {models: []}`."
            )
        alone = [models[other].modality for other in chosen].count(modality) == 1
        if alone and (settings.ensemble or settings.controversial):
            raise ConfigurationError(
                f"beyond.models.{number}: {name!r} is the only one of modality {modality!r}; ensemble and "
                "controversial metamers need two. Name another, or set `ensemble: null` and `controversial: null`."
            )


ARCHITECTURES = 2  # of each modality, if the configuration does not name models


def first_architectures(generation_models: Mapping[str, list[str]], models: Mapping[str, ModelEntry]) -> list[str]:
    """For each modality, the first generation model of each of two architectures, if it has classes and more stages."""
    architectures: dict[str, list[Any]] = {}
    chosen = []
    for name in generation_models:
        if generation_models[name] == [INPUT_STAGE] or not models[name].has_classes:
            continue
        of_modality = architectures.setdefault(models[name].modality, [])
        if models[name].source not in of_modality and len(of_modality) < ARCHITECTURES:
            of_modality.append(models[name].source)
            chosen.append(name)
    return chosen


def extensions(
    settings: BeyondSettings,
    generation_models: Mapping[str, list[str]],
    recognition_models: Sequence[str],
    models: Mapping[str, ModelEntry],
    rows: Mapping[str, list[dict[str, str]]],
) -> Beyond:
    """The extensions of the run; ``rows`` are the stimuli of each modality."""
    chosen = settings.models
    for number, name in enumerate(chosen or []):
        if name not in generation_models:
            raise unknown_name("generation model", name, generation_models, f"beyond.models.{number}")
        check_has_classes(name, models[name], f"beyond.models.{number}", "which the extensions need for acceptance")
    if chosen is None:
        first = first_architectures(generation_models, models)
        chosen = [name for name in first if models[name].modality == models[first[0]].modality]
    others = {
        modality: [name for name in recognition_models if models[name].modality == modality and name not in chosen]
        for modality in dict.fromkeys(models[name].modality for name in chosen)
    }
    if settings.models is None:
        # Models for which no sets can be made are an error only if the configuration names them.
        chosen = [name for name in chosen if others[models[name].modality] and len(rows[models[name].modality]) > 1]
    else:
        check_models(chosen, settings, generation_models, models, rows, others)
    compared = {
        part: compared_stages(part, getattr(settings, part), generation_models, recognition_models, models, rows)
        for part in FEWEST_STIMULI
    }
    distortions, explored = settings.sensitivity, settings.metamer_sets
    for modality in compared["sensitivity"]:
        if distortions is not None and distortions.length.of(modality) is None:
            raise ConfigurationError(
                f"beyond.sensitivity.length.{modality}: found no value; wanted the largest root mean square of "
                "exported distortions, above 0 and up to 1"
            )
    return Beyond(
        sets_of(chosen, settings, generation_models, models, rows),
        others,
        {
            modality: Sensitivity(**fields, iterations=distortions.iterations, length=distortions.length.of(modality))
            for modality, fields in compared["sensitivity"].items()
            if distortions is not None
        },
        {
            modality: MetamerSets(
                **fields, **{key: getattr(explored, key) for key in ("steps", "tolerance", "singular_values")}
            )
            for modality, fields in compared["metamer_sets"].items()
        },
    )


def check_tables_of_sets(beyond: Beyond, categories_of: Callable[[str], str]) -> None:
    """Check that all models of a set and its recognition models have their classes in one table of categories.

    Parameters
    ----------
    beyond
        The extensions.
    categories_of
        From a model to the path of its table.

    Raises
    ------
    ConfigurationError
        For the first set with several tables.
    """
    for made in beyond.sets.values():
        tables = {categories_of(name): name for name in [*made.members, *beyond.recognition_models[made.modality]]}
        if len(tables) > 1:
            (first, model), (second, other), *_ = tables.items()
            raise ConfigurationError(
                f"beyond.models: the classes of {model!r} are in {first}, those of {other!r} in {second}; the "
                "extensions need one table of categories. Set `beyond: {models: []}`"
            )


def unavailable_extensions(plan: Any) -> dict[str, str]:
    """The target `beyond`, if a configuration asks for no extensions → why, and which one would."""
    reason = (
        "beyond: there are no extensions to make. Name, in beyond.models, generation models with stages after the "
        "input, of a modality with another recognition model, and configure ensemble, controversial or starts; or "
        "configure sensitivity or metamer_sets. "
        f"Generation models: {', '.join(plan.generation_models) or 'none'}; recognition models: "
        f"{', '.join(plan.recognition_models) or 'none'}."
    )
    return {} if plan.beyond.asked_for else {"beyond": reason}
