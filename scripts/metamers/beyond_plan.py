"""What is synthesized past the study, as data: of which models at once, from which starts, at which stages.

A *set* is what one job makes: some *members* (models whose activations are matched), some relative depths, and some
*cases*. A case says which stimulus each member is to match, a stimulus itself or another one, and from where synthesis
starts. What is made of it is for ``metamers.beyond``. Imports nothing heavy: the configuration is checked with it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from metamers.names import INPUT_STAGE, ConfigurationError

OWN, OTHER = "own", "other"  # stimulus that a member is to match
TOGETHER = "together"  # the case of all members at once
NOISE = "noise"  # the start of the run's own metamers
STARTS = ("other_noise", "pink_noise", "stimulus")


def other_stimuli(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """For each stimulus another: the next one, of another category where there is one, round in a circle.

    Parameters
    ----------
    rows
        Of a dataset's table, two at least, with ``stimulus`` and ``category``.
    """
    found = {}
    for place, row in enumerate(rows):
        following = [*rows[place + 1 :], *rows[:place]]
        differing = [other for other in following if other["category"] != row["category"]]
        found[row["stimulus"]] = (differing or following)[0]["stimulus"]
    return found


def stages_at(depths: Sequence[float], stages: Sequence[str], generated: Sequence[str]) -> list[str]:
    """The stage at each relative depth: of those that metamers are made of, the nearest; of two as near, the earlier.

    Parameters
    ----------
    depths
        0 is the input, 1 the last stage.
    stages
        All of a model, in processing order, the input first.
    generated
        Some of them, of which one at least is not the input.
    """
    places = {stage: place / (len(stages) - 1) for place, stage in enumerate(stages) if stage in generated}
    return [min((s for s in places if s != INPUT_STAGE), key=lambda s: abs(places[s] - depth)) for depth in depths]


def distinct_depths(depths: Sequence[float], chains: Mapping[str, tuple[Sequence[str], Sequence[str]]]) -> list[float]:
    """The depths without those at which every model has the stage of an earlier one, so that nothing is made twice.

    Parameters
    ----------
    depths
        Relative.
    chains
        Model → its stages and those that metamers are made of, as ``stages_at`` takes them.
    """
    at = zip(*(stages_at(depths, *chain) for chain in chains.values()), strict=True)
    first: dict[tuple[str, ...], float] = {}
    for depth, stages in zip(depths, at, strict=True):
        first.setdefault(stages, depth)
    return list(first.values())


def dissenters(members: Sequence[str]) -> list[str]:
    """Who is to match another stimulus than all other members: each in turn; of two models only the second, since
    every stimulus is another's other.
    """
    return list(members[1:]) if len(members) == 2 else list(members)


def cases_of(part: str, members: Sequence[str], kinds: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """The cases of a set: name → ``matched`` (member → ``own`` or ``other``), and ``start``.

    Parameters
    ----------
    part
        ``ensemble``, ``controversial`` or ``starts``.
    members
        Models.
    kinds
        Of ``starts``: some of ``STARTS``.
    """
    own = dict.fromkeys(members, OWN)
    if part == "ensemble":
        return {TOGETHER: {"matched": own, "start": NOISE}}
    if part == "controversial":
        return {name: {"matched": own | {name: OTHER}, "start": NOISE} for name in dissenters(members)}
    return {kind: {"matched": own, "start": kind} for kind in kinds}


def sets_of(
    chosen: Sequence[str],
    settings: Mapping[str, Any],
    generated: Mapping[str, Sequence[str]],
    models: Mapping[str, dict],
    rows: Mapping[str, Sequence[Mapping[str, str]]],
) -> dict[str, dict[str, Any]]:
    """The sets of a run.

    Parameters
    ----------
    chosen
        Generation models.
    settings
        The configuration's ``beyond``: its parts, of which each may be None.
    generated
        Generation model → stages of which metamers are made.
    models
        The registry's entries.
    rows
        Modality → stimuli of which metamers are made, as rows of a table.

    Returns
    -------
    dict
        Name → ``part``, ``modality``, ``members`` (model → stage at each depth), ``depths`` (``distinct_depths`` of all
        models of the modality), ``stimuli`` (stimulus →
        another), ``cases`` (``cases_of``). Of an ensemble and of what is controversial one for each modality that has
        two models, of starts one for each model.
    """
    modalities = dict.fromkeys(models[name]["modality"] for name in chosen)
    found = {}
    for part in ("ensemble", "controversial", "starts"):
        if not settings[part]:
            continue
        for modality in modalities:
            names = [name for name in chosen if models[name]["modality"] == modality]
            groups = {name: [name] for name in names} if part == "starts" else {modality: names}
            chains = {name: (list(models[name]["stages"]), generated[name]) for name in names}
            depths = distinct_depths(settings[part]["depths"], chains)
            for of_whom, members in groups.items():
                if part != "starts" and len(members) < 2:
                    continue
                others = list(other_stimuli(rows[modality]).items())
                found[f"{part}_{of_whom}"] = {
                    "part": part,
                    "modality": modality,
                    "depths": depths,
                    "members": {name: stages_at(depths, *chains[name]) for name in members},
                    "stimuli": dict(others[: settings[part]["stimuli"]]),
                    "cases": cases_of(part, members, settings[part].get("kinds", ())),
                }
    return found


def check_models(
    chosen: Sequence[str],
    settings: Mapping[str, Any],
    generated: Mapping[str, Sequence[str]],
    models: Mapping[str, dict],
    rows: Mapping[str, Sequence[Mapping[str, str]]],
    judges: Mapping[str, Sequence[str]],
) -> None:
    """Whether something can be made of models that are named in the configuration.

    Parameters
    ----------
    chosen, settings, generated, models, rows
        As ``sets_of`` takes them.
    judges
        Modality → recognition models that are none of ``chosen``.

    Raises
    ------
    ConfigurationError
        When it cannot, saying why.
    """
    for number, name in enumerate(chosen):
        modality = models[name]["modality"]
        if set(generated[name]) <= {INPUT_STAGE}:
            raise ConfigurationError(
                f"beyond.models.{number}: {name!r} has no stage after {INPUT_STAGE!r} in generation_models"
            )
        if len(rows[modality]) < 2:
            raise ConfigurationError(f"stimuli.{modality}.number: 1, but beyond needs another stimulus as well")
        if not judges[modality]:
            raise ConfigurationError(
                f"recognition_models: none of modality {modality!r} besides those of beyond.models, which cannot judge "
                "themselves. A run without them needs `beyond: {models: []}`."
            )
        alone = [models[other]["modality"] for other in chosen].count(modality) == 1
        if alone and (settings["ensemble"] or settings["controversial"]):
            raise ConfigurationError(
                f"beyond.models.{number}: {name!r} is the only one of modality {modality!r}; an ensemble and what is "
                "controversial need two. Name another, or set `ensemble: null` and `controversial: null`."
            )
