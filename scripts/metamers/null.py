"""The null distribution of match between different natural stimuli, and the metamers that are accepted by it.

The rule of acceptance is that of the study's code (``optimization_analysis_scripts.py``): the model gives the metamer
the same category as the natural stimulus, right or wrong, and each measure of match is at least the largest of its null
distribution at the stage. tests/test_acceptance.py compares it with that code's decisions.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import xarray as xr

from metamers.match import MEASURES, as_correlation, mean_ranks

logger = logging.getLogger("metamers")

JUDGED = (*MEASURES, "predicted_category", "natural_category")  # of a metamer file, what acceptance depends on
NULL_MEASURES = ("spearman_rho", "pearson_r", "snr_db")  # in the order in which the study's code tests them
CHUNK = 1 << 16  # units of activations in float64 at a time
MEMORY = 3 << 30  # bytes of activations and ranks that are in memory at once
COMPUTED = 3  # times that the activations of a stimulus are computed at most, where not all fit into memory
STORED_PAIRS = 20_000  # at most so many pairs are written to the file


def choose_pairs(count: int, pairs: int, seed: int) -> np.ndarray:
    """Pairs (pair, 2) of different stimuli out of ``count``: each two of them once, or ``pairs`` where there are more.

    Stimuli are put into a random order and paired with those 1, 2, 3, … places further on, so numbers of pairs of two
    stimuli differ by two at most. Few pairs join near places, so few stimuli have to be in memory at a time. The first
    stimulus of a pair is the one whose power the signal-to-noise ratio refers to.
    """
    order = np.random.default_rng(seed).permutation(count)
    offsets = range(1, count // 2 + 1)
    rings = (np.stack([order, np.roll(order, -offset)], axis=1) for offset in offsets)
    # In an even number of stimuli those half the circle apart meet twice.
    halves = (ring[: count // 2] if 2 * offset == count else ring for offset, ring in zip(offsets, rings, strict=True))
    chosen: list[np.ndarray] = []
    found = 0
    for ring in halves:
        chosen.append(ring[: pairs - found])
        found += len(chosen[-1])
        if found == pairs:
            break
    return np.concatenate(chosen)


def disjoint_pairs(pairs: np.ndarray) -> int:
    """How many of the pairs (pair, 2), taken one after the other, share no stimulus with one taken before."""
    taken: set[int] = set()
    number = 0
    for a, b in pairs.tolist():
        if a not in taken and b not in taken:
            taken |= {a, b}
            number += 1
    return number


def chance_of_acceptance(pairs: np.ndarray) -> tuple[float, float]:
    """Probability that a metamer whose match is that of one more random pair is at least the largest of the null.

    If all pairs were independent it would be 1 / (pairs + 1). Pairs that share stimuli are not, so it can be larger,
    but not larger than 1 / (disjoint pairs + 1): with these and the metamer's own pair, whose order is exchangeable.

    Parameters
    ----------
    pairs
        Indices (pair, 2) of the null distribution's stimuli.

    Returns
    -------
    expected, largest
        For independent pairs, and the bound, of one measure. Several measures that must all pass can only lower them.
    """
    return 1 / (len(pairs) + 1), 1 / (disjoint_pairs(pairs) + 1)


class _Group:
    """Activations of some stimuli, their ranks, and each stimulus's sum of squares.

    Parameters
    ----------
    values
        (stimulus, …), float32.
    """

    def __init__(self, values: np.ndarray):
        flat = values.reshape(len(values), -1)
        # Mean ranks are halves, exact in float32 up to 8 million units; beyond, rounding is below 1e-7.
        ranks = np.empty_like(flat)
        for row, values_of_stimulus in zip(ranks, flat, strict=True):
            row[:] = mean_ranks(values_of_stimulus)
        self.scores = {"power": flat, "pearson_r": flat, "spearman_rho": ranks}
        self.means = {
            "power": np.zeros(len(flat)),
            "pearson_r": flat.mean(axis=1, dtype=np.float64),
            "spearman_rho": ranks.mean(axis=1, dtype=np.float64),
        }
        self.squares = {name: self._squares(name) for name in self.scores}

    def _centred(self, name: str) -> Iterator[np.ndarray]:
        scores, means = self.scores[name], self.means[name][:, None]
        for start in range(0, scores.shape[1], CHUNK):
            yield scores[:, start : start + CHUNK] - means

    def _squares(self, name: str) -> np.ndarray:
        return sum(np.einsum("ij,ij->i", chunk, chunk) for chunk in self._centred(name))

    def products(self, name: str, other: "_Group") -> np.ndarray:
        """Products (stimulus, stimulus of ``other``) of centred scores, in float64."""
        if other is self:
            return sum(chunk @ chunk.T for chunk in self._centred(name))
        both = zip(self._centred(name), other._centred(name), strict=True)
        return sum(ours @ theirs.T for ours, theirs in both)


def _measures(a: _Group, b: _Group, rows: np.ndarray, columns: np.ndarray) -> dict[str, np.ndarray]:
    """Measures of match of pairs (pair,): stimulus ``rows`` of one group, the natural one, with ``columns`` of another.

    Where all activations of either are 0 each measure is 0, as in the study's code.
    """
    power_a, power_b = a.squares["power"][rows], b.squares["power"][columns]
    error = np.maximum(power_a + power_b - 2 * a.products("power", b)[rows, columns], 0)
    found = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for name in ("spearman_rho", "pearson_r"):
            lengths = np.sqrt(a.squares[name][rows] * b.squares[name][columns])
            found[name] = as_correlation(a.products(name, b)[rows, columns] / np.where(lengths > 0, lengths, np.nan))
        found["snr_db"] = 10 * np.log10(power_a / error)
    silent = (power_a == 0) | (power_b == 0)
    return {name: np.where(silent, 0.0, found[name]) for name in NULL_MEASURES}


def stimuli_in_memory(units: int) -> int:
    """How many stimuli of so many units each may be in memory at once, at least 2: float32 activations and ranks."""
    return max(2, MEMORY // (8 * units))


def affordable_pairs(pairs: np.ndarray, count: int, max_stimuli: int) -> np.ndarray:
    """The pairs (pair, 2) of ``choose_pairs`` that can be measured with ``max_stimuli`` of ``count`` stimuli in memory.

    All of them, where all stimuli fit into memory or ``COMPUTED`` passes over the stimuli are enough. Else the first
    ones, whose stimuli are near each other in the random order, so that each stimulus is computed about ``COMPUTED``
    times.
    """
    return pairs if count <= max_stimuli else pairs[: COMPUTED * (max_stimuli // 2) * count]


def forward_batch(units: int) -> int:
    """Batch size of the forward pass, 1 to 8, for stimuli of so many units each: at most a 64th of ``MEMORY``."""
    return int(np.clip(MEMORY // (256 * units), 1, 8))


def null_distribution(
    load: Callable[[Sequence[int]], np.ndarray], pairs: np.ndarray, max_stimuli: int
) -> dict[str, np.ndarray]:
    """Measures of match between the activations of different natural stimuli (Feather et al. 2023, Methods).

    Every measure follows from products of (centred, ranked) activations, so a stimulus is ranked once as long as it is
    in memory, and all pairs of two groups of stimuli come out of three products of matrices. Groups are loaded in the
    order of the pairs, two at a time.

    Parameters
    ----------
    load
        From indices of stimuli to their activations (stimulus, …) at one stage, float32.
    pairs
        Indices (pair, 2), each two stimuli once.
    max_stimuli
        Number of stimuli that may be in memory, from 2.

    Returns
    -------
    dict
        ``spearman_rho``, ``pearson_r``, ``snr_db`` (dB), each (pair,). NaN where a measure is not defined: a
        correlation of activations that do not vary.
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

    loaded: dict[int, _Group] = {}

    def group(number: int, keep: int) -> _Group:
        if number not in loaded:
            for other in [other for other in loaded if other != keep]:
                del loaded[other]
            loaded[number] = _Group(load(members[number]))
        return loaded[number]

    found = {name: np.empty(len(pairs)) for name in NULL_MEASURES}
    # The next group is the last one that a group meets, so it is in memory already.
    for low, high in sorted(tiles, key=lambda tile: (tile[0], -tile[1])):
        a, b = group(low, high), group(high, low)
        numbers = np.array(tiles[low, high])
        for swapped in (False, True):  # the natural stimulus of a pair may be in either group
            chosen = numbers[(groups[numbers, 0] != low) == swapped]
            if len(chosen):
                one, other = (b, a) if swapped else (a, b)
                measures = _measures(one, other, rows[chosen, 0], rows[chosen, 1])
                for name, values in measures.items():
                    found[name][chosen] = values
    return found


def null_dataset(measured: Mapping[str, Mapping[str, np.ndarray]], pairs: np.ndarray, names: np.ndarray) -> xr.Dataset:
    """What ``nulls/<generation_model>.nc`` holds.

    Parameters
    ----------
    measured
        Stage → what ``null_distribution`` gives of the first so many pairs.
    pairs
        Indices (pair, 2) of stimuli.
    names
        Names of all stimuli.

    Returns
    -------
    xarray.Dataset
        (stage, pair) → ``spearman_rho``, ``pearson_r``, ``snr_db``, of every pair, or of ``STORED_PAIRS`` of them at
        equal distances; NaN where the pair was not measured at the stage, or is not defined. (stage, measure) →
        ``largest``, over all measured pairs that are defined, and ``undefined_pairs``, how many are not.
        (stage) → ``distinct_pairs``, ``chance_of_acceptance``, ``largest_chance_of_acceptance``
        (``chance_of_acceptance``). ``paired_stimuli``: their number.
    """
    stored = np.unique(np.linspace(0, len(pairs) - 1, min(STORED_PAIRS, len(pairs))).round().astype(int))
    values = {stage: np.stack([found[name] for name in NULL_MEASURES]) for stage, found in measured.items()}
    numbers = [found.shape[1] for found in values.values()]
    kept = np.full((len(values), len(NULL_MEASURES), len(stored)), np.nan)
    for of_stage, found, number in zip(kept, values.values(), numbers, strict=True):
        of_stage[:, stored < number] = found[:, stored[stored < number]]
    expected, largest_chance = zip(*(chance_of_acceptance(pairs[:number]) for number in numbers), strict=True)
    return xr.Dataset(
        {name: (("stage", "pair"), kept[:, place]) for place, name in enumerate(NULL_MEASURES)}
        | {
            "largest": (("stage", "measure"), [np.fmax.reduce(found, axis=1) for found in values.values()]),
            "undefined_pairs": (("stage", "measure"), [np.isnan(found).sum(axis=1) for found in values.values()]),
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


def deciding_measures(values: np.ndarray, undefined: np.ndarray, preserved: np.ndarray) -> np.ndarray:
    """The measures that can refuse metamers of a stage, by the rule of the study's code for undefined values.

    A measure refuses no metamer where it is not defined for a pair of the null distribution, or for a metamer that
    would be accepted otherwise. That is part of the rule with all of ``NULL_MEASURES``. Where fewer are chosen, every
    one decides, and refuses a metamer for which it is not defined.

    Parameters
    ----------
    values
        (measure, metamer).
    undefined
        (measure,), whether a pair of the null distribution is not defined.
    preserved
        (metamer,), whether the category is that of the natural stimulus.

    Returns
    -------
    numpy.ndarray
        (measure,), booleans.
    """
    if len(values) < len(NULL_MEASURES):
        return np.ones(len(values), dtype=bool)
    return ~undefined & ~np.isnan(values[:, preserved]).any(axis=1)


def above_null(
    values: np.ndarray, largest: np.ndarray, undefined: np.ndarray, preserved: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Metamers of a stage whose every deciding measure is at least the null distribution's largest.

    Parameters
    ----------
    values, undefined, preserved
        As ``deciding_measures`` takes them.
    largest
        (measure,), of the pairs of the null distribution that are defined.

    Returns
    -------
    above
        (metamer,), booleans.
    decides
        (measure,), what ``deciding_measures`` gives.
    """
    decides = np.zeros(len(values), dtype=bool)
    kept = preserved
    while True:
        # A metamer that one measure has refused no longer keeps another measure from deciding.
        before, decides = decides, deciding_measures(values, undefined, kept)
        above = (~decides[:, None] | (values >= largest[:, None])).all(axis=0)
        kept = preserved & above
        if (decides == before).all():
            return above, decides


def of_all_stages(batches: Mapping[str, Sequence[xr.Dataset]]) -> xr.Dataset:
    """The metamers of one model as ``accept`` takes them.

    Parameters
    ----------
    batches
        Stage → the variables ``JUDGED`` of each of its metamer files.
    """
    whole = {stage: xr.concat(of_stage, "stimulus") for stage, of_stage in batches.items()}
    # What the model calls the natural stimulus is the same in the files of all stages.
    natural = next(iter(whole.values()))["natural_category"]
    by_stage = [one.drop_vars("natural_category").expand_dims(stage=[stage]) for stage, one in whole.items()]
    return xr.concat(by_stage, "stage").assign(natural_category=natural)


def accept(metamers: xr.Dataset, null: xr.Dataset, measures: Sequence[str] = NULL_MEASURES) -> xr.Dataset:
    """Which metamers of a model are accepted.

    Parameters
    ----------
    metamers
        (stage, stimulus, seed) → measures of match, ``predicted_category``; (stimulus) → ``natural_category``, what the
        model calls the natural stimulus, right or wrong.
    null
        (stage, measure) → ``largest``, ``undefined_pairs``.
    measures
        Those that decide; of ``NULL_MEASURES``.

    Returns
    -------
    xarray.Dataset
        (stage, stimulus, seed) → ``above_null`` (each of ``measures`` is at least the null distribution's largest at
        the stage), ``category_preserved`` (the category equals that of the natural stimulus), ``accepted`` (both), and
        the measures of match; (stage, measure) → ``largest``, ``refused``, the number of metamers that this measure
        alone would refuse, and ``decides``; (stimulus) → ``natural_category``.

    Raises
    ------
    ValueError
        When fewer than all measures are chosen and one is not defined for any pair of a stage.
    """
    dims = ("stage", "stimulus", "seed")
    metamers = metamers.transpose(*dims, missing_dims="ignore")
    preserved = (metamers["predicted_category"] == metamers["natural_category"]).transpose(*dims)
    largest = null["largest"].sel(stage=metamers["stage"], measure=list(NULL_MEASURES))
    values = metamers[list(NULL_MEASURES)].to_array("measure").transpose("stage", "measure", ...).values
    values = values.reshape(*values.shape[:2], -1)
    undefined = null["undefined_pairs"].sel(stage=metamers["stage"], measure=list(NULL_MEASURES)).values > 0
    used = np.isin(NULL_MEASURES, list(measures))
    if not used.all() and (nowhere := np.isnan(largest.values[:, used]).any(axis=1)).any():
        raise ValueError(
            f"acceptance.measures: {', '.join(measures)}: at stage {str(largest['stage'].values[nowhere][0])!r} one is "
            "not defined for any pair of natural stimuli; choose another measure, or all three"
        )
    above = np.empty(preserved.shape, dtype=bool)
    decides = np.zeros(largest.shape, dtype=bool)
    for place, stage in enumerate(map(str, metamers["stage"].values)):
        kept = preserved.values[place].ravel()
        of_stage = (one[place][used] for one in (values, largest.values, undefined))
        passed, decides[place, used] = above_null(*of_stage, kept)
        above[place] = passed.reshape(above.shape[1:])
        for name in np.array(NULL_MEASURES)[used & ~decides[place]]:
            logger.warning("%s: %s is not defined for a pair or a metamer, so it refuses no metamer", stage, name)
    below = values < largest.values[..., None]
    return xr.Dataset(
        {
            "accepted": (dims, above & preserved.values),
            "above_null": (dims, above),
            "category_preserved": preserved,
            **{name: metamers[name] for name in ("normalized_error", *NULL_MEASURES)},
            "natural_category": metamers["natural_category"],
            "largest": largest,
            "refused": (("stage", "measure"), below.sum(axis=-1)),
            "decides": (("stage", "measure"), decides),
        }
    )
