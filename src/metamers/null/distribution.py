"""The null distribution: match between activations of different natural stimuli, at each stage of a model.

The module chooses the pairs of stimuli, measures their match within the memory that is available, and computes how
often a metamer would be accepted by chance. ``metamers.null.acceptance`` decides which metamers are accepted.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr

from metamers.match import NULL_MEASURES, Group, match_of_pairs

MEMORY = 3 << 30  # bytes of activations and ranks in memory
COMPUTED = 3  # largest number of times that a stimulus's activations are computed if not all fit into memory
STORED_PAIRS = 20_000  # largest number of pairs in the file


def choose_pairs(count: int, pairs: int, seed: int) -> np.ndarray:
    """Choose pairs (pair, 2) of ``count`` different stimuli: all pairs, each once, or ``pairs`` of them if fewer.

    Stimuli are put into a random circular order, and each is paired with the stimuli 1, 2, 3, … positions after it. So
    the numbers of pairs of any two stimuli differ by at most two. If ``pairs`` is small, the stimuli of a pair are
    close in this order, so few stimuli have to be in memory at a time.
    """
    order = np.random.default_rng(seed).permutation(count)
    offsets = range(1, count // 2 + 1)
    rings = (np.stack([order, np.roll(order, -offset)], axis=1) for offset in offsets)
    # For an even number of stimuli, the ring of pairs half the circle apart contains each pair twice.
    halves = (ring[: count // 2] if 2 * offset == count else ring for offset, ring in zip(offsets, rings, strict=True))
    chosen: list[np.ndarray] = []
    number_chosen = 0
    for ring in halves:
        chosen.append(ring[: pairs - number_chosen])
        number_chosen += len(chosen[-1])
        if number_chosen == pairs:
            break
    return np.concatenate(chosen)


def disjoint_pairs(pairs: np.ndarray) -> int:
    """Number of pairs (pair, 2), selected in their order, that share no stimulus with an earlier selected pair."""
    taken: set[int] = set()
    number = 0
    for a, b in pairs.tolist():
        if a not in taken and b not in taken:
            taken |= {a, b}
            number += 1
    return number


def chance_of_acceptance(pairs: np.ndarray) -> tuple[float, float]:
    """Probability that a metamer that matches like one more random pair reaches the largest match of the null.

    If all pairs were independent, it would be 1 / (pairs + 1). Pairs that share stimuli are not independent, so it can
    be larger, but at most 1 / (disjoint pairs + 1), because the metamer's own pair and the disjoint pairs are
    exchangeable.

    Parameters
    ----------
    pairs
        Indices (pair, 2) of the null distribution's stimuli.

    Returns
    -------
    expected, largest
        The probability for independent pairs, and the bound, for one measure of the pairs in their order. If several
        measures must pass, or both orders of a pair count, both can only be lower.
    """
    return 1 / (len(pairs) + 1), 1 / (disjoint_pairs(pairs) + 1)


def stimuli_in_memory(units: int) -> int:
    """Number of stimuli with ``units`` activations each (float32, with ranks) that fit into memory, at least 2."""
    return max(2, MEMORY // (8 * units))


def affordable_pairs(pairs: np.ndarray, count: int, max_stimuli: int) -> np.ndarray:
    """The pairs (pair, 2) of ``choose_pairs`` that can be measured with ``max_stimuli`` of ``count`` stimuli in memory.

    These are all pairs if all stimuli fit into memory or ``COMPUTED`` passes over the stimuli suffice. Otherwise they
    are the first ones, whose stimuli are close in the random order, so that each stimulus is computed about
    ``COMPUTED`` times.
    """
    return pairs if count <= max_stimuli else pairs[: COMPUTED * (max_stimuli // 2) * count]


def forward_batch(units: int, largest: int) -> int:
    """Batch size of the forward pass, at most ``largest``, for ``units`` activations per stimulus.

    The activations of a batch take at most 1/64 of ``MEMORY``, unless one stimulus takes more.
    """
    return int(np.clip(MEMORY // (256 * units), 1, largest))


def null_distribution(
    load: Callable[[Sequence[int]], np.ndarray], pairs: np.ndarray, max_stimuli: int
) -> dict[str, np.ndarray]:
    """Measures of match between the activations of different natural stimuli (Feather et al. 2023, Methods).

    The first stimulus of a pair is the natural one, to whose power the signal-to-noise ratio refers, as in the study's
    code. ``null_of_both_orders`` does not depend on the order.

    A measure with a fast form follows from products of (centred, ranked) activations, so a stimulus is ranked once as
    long as it is in memory, and all pairs of two groups of stimuli come out of one product of matrices for each
    measure. Groups are loaded in the order of the pairs, two at a time.

    Parameters
    ----------
    load
        From indices of stimuli to their activations (stimulus, …) at one stage, float32.
    pairs
        Indices (pair, 2), each pair once.
    max_stimuli
        Largest number of stimuli in memory, at least 2.

    Returns
    -------
    dict
        Each of ``NULL_MEASURES`` → values (pair,). A correlation is NaN if the activations of a stimulus are constant.
    """
    order = list(dict.fromkeys(pairs.T.ravel().tolist()))  # of first appearance: neighbours are paired first
    size = len(order) if len(order) <= max_stimuli else max_stimuli // 2
    members = [order[start : start + size] for start in range(0, len(order), size)]
    place = {stimulus: divmod(number, size) for number, stimulus in enumerate(order)}
    positions = np.array([place[stimulus] for stimulus in pairs.ravel().tolist()]).reshape(-1, 2, 2)
    groups, rows = positions[..., 0], positions[..., 1]
    tiles: dict[tuple[int, int], list[int]] = {}
    for number, (first, second) in enumerate(groups.tolist()):
        tiles.setdefault((min(first, second), max(first, second)), []).append(number)

    loaded: dict[int, Group] = {}

    def group(number: int, keep: int) -> Group:
        if number not in loaded:
            for other in [other for other in loaded if other != keep]:
                del loaded[other]
            loaded[number] = Group(load(members[number]))
        return loaded[number]

    values = {name: np.empty(len(pairs)) for name in NULL_MEASURES}
    # The next group is the last one that a group meets, so it is in memory already.
    for low, high in sorted(tiles, key=lambda tile: (tile[0], -tile[1])):
        a, b = group(low, high), group(high, low)
        numbers = np.array(tiles[low, high])
        for swapped in (False, True):  # the natural stimulus of a pair may be in either group
            chosen = numbers[(groups[numbers, 0] != low) == swapped]
            if len(chosen):
                one, other = (b, a) if swapped else (a, b)
                for name, measure in NULL_MEASURES.items():
                    values[name][chosen] = match_of_pairs(measure, one, other, rows[chosen, 0], rows[chosen, 1])
    return values


def null_of_both_orders(
    load: Callable[[Sequence[int]], np.ndarray], pairs: np.ndarray, max_stimuli: int
) -> dict[str, np.ndarray]:
    """Return the larger value of both orders of each pair, as in the maximum over i ≠ j.

    Of the measures, only the signal-to-noise ratio depends on the order: the stimulus with the larger power is its
    signal. Parameters and result are those of ``null_distribution``.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.null.distribution import null_distribution, null_of_both_orders
    >>> activations, pair = np.array([[1, 0], [1, 10]], np.float32), np.array([[0, 1]])
    >>> load = lambda stimuli: activations[list(stimuli)]
    >>> [measure(load, pair, 2)["snr_db"].round(2).tolist() for measure in (null_distribution, null_of_both_orders)]
    [[-20.0], [0.04]]
    """
    both = null_distribution(load, np.concatenate([pairs, pairs[:, ::-1]]), max_stimuli)
    return {name: values.reshape(2, -1).max(axis=0) for name, values in both.items()}


def null_dataset(measured: Mapping[str, Mapping[str, np.ndarray]], pairs: np.ndarray, names: np.ndarray) -> xr.Dataset:
    """The content of ``nulls/<generation_model>.nc``.

    Parameters
    ----------
    measured
        Stage → what ``null_of_both_orders`` or ``null_distribution`` gives for the first pairs, as many as could be
        measured.
    pairs
        Indices (pair, 2) of stimuli.
    names
        Names of all stimuli.

    Returns
    -------
    xarray.Dataset
        (stage, pair) → each of ``NULL_MEASURES``, of every pair, or of ``STORED_PAIRS`` of them at equal distances; NaN
        where the pair was not measured at the stage, or is not defined. (stage, measure) → ``largest``, over all
        measured pairs that are defined, and ``undefined_pairs``, how many are not.
        (stage) → ``distinct_pairs``, ``chance_of_acceptance``, ``largest_chance_of_acceptance``
        (``chance_of_acceptance``). ``paired_stimuli``: their number.
    """
    stored = np.unique(np.linspace(0, len(pairs) - 1, min(STORED_PAIRS, len(pairs))).round().astype(int))
    values = {stage: np.stack([of_measures[name] for name in NULL_MEASURES]) for stage, of_measures in measured.items()}
    numbers = [of_measures.shape[1] for of_measures in values.values()]
    kept = np.full((len(values), len(NULL_MEASURES), len(stored)), np.nan)
    for of_stage, of_measures, number in zip(kept, values.values(), numbers, strict=True):
        of_stage[:, stored < number] = of_measures[:, stored[stored < number]]
    expected, largest_chance = zip(*(chance_of_acceptance(pairs[:number]) for number in numbers), strict=True)
    return xr.Dataset(
        {name: (("stage", "pair"), kept[:, place]) for place, name in enumerate(NULL_MEASURES)}
        | {
            "largest": (("stage", "measure"), [np.fmax.reduce(of_measures, axis=1) for of_measures in values.values()]),
            "undefined_pairs": (
                ("stage", "measure"),
                [np.isnan(of_measures).sum(axis=1) for of_measures in values.values()],
            ),
            "distinct_pairs": ("stage", numbers),
            "chance_of_acceptance": ("stage", list(expected)),
            "largest_chance_of_acceptance": ("stage", list(largest_chance)),
            "paired_stimuli": len(np.unique(pairs)),
        },
        coords={
            "stage": list(measured),
            "measure": list(NULL_MEASURES),
            "stimulus_a": ("pair", names[pairs[stored, 0]]),
            "stimulus_b": ("pair", names[pairs[stored, 1]]),
        },
    )
