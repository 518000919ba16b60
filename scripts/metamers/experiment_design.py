"""Design of an experiment for people: what is shown, and to whom.

A participant meets each natural stimulus once, in one condition only: a generation model and a stage, or as it is.
Conditions rotate over participants as in a Latin square. Which file shows what is known to the design alone, not to the
page: the names of its files tell nothing. Writing the page is for ``metamers.experiment_folder``, reading what people
answered for ``metamers.people``.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from metamers.names import NATURAL

KINDS = ("feedback", "practice", "catch", "main")

Condition = tuple[str, str]  # generation model and stage; of the natural stimulus "" and NATURAL

UNALTERED: Condition = ("", NATURAL)


def metamers_to_show(
    acceptance: Mapping[str, xr.Dataset], stages: Mapping[str, Sequence[str]], only_accepted: bool
) -> dict[str, dict[Condition, int]]:
    """The metamer that stands for each stimulus in each condition.

    Parameters
    ----------
    acceptance
        Generation model → ``accepted`` (stage, stimulus, seed).
    stages
        Generation model → stages whose metamers are shown.
    only_accepted
        Whether a metamer must be accepted.

    Returns
    -------
    dict
        Stimulus → condition → seed of the first accepted metamer, or of the first one where any counts; conditions
        without such a metamer are left out.
    """
    metamers: dict[str, dict[Condition, int]] = {}
    first = next(iter(acceptance.values()))
    for stimulus in map(str, first["stimulus"].values):
        seeds = metamers[stimulus] = {}
        for model, stage in conditions_of(stages):
            accepted = acceptance[model]["accepted"].sel(stimulus=stimulus, stage=stage).values.astype(bool)
            if accepted.any() or not only_accepted:
                # Of no accepted one, argmax is the first.
                seeds[model, stage] = int(acceptance[model]["seed"].values[accepted.argmax()])
    return metamers


def conditions_of(stages: Mapping[str, Sequence[str]]) -> list[Condition]:
    """Every generation model and stage that is shown, in this order."""
    return [(model, stage) for model, own in stages.items() for stage in own]


def in_every_condition(
    metamers: Mapping[str, Mapping[Condition, int]], conditions: Sequence[Condition]
) -> dict[str, Mapping[Condition, int]]:
    """Of what ``metamers_to_show`` gives, the stimuli that can be shown in each of some conditions."""
    return {name: found for name, found in metamers.items() if all(condition in found for condition in conditions)}


def balanced_conditions(categories: Sequence[str], conditions: int, participants: int, seed: int) -> np.ndarray:
    """In which condition each participant meets each stimulus.

    In every block of as many participants as there are conditions, each stimulus is met once in each condition, and
    each participant meets all conditions equally often, as nearly as the number of stimuli allows. Stimuli of one
    category lie beside each other in the rotation, so that a participant's conditions spread over them. Which stimuli
    go together changes from block to block.

    Parameters
    ----------
    categories
        Category of each stimulus.
    conditions
        How many.
    participants
        For how many at least.
    seed
        Of the order of rotation.

    Returns
    -------
    numpy.ndarray
        (participant, stimulus): number of the condition. As many participants as fill whole blocks.

    Raises
    ------
    ValueError
        When there are fewer stimuli than conditions: a participant could not meet them all.
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
    """A sequence with others spread over it: one at a random place in each of as many equal parts."""
    parts = np.array_split(np.asarray(main, dtype=int), max(len(among), 1))
    sequence: list[int] = []
    for number, part in enumerate(parts):
        mixed = part.tolist()
        if number < len(among):
            mixed.insert(int(rng.integers(len(mixed) + 1)), among[number])
        sequence += mixed
    return sequence


def spread_over_categories(names: Sequence[str], categories: Mapping[str, str]) -> list[str]:
    """The same names, those first that are the first of their category, then the second, and so on."""
    before: Counter[str] = Counter()
    turn = {}
    for name in names:
        turn[name] = before[categories[name]]
        before[categories[name]] += 1
    return sorted(names, key=turn.__getitem__)


def practised_metamers(
    names: Sequence[str], metamers: Mapping[str, Mapping[Condition, int]], conditions: Sequence[Condition]
) -> list[tuple[str, Condition]]:
    """Some stimuli with a condition each: from the first to the last, as nearly as there are metamers."""
    chosen = []
    for number, name in enumerate(names):
        wanted = number * (len(conditions) - 1) / max(len(names) - 1, 1)
        chosen.append((name, min(metamers[name], key=lambda condition: abs(conditions.index(condition) - wanted))))
    return sorted(chosen, key=lambda pair: conditions.index(pair[1]))


def exhibit_name(seed: int, *what: object) -> str:
    """A name that does not tell what it names."""
    return hashlib.sha256("/".join(map(str, (seed, *what))).encode()).hexdigest()[:20]


def experiment_design(
    categories: Mapping[str, str],
    metamers: Mapping[str, Mapping[Condition, int]],
    conditions: Sequence[Condition],
    practice: Mapping[str, int],
    catch: Sequence[str] | int,
    participants: int,
    seed: int,
) -> xr.Dataset:
    """Who is shown what.

    Practice, and catch trials that are natural stimuli, take stimuli that cannot be shown in every condition; where
    these do not suffice, they take others, which are then shown nowhere else.

    Parameters
    ----------
    categories
        Every natural stimulus → its category.
    metamers
        What ``metamers_to_show`` gives.
    conditions
        Generation models and stages, beside which natural stimuli are shown as they are.
    practice
        ``feedback``: number of natural stimuli that come first, of as many categories as there are, and whose
        category is told after the answer; ``trials``: number of stimuli after these, of which ``metamers`` are
        metamers, of the conditions from the first to the last.
    catch
        Categories of the catch trials, each of which shows its category plainly; or how many natural stimuli serve as
        such.
    participants
        How many are expected, at least.
    seed
        Of everything random.

    Returns
    -------
    xr.Dataset
        (exhibit), what is shown, by the name of its file without ending: ``kind``, ``stimulus`` (empty where a
        category is shown plainly), ``category``, ``generation_model`` (empty for natural stimuli), ``stage``,
        ``seed`` (-1 likewise). (order, trial) → ``shown``: number of the exhibit. Practice comes first, the same for
        everybody.

    Raises
    ------
    ValueError
        When too few stimuli are left for the conditions, or too few metamers for the practice.
    """
    rng = np.random.default_rng([seed, 1])
    usable = in_every_condition(metamers, conditions)
    spare = []
    for group in (sorted(set(categories) - set(usable)), list(usable)):  # those first that are not wanted elsewhere
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
            f"every condition, and {taken} are wanted for practice and catch trials"
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
        orders.append(begins + interspersed(rng.permutation(met), rng.permutation(caught).tolist(), rng))
    columns = {key: ("exhibit", [row[key] for row in rows]) for key in rows[0] if key != "exhibit"}
    names = np.array([row["exhibit"] for row in rows])
    by_name = np.argsort(names)  # their own order would tell what they are
    places = np.argsort(by_name).astype(np.int32)
    return xr.Dataset(
        {"shown": (("order", "trial"), places[np.array(orders)])},
        coords={"exhibit": names, "order": np.arange(len(orders)), **columns},
    ).isel(exhibit=by_name)
