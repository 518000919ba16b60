"""Design of a behavioural experiment: which participant sees or hears which stimulus in which condition.

A participant meets each natural stimulus once, in one condition: unaltered, or as a metamer of one generation model and
stage. Conditions rotate over participants as in a Latin square. Only the design knows what each file shows; the page
does not, and the names of the files do not reveal it. ``metamers.experiment.folder`` writes the page, and
``metamers.humans.own_participants`` reads the answers.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from metamers.names import NATURAL

KINDS = ("feedback", "practice", "catch", "main")

Condition = tuple[str, str]  # generation model and stage; "" and NATURAL for the natural stimulus

UNALTERED: Condition = ("", NATURAL)
CHOSEN = -1  # in `shown`: the server chooses the exhibit of this trial during the experiment
QUESTION = "question"  # the attribute that only the design of an adaptive experiment has


def metamers_to_show(
    acceptance: Mapping[str, xr.Dataset], stages: Mapping[str, Sequence[str]], only_accepted: bool
) -> dict[str, dict[Condition, int]]:
    """Choose the metamer to show for each stimulus in each condition.

    Parameters
    ----------
    acceptance
        Generation model → Dataset with ``accepted`` (stage, stimulus, seed).
    stages
        Generation model → stages whose metamers are shown.
    only_accepted
        Whether a metamer must be accepted.

    Returns
    -------
    dict
        Stimulus → condition → metamer seed of the first accepted metamer. If none is accepted, the condition is left
        out, or has the first seed if ``only_accepted`` is False.
    """
    metamers: dict[str, dict[Condition, int]] = {}
    first = next(iter(acceptance.values()))
    for stimulus in map(str, first["stimulus"].values):
        seeds = metamers[stimulus] = {}
        for model, stage in conditions_of(stages):
            accepted = acceptance[model]["accepted"].sel(stimulus=stimulus, stage=stage).values.astype(bool)
            if accepted.any() or not only_accepted:
                # If none is accepted, argmax gives the first seed.
                seeds[model, stage] = int(acceptance[model]["seed"].values[accepted.argmax()])
    return metamers


def conditions_of(stages: Mapping[str, Sequence[str]]) -> list[Condition]:
    """Return all conditions with metamers: each generation model with each of its stages, in order."""
    return [(model, stage) for model, own in stages.items() for stage in own]


def in_every_condition(
    metamers: Mapping[str, Mapping[Condition, int]], conditions: Sequence[Condition]
) -> dict[str, Mapping[Condition, int]]:
    """Select, from the result of ``metamers_to_show``, the stimuli that have a metamer in every condition."""
    return {
        name: of_stimulus
        for name, of_stimulus in metamers.items()
        if all(condition in of_stimulus for condition in conditions)
    }


def balanced_conditions(categories: Sequence[str], conditions: int, participants: int, seed: int) -> np.ndarray:
    """Assign a condition to each participant and stimulus.

    A block has as many participants as there are conditions. Within a block, each stimulus is shown once in each
    condition, and each participant meets all conditions equally often, as nearly as the number of stimuli allows.
    Stimuli of one category are neighbours in the rotation, so that each participant meets a category in several
    conditions. The rotation is drawn anew for each block.

    Parameters
    ----------
    categories
        Category of each stimulus.
    conditions
        Number of conditions.
    participants
        Minimum number of participants.
    seed
        Random seed of the rotation.

    Returns
    -------
    numpy.ndarray
        (participant, stimulus), number of the condition; the number of participants is rounded up to whole blocks.

    Raises
    ------
    ValueError
        When there are fewer stimuli than conditions, so that no participant could meet every condition.
    """
    if len(categories) < conditions:
        raise ValueError(
            f"{len(categories)} stimuli for {conditions} conditions, but a participant meets each stimulus once and "
            "should meet every condition"
        )
    rng = np.random.default_rng(seed)
    kinds = sorted(set(categories))
    blocks = []
    for _ in range(-(-participants // conditions)):
        rank_of_category = dict(zip(kinds, rng.permutation(len(kinds)), strict=True))
        shuffled = rng.permutation(len(categories))
        rank = np.empty(len(categories), dtype=int)
        rank[sorted(shuffled, key=lambda place: rank_of_category[categories[place]])] = np.arange(len(categories))
        turns = rng.permutation(conditions)
        blocks.append((rank + turns[:, None]) % conditions)
    return np.concatenate(blocks)


def interspersed(main: Sequence[int], among: Sequence[int], rng: np.random.Generator) -> list[int]:
    """Insert the items of ``among`` into ``main``: one at a random place in each of as many equal parts."""
    parts = np.array_split(np.asarray(main, dtype=int), max(len(among), 1))
    sequence: list[int] = []
    for number, part in enumerate(parts):
        mixed = part.tolist()
        if number < len(among):
            mixed.insert(int(rng.integers(len(mixed) + 1)), among[number])
        sequence += mixed
    return sequence


def spread_over_categories(names: Sequence[str], categories: Mapping[str, str]) -> list[str]:
    """Reorder names: first the first of each category, then the second of each category, and so on."""
    before: Counter[str] = Counter()
    turn = {}
    for name in names:
        turn[name] = before[categories[name]]
        before[categories[name]] += 1
    return sorted(names, key=turn.__getitem__)


def practised_metamers(
    names: Sequence[str], metamers: Mapping[str, Mapping[Condition, int]], conditions: Sequence[Condition]
) -> list[tuple[str, Condition]]:
    """Assign conditions to the practice stimuli, from the first to the last, as evenly as their metamers allow."""
    chosen = []
    for number, name in enumerate(names):
        position = number * (len(conditions) - 1) / max(len(names) - 1, 1)
        chosen.append((name, min(metamers[name], key=lambda condition: abs(conditions.index(condition) - position))))
    return sorted(chosen, key=lambda pair: conditions.index(pair[1]))


def exhibit_name(seed: int, *what: object) -> str:
    """Return a file name that does not reveal what the file shows."""
    return hashlib.sha256("/".join(map(str, (seed, *what))).encode()).hexdigest()[:20]


def experiment_design(
    categories: Mapping[str, str],
    metamers: Mapping[str, Mapping[Condition, int]],
    conditions: Sequence[Condition],
    practice: Mapping[str, int],
    catch: Sequence[str] | int,
    participants: int,
    seed: int,
    chosen: int = 0,
) -> xr.Dataset:
    """Design the experiment: the files that are shown, and an order of trials for each participant.

    Practice trials, and catch trials with natural stimuli, first use stimuli that cannot be shown in every condition.
    If these are too few, they use others, which are then not shown in main trials.

    Parameters
    ----------
    categories
        Natural stimulus → category.
    metamers
        The result of ``metamers_to_show``.
    conditions
        Generation models and stages; unaltered natural stimuli are one more condition.
    practice
        ``feedback``: number of natural stimuli at the beginning, from as many categories as possible, after which the
        page shows the right answer; ``trials``: number of practice stimuli after these, of which ``metamers`` are
        metamers, with conditions from the first to the last.
    catch
        Categories of the catch trials, each of which shows a plain picture of its category; or the number of natural
        stimuli to use as catch trials.
    participants
        Minimum number of participants.
    seed
        Random seed.
    chosen
        In an adaptive experiment, the largest number of main trials of a participant; 0 for the fixed design.

    Returns
    -------
    xr.Dataset
        Along ``exhibit``, the names of the shown files without suffix: ``kind``, ``stimulus`` (empty for a plain
        picture of a category), ``category``, ``generation_model`` (empty for natural stimuli), ``stage``, ``seed`` (-1
        for natural stimuli). (order, trial) → ``shown``, number of the exhibit. Practice comes first and is the same
        in all orders. In an adaptive experiment, ``shown`` is ``CHOSEN`` in main trials; catch trials are as in the
        fixed design.

    Raises
    ------
    ValueError
        When too few stimuli are left for the conditions, or too few metamers for the practice.
    """
    rng = np.random.default_rng([seed, 1])
    usable = in_every_condition(metamers, conditions)
    spare = []
    for group in (sorted(set(categories) - set(usable)), list(usable)):  # first stimuli that main trials cannot use
        spare += spread_over_categories([str(name) for name in rng.permutation(group)], categories)
    examples = spread_over_categories(spare, categories)[: practice["feedback"]]
    spare = [name for name in spare if name not in examples]
    with_metamer = [name for name in spare if metamers.get(name)][: practice["metamers"]]
    if len(with_metamer) < practice["metamers"]:
        raise ValueError(
            f"{len(with_metamer)} stimuli have a metamer, but practice takes {practice['metamers']} of them"
        )
    spare = [name for name in spare if name not in with_metamer]
    natural = practice["trials"] - practice["metamers"]
    needed = natural + (catch if isinstance(catch, int) else 0)
    taken = len(examples) + len(with_metamer) + needed
    if needed > len(spare) or len(examples) < practice["feedback"]:
        taken += practice["feedback"] - len(examples)
        raise ValueError(f"{len(categories)} natural stimuli, but practice and catch trials alone take {taken}")
    spare = spare[:needed]
    main = [name for name in usable if name not in {*examples, *with_metamer, *spare}]
    shown_in = [UNALTERED, *conditions]
    try:
        assigned = balanced_conditions([categories[name] for name in main], len(shown_in), participants, seed)
    except ValueError as error:
        raise ValueError(
            f"{error}; {len(categories) - len(usable)} of the {len(categories)} natural stimuli cannot be shown in "
            f"every condition, and practice and catch trials take {taken}"
        ) from error

    rows: list[dict[str, object]] = []

    def exhibit(kind: str, stimulus: str, category: str, condition: Condition, metamer_seed: int) -> int:
        model, stage = condition
        name = exhibit_name(seed, len(rows), kind, stimulus, category, model, stage)
        rows.append(
            {
                "exhibit": name,
                "kind": kind,
                "stimulus": stimulus,
                "category": category,
                "generation_model": model,
                "stage": stage,
                "seed": metamer_seed,
            }
        )
        return len(rows) - 1

    def of_natural(kind: str, names: Sequence[str]) -> list[int]:
        return [exhibit(kind, name, categories[name], UNALTERED, -1) for name in names]

    begins = of_natural("feedback", examples) + of_natural("practice", spare[:natural])
    for name, condition in practised_metamers(with_metamer, metamers, conditions):
        begins.append(exhibit("practice", name, categories[name], condition, metamers[name][condition]))
    if isinstance(catch, int):
        caught = of_natural("catch", spare[natural:])
    else:
        caught = [exhibit("catch", "", category, UNALTERED, -1) for category in catch]
    shown_as = {
        name: [
            exhibit("main", name, categories[name], condition, metamers[name].get(condition, -1))
            for condition in shown_in
        ]
        for name in main
    }
    orders = []
    for number, row in enumerate(assigned):
        rng = np.random.default_rng([seed, 2, number])
        met = [shown_as[name][condition] for name, condition in zip(main, row, strict=True)]
        if chosen:
            met = [len(rows)] * min(chosen, len(met))
        orders.append(begins + interspersed(rng.permutation(met), rng.permutation(caught).tolist(), rng))
    columns = {key: ("exhibit", [row[key] for row in rows]) for key in rows[0] if key != "exhibit"}
    names = np.array([row["exhibit"] for row in rows])
    by_name = np.argsort(names)  # the original order would reveal what they show
    places = np.append(np.argsort(by_name), CHOSEN).astype(np.int32)  # the number after the last exhibit is chosen
    return xr.Dataset(
        {"shown": (("order", "trial"), places[np.array(orders)])},
        coords={"exhibit": names, "order": np.arange(len(orders)), **columns},
    ).isel(exhibit=by_name)
