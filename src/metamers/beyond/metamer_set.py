"""The set of a stimulus's metamers at a stage: how many directions it leaves free, and its two most different members.

Near the stimulus, the activations of a stage change by J times the change of the stimulus, so the directions that the
stage leaves free are those with (nearly) no sensitivity, and their number is that of the values of the stimulus minus
the rank of J. Far from the stimulus, the set is explored by two metamers that synthesis pushes apart while both stay
within the match. For a linear model, both are known from its matrix.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats
import torch
import xarray as xr
from scipy.linalg import eigh_tridiagonal
from scipy.spatial.distance import pdist

from metamers.beyond.invariance import distances, natural_distances
from metamers.beyond.jacobian import Jacobian, columns
from metamers.beyond.synthesize import Fit
from metamers.compare.families import mean_over_families
from metamers.compare.proportions import proportion_interval
from metamers.modalities import MODALITIES
from metamers.models.model import Model
from metamers.recognize.recognition import recognize
from metamers.stimuli.formats import FORMATS
from metamers.synthesize.losses import Goal, make_loss
from metamers.synthesize.memory import max_batch_size
from metamers.synthesize.metamers import check_stage
from metamers.synthesize.noise import generator_of
from metamers.synthesize.optimize import as_leaf, gradient_steps
from metamers.synthesize.procedures import OneCycle, identity

OVERSAMPLING = 8  # columns of a sketch beyond the singular values that it is for
AT_ONCE = 8  # products of them
PAIR_NAMES = ("first", "second")
PAIR = len(PAIR_NAMES)
MARGIN = 0.98  # the search aims at this part of the largest error, so that it ends within it
PENALTY = 1.0  # weight of the squared violation
UPDATE = 10  # steps between two changes of the multipliers
FREE = 0.5  # part of the steps before their first change
TINY = 1e-6  # of the largest diagonal entry: what is left is rounding, and Lanczos iterations have found all directions
MORE_ITERATIONS = 4  # largest number of attempts to decide a rank, each with one more power iteration
OUTSIDE_ITERATIONS = 4  # of the largest eigenvalue outside a basis, which they find from below,
SAFETY = 1.5  # so that it is multiplied by this
LANCZOS_STEPS = 64
LANCZOS_PROBES = 2


# Local dimension


def sketch_values(jacobian: Jacobian, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The singular values of J restricted to the span of a basis, which are at most those of J, and JᵀJ of the basis.

    Parameters
    ----------
    jacobian
        Of a stage, at a stimulus.
    basis
        (value, column), orthonormal.

    Returns
    -------
    values
        (column,), descending.
    images
        (value, column).

    Raises
    ------
    ValueError
        When a product is not finite, or no direction changes the activations.
    """

    def images(some: np.ndarray) -> np.ndarray:
        forward = jacobian.product(jacobian.directions(some.T))
        return np.concatenate([columns(forward), columns(jacobian.transposed(forward))])

    projected = _by_parts(images, basis)
    if not np.isfinite(projected).all():
        raise ValueError(f"{jacobian.label}: derivatives are not finite")
    values = np.linalg.svd(projected[: -jacobian.size], compute_uv=False)
    if not values[0] > 0:
        raise ValueError(
            f"{jacobian.label}: no small change of the stimulus changes the activations, so they have no directions"
        )
    return np.pad(values, (0, basis.shape[1] - len(values))), projected[-jacobian.size :]


def largest_outside(jacobian: Jacobian, basis: np.ndarray, generator: np.random.Generator) -> float:
    """The largest eigenvalue of JᵀJ restricted to directions orthogonal to a basis, by power iterations of a block."""
    vectors = generator.standard_normal((jacobian.size, min(AT_ONCE, jacobian.size - basis.shape[1])))
    for _ in range(OUTSIDE_ITERATIONS):
        vectors = np.linalg.qr(vectors - basis @ (basis.T @ vectors))[0]
        # Once more: where nothing is outside, QR has made unit vectors of rounding, which may lie in the basis.
        vectors = vectors - basis @ (basis.T @ vectors)
        images = _by_parts(jacobian.information, vectors)
        largest = np.linalg.eigvalsh(vectors.T @ images)[-1]
        vectors = images
    return float(largest)


def rank_bounds(
    basis: np.ndarray, values: np.ndarray, images: np.ndarray, outside: float, limit: float
) -> tuple[int, int | None]:
    """Bounds of the number of singular values of J above a limit.

    In an orthonormal basis Q and its complement, A = JᵀJ has the blocks H = QᵀAQ, R = (1 − QQᵀ)AQ and C. With ‖C‖
    below L, the square of the limit, A has as many eigenvalues above L as H + Rᵀ(L − C)⁻¹R (Sylvester's law of
    inertia), so at least as many as H and at most as many as H + RᵀR / (L − ‖C‖).

    Parameters
    ----------
    basis, values, images
        Q (value, column), and the results of ``sketch_values``.
    outside
        ‖C‖, the result of ``largest_outside``.
    limit
        Of singular values.

    Returns
    -------
    int, int or None
        The bounds; None if ``outside`` is not below the square of the limit.
    """
    at_least = int((values > limit).sum())
    if outside >= limit**2:
        return at_least, None
    inside = basis.T @ images
    rest = images - basis @ inside
    raised = (inside + inside.T) / 2 + rest.T @ rest / (limit**2 - outside)
    return at_least, max(at_least, int((np.linalg.eigvalsh(raised) > limit**2).sum()))


def _by_parts(function: Callable[[np.ndarray], np.ndarray], vectors: np.ndarray) -> np.ndarray:
    """A function of (value, direction) for a few directions at once; the last ones are filled up with zeros."""
    number = vectors.shape[1]
    filled = np.pad(vectors, ((0, 0), (0, -number % AT_ONCE)))
    parts = [function(filled[:, first : first + AT_ONCE]) for first in range(0, number, AT_ONCE)]
    return np.concatenate(parts, axis=1)[:, :number]


def counted_eigenvalues(
    jacobian: Jacobian, limit: float, steps: int, probes: int, generator: np.random.Generator
) -> np.ndarray:
    """Number of eigenvalues of JᵀJ above a limit, estimated by stochastic Lanczos quadrature.

    For a random vector v of length 1, n vᵀh(JᵀJ)v has the expectation tr h(JᵀJ), with h the step at the limit. Lanczos
    iterations from v give a quadrature: the eigenvalues of their tridiagonal matrix, weighted by the squares of the
    first values of its eigenvectors (Ubaru, Chen & Saad 2017, SIAM Journal on Matrix Analysis 38, 1075-1099).

    Parameters
    ----------
    jacobian
        Of a stage, at a stimulus.
    limit
        In squared units of the activations per unit of the stimulus.
    steps
        Lanczos iterations; more distinguish nearer eigenvalues.
    probes
        Random vectors.
    generator
        Of the random vectors.

    Returns
    -------
    numpy.ndarray
        (probe,): one estimate for each random vector.
    """
    n = jacobian.size
    steps = min(steps, n)
    vectors = generator.standard_normal((n, probes))
    vectors /= np.linalg.norm(vectors, axis=0)
    basis = np.zeros((probes, steps, n))
    diagonal, beside = np.zeros((probes, steps)), np.zeros((probes, steps))
    for step in range(steps):
        basis[:, step] = vectors.T
        products = jacobian.information(vectors)
        diagonal[:, step] = np.einsum("vp,vp->p", vectors, products)
        for probe in range(probes):
            rest = products[:, probe]
            for _ in range(2):  # once more: rounding would bring back directions that were found before
                rest = rest - basis[probe, : step + 1].T @ (basis[probe, : step + 1] @ rest)
            beside[probe, step] = np.linalg.norm(rest)
            vectors[:, probe] = rest / beside[probe, step] if beside[probe, step] > 0 else 0
    numbers = []
    for probe in range(probes):
        ended = np.flatnonzero(beside[probe] <= TINY * diagonal[probe].max())
        size = int(ended[0]) + 1 if len(ended) else steps
        values, rows = eigh_tridiagonal(diagonal[probe, :size], beside[probe, : size - 1])
        numbers.append(n * (rows[0] ** 2)[values > limit].sum())
    return np.array(numbers)


@dataclass(frozen=True)
class LocalDimension:
    """How many directions of a stimulus a stage determines, and how many it leaves free.

    Attributes
    ----------
    rank
        Number of singular values of J above the tolerance times the largest one; estimated where not ``counted``.
    counted
        Whether bounds decide the number.
    at_least
        The lower bound of the number.
    singular_values
        The largest ones, descending.
    """

    rank: float
    counted: bool
    at_least: int
    singular_values: np.ndarray


def local_dimension(
    jacobian: Jacobian, tolerance: float, number: int, generator: np.random.Generator
) -> LocalDimension:
    """Numerical rank of the Jacobian: the dimension of the set of metamers is the number of values minus the rank.

    The largest singular values are those of the product of J with an orthonormal basis of the range of JᵀJ times
    random vectors, a randomized SVD with one power iteration (Halko, Martinsson & Tropp 2011, SIAM Review 53,
    217-288). If they reach below the tolerance, ``rank_bounds`` counts those above it, with more power iterations where
    its bounds differ. Otherwise the number is estimated for all of them (``counted_eigenvalues``), and the lower bound
    is kept.

    Parameters
    ----------
    jacobian
        Of a stage, at a stimulus.
    tolerance
        Singular values up to this part of the largest one count as 0.
    number
        Of singular values that are found one by one.
    generator
        Of random vectors.

    Returns
    -------
    LocalDimension
        With ``number`` singular values, or fewer if the stimulus has fewer values.

    Raises
    ------
    ValueError
        As ``sketch_values``.
    """
    size = jacobian.size
    basis = generator.standard_normal((size, min(number + OVERSAMPLING, size)))
    for _ in range(2):
        basis = np.linalg.qr(_by_parts(jacobian.information, basis))[0]
    values, images = sketch_values(jacobian, basis)
    at_least, at_most = int((values > tolerance * values[0]).sum()), min(size, jacobian.units)
    if basis.shape[1] == size or at_least == at_most:
        return LocalDimension(at_least, True, at_least, values[:number])
    for _ in range(MORE_ITERATIONS):
        limit = tolerance * values[0]
        if values[-1] > limit:  # more of them are above the limit than the basis has
            break
        outside = SAFETY * largest_outside(jacobian, basis, generator)
        at_least, bound = rank_bounds(basis, values, images, outside, limit)
        if bound is not None:
            at_most = min(at_most, bound)
        if at_least == at_most:
            return LocalDimension(at_least, True, at_least, values[:number])
        basis = np.linalg.qr(images)[0]
        values, images = sketch_values(jacobian, basis)
    estimates = counted_eigenvalues(jacobian, (tolerance * values[0]) ** 2, LANCZOS_STEPS, LANCZOS_PROBES, generator)
    return LocalDimension(float(np.clip(estimates.mean(), at_least, at_most)), False, at_least, values[:number])


# The two most different metamers


def _middle(modality: str) -> float:
    """The middle of the valid values: grey, or silence."""
    low, high = MODALITIES[modality].limits
    return (low + high) / 2


def _lengths(values: torch.Tensor) -> torch.Tensor:
    """Euclidean length of each stimulus (stimulus, …signal), as (stimulus, 1, …)."""
    return torch.linalg.vector_norm(values.flatten(1), dim=1).view(-1, *[1] * (values.ndim - 1))


def within(stimuli: torch.Tensor, middle: float, radii: torch.Tensor) -> torch.Tensor:
    """Stimuli (stimulus, …signal) that are further than ``radii`` (stimulus, 1, …) from the middle, moved nearer."""
    aside = stimuli - middle
    return middle + aside * (radii / _lengths(aside).clamp(min=1e-30)).clamp(max=1)


@dataclass(frozen=True)
class Pairs:
    """The two most different metamers of some stimuli, as far as the search finds them.

    Attributes
    ----------
    metamers
        (stimulus, pair, …signal).
    distance
        Of the two metamers after preprocessing, relative to that of different natural stimuli, (stimulus,).
    normalized_error
        (stimulus, pair).
    within_match
        Whether both have at most the largest error, (stimulus,).
    """

    metamers: torch.Tensor
    distance: np.ndarray
    normalized_error: np.ndarray
    within_match: np.ndarray


def most_different_metamers(
    model: Model,
    stage: str,
    natural: torch.Tensor,
    start: torch.Tensor,
    largest_error: torch.Tensor,
    usual: float,
    settings: Mapping[str, Any],
) -> Pairs:
    """Two metamers of each stimulus that are as different as they can be while both stay within the match.

    Maximizes the distance of x₁ and x₂ after the model's preprocessing p, in units of the distance u of different
    natural stimuli,

        D = ‖p(x₁)−p(x₂)‖ / u, with e(x₁) ≤ ε, e(x₂) ≤ ε, ‖x₁−c‖ ≤ ‖s−c‖, ‖x₂−c‖ ≤ ‖s−c‖,

    for the normalized error e at the stage, valid values, and c grey or silence. The preprocessing of images is affine.
    That of most auditory models is a cochleagram, so that two sounds differ that the ear distinguishes: a sound and the
    same sound with the opposite sign, the most different waveforms, have one cochleagram. No metamer has more contrast,
    or is louder, than the natural stimulus; without this limit, the distance of sounds would have no bound. The search
    is Adam on an augmented Lagrangian (Nocedal & Wright 2006, chapter 17.4), and returns the pair with the largest D
    among those within the match; the true maximum may be larger.

    For a linear model whose matrix W has orthonormal rows, fewer than the stimulus has values, with v the projection of
    s−c on these rows and r = ε‖W(s−c)‖, if W(s−c) are the activations, the largest distance is ‖x₁−x₂‖² = 4 (‖s−c‖² −
    max(0, ‖v‖−r)²), if no value reaches a limit. With as many rows as values, it is 2r √(1 − r²/(4‖s−c‖²)).

    Parameters
    ----------
    model, stage
        The generation model and its stage.
    natural
        (stimulus, …signal), in the model's size or rate.
    start
        Noise from which the two metamers start, (stimulus, pair, …signal).
    largest_error
        ε of each stimulus, (stimulus,).
    usual
        u, result of ``usual_distance``.
    settings
        Of ``metamers.synthesize.procedures.OneCycle``.

    Raises
    ------
    ValueError
        When synthesis cannot work at the stage (``metamers.synthesize.metamers.check_stage``), or a stimulus is grey or
        silent.
    """
    target = check_stage(model, stage, natural)
    middle, number = _middle(model.modality), len(natural)
    radii = _lengths(natural - middle)
    if not radii.all():
        raise ValueError("a stimulus is grey or silent everywhere, so its metamers have no contrast: leave it out")
    radii_of_pairs = radii.repeat_interleave(PAIR, dim=0)
    error = make_loss(Goal(model, stage, target.repeat_interleave(PAIR, dim=0)))
    largest = largest_error.to(target).repeat_interleave(PAIR)
    multipliers = torch.zeros_like(largest)
    worst = torch.full((number,), -torch.inf).to(target)
    noise = start.flatten(0, 1)
    unknown = torch.full_like(worst, torch.nan)
    kept = _Kept(noise.detach().clone(), worst, unknown, unknown.repeat_interleave(PAIR))

    def evaluate(metamers: torch.Tensor, taken: int) -> tuple[torch.Tensor, torch.Tensor]:
        pairs = within(metamers, middle, radii_of_pairs)
        first, second = model.preprocessing(pairs).unflatten(0, (number, PAIR)).unbind(1)
        distance = _lengths(first - second).flatten() / usual
        errors = error(pairs, taken)
        kept.keep(pairs.detach(), distance.detach(), errors.detach(), largest)
        return distance, ((errors + torch.finfo(errors.dtype).tiny) / (MARGIN * largest)).log()

    def objective(metamers: torch.Tensor, taken: int) -> torch.Tensor:
        nonlocal multipliers
        distance, excess = evaluate(metamers, taken)
        if taken >= FREE * settings["steps"] and taken % UPDATE == 0:
            multipliers = (multipliers + PENALTY * excess.detach()).clamp(min=0)
        violation = (multipliers + PENALTY * excess).clamp(min=0).square() / (2 * PENALTY)
        return violation.unflatten(0, (number, PAIR)).sum(1) - distance

    metamers = as_leaf(noise)
    steps = OneCycle(metamers, **settings)
    for _ in gradient_steps(objective, metamers, steps, MODALITIES[model.modality].limits, identity):
        pass
    with torch.no_grad():
        evaluate(metamers, settings["steps"])
    return Pairs(
        kept.metamers.unflatten(0, (number, PAIR)).contiguous(),
        kept.distance.cpu().double().numpy(),
        kept.errors.unflatten(0, (number, PAIR)).cpu().double().numpy(),
        (kept.score >= 0).cpu().numpy(),
    )


@dataclass
class _Kept:
    """The best pair of each stimulus so far: the most different one within the match, or else the nearest to it.

    Attributes
    ----------
    metamers
        (stimulus × 2, …signal).
    score
        (stimulus,): the distance of a pair within the match; else minus the larger error in units of the largest one.
    distance
        (stimulus,).
    errors
        (stimulus × 2,).
    """

    metamers: torch.Tensor
    score: torch.Tensor
    distance: torch.Tensor
    errors: torch.Tensor

    def keep(self, pairs: torch.Tensor, distance: torch.Tensor, errors: torch.Tensor, largest: torch.Tensor) -> None:
        """Take the pairs that are better than those so far."""
        ratio = (errors / largest).unflatten(0, (-1, PAIR)).amax(1)
        score = torch.where(ratio <= 1, distance, -ratio)
        better = score > self.score
        self.score = torch.where(better, score, self.score)
        self.distance = torch.where(better, distance, self.distance)
        of_pairs = better.repeat_interleave(PAIR)
        self.metamers[of_pairs], self.errors[of_pairs] = pairs[of_pairs], errors[of_pairs]


def usual_distance(values: np.ndarray) -> float:
    """Root mean square distance between different stimuli, from values (stimulus, …); NaN for a single stimulus."""
    if len(values) < 2:
        return np.nan
    return float(np.sqrt(np.square(pdist(values.reshape(len(values), -1))).mean()))


def apart(
    models: Mapping[str, Model],
    stages: Mapping[str, str],
    fits: Mapping[str, Fit],
    pairs: torch.Tensor,
    natural_stimuli: torch.Tensor,
) -> np.ndarray:
    """How different the members of each pair are to each model: (stimulus, model).

    The distance of their activations at the model's stage, relative to the root mean square distance between the
    natural stimuli ``natural_stimuli``: 0 if the model does not distinguish them, 1 if they differ as much as different
    natural stimuli. NaN where all natural stimuli have equal activations.

    Parameters
    ----------
    models, stages
        Models of one modality by name, and the stage of each.
    fits
        Model → function that brings stimuli to its size or rate.
    pairs
        (stimulus, pair, …signal).
    natural_stimuli
        At least two natural stimuli (any number, …signal).
    """
    relative_distances = []
    for name, model in models.items():
        natural, one, other = (fits[name](stimuli) for stimuli in (natural_stimuli, pairs[:, 0], pairs[:, 1]))
        usual = natural_distances(model, natural)[stages[name]]
        distance = distances(model, one, other)[stages[name]]
        relative_distances.append(distance / usual if usual > 0 else np.full(len(pairs), np.nan))
    return np.stack(relative_distances, axis=1)


def metamer_sets(
    models: Mapping[str, Model],
    stages: Mapping[str, str],
    fits: Mapping[str, Fit],
    natural: torch.Tensor,
    run_natural: torch.Tensor,
    noise: torch.Tensor,
    largest_error: np.ndarray,
    accepted: np.ndarray,
    classes: Mapping[str, Sequence[int]],
    sampling: Mapping[str, Any],
    explored: Mapping[str, Any],
    settings: Mapping[str, Any],
    names: Sequence[Sequence[str | int]],
) -> xr.Dataset:
    """The metamer sets of some stimuli at one stage of one model.

    Parameters
    ----------
    models, stages
        Models of one modality by name, and the stage of each. The first is the one whose metamers are explored; the
        others are asked how different the members of a pair are, and what they recognize.
    fits
        Model → function that brings stimuli to its size or rate.
    natural, run_natural, noise
        The stimuli, all natural stimuli of the run (stimulus, …signal), and the noise from which the pair of each
        stimulus starts (stimulus, pair, …signal); in the first model's size or rate.
    largest_error
        Normalized error of each stimulus that its metamers may have, (stimulus,): that of the run's own metamer.
    accepted
        Whether the run's own metamer of each stimulus is accepted, (stimulus,).
    classes
        Category → class indices.
    sampling
        How these stimuli are sampled (``metamers.modalities.sampling_of``).
    explored
        ``tolerance`` and ``singular_values``: see ``local_dimension``. ``steps``: of ``most_different_metamers``.
    settings
        Other settings of the search for pairs, as of ``metamers.synthesize.procedures.OneCycle``.
    names
        For each stimulus the run seed and its name, from which random vectors follow.

    Returns
    -------
    xarray.Dataset
        (stimulus) → ``jacobian_rank``, ``rank_counted``, ``rank_at_least``, ``free_dimensions``, ``stimulus_distance``
        of the pair, ``largest_error``, ``accepted``, ``within_match``; (stimulus, number) → ``singular_value``;
        (stimulus, most_different) → ``normalized_error``; (stimulus, most_different, …signal) → ``metamer``; (stimulus,
        sensing_model) → ``activation_distance``; (stimulus, most_different, sensing_model) → ``answer`` to the exported
        stimuli.

    Raises
    ------
    ValueError
        As ``local_dimension`` and ``most_different_metamers``.
    """
    first, model = next(iter(models.items()))
    stage, modality = stages[first], MODALITIES[model.modality]
    dimensions = [
        local_dimension(
            Jacobian(model, stage, stimulus),
            explored["tolerance"],
            explored["singular_values"],
            generator_of(*name, first, stage, "dimension"),
        )
        for stimulus, name in zip(natural, names, strict=True)
    ]
    with torch.no_grad():
        usual = usual_distance(model.preprocessing(run_natural).cpu().numpy())
    if not usual > 0 or not np.isfinite(usual):
        raise ValueError(
            f"model {first}: the distance between the {len(run_natural)} natural stimuli of the run is {usual} after "
            "preprocessing; wanted at least two different stimuli, whose distance is the unit"
        )
    size = max(1, max_batch_size(model, stage, natural[:1]) // PAIR)
    by_batch = [
        most_different_metamers(model, stage, *some, usual, settings | {"steps": explored["steps"]})
        for some in zip(
            natural.split(size),
            noise.split(size),
            torch.from_numpy(np.asarray(largest_error)).split(size),
            strict=True,
        )
    ]
    pairs = torch.cat([one.metamers for one in by_batch])
    exported = FORMATS[model.modality].as_exported(pairs.flatten(0, 1).cpu().numpy())
    answers = [recognize(other, exported, sampling, classes).reshape(-1, PAIR) for other in models.values()]
    rank = np.array([one.rank for one in dimensions])
    by_pair = ("stimulus", "most_different")
    return xr.Dataset(
        {
            "jacobian_rank": ("stimulus", rank),
            "rank_counted": ("stimulus", [one.counted for one in dimensions]),
            "rank_at_least": ("stimulus", [one.at_least for one in dimensions]),
            "free_dimensions": ("stimulus", natural[0].numel() - rank),
            "singular_value": (("stimulus", "number"), np.stack([one.singular_values for one in dimensions])),
            "metamer": ((*by_pair, *modality.dims), pairs.cpu().numpy()),
            "stimulus_distance": ("stimulus", np.concatenate([one.distance for one in by_batch])),
            "normalized_error": (by_pair, np.concatenate([one.normalized_error for one in by_batch])),
            "largest_error": ("stimulus", largest_error),
            "accepted": ("stimulus", np.asarray(accepted, dtype=bool)),
            "within_match": ("stimulus", np.concatenate([one.within_match for one in by_batch])),
            "activation_distance": (("stimulus", "sensing_model"), apart(models, stages, fits, pairs, run_natural)),
            "answer": ((*by_pair, "sensing_model"), np.stack(answers, axis=-1)),
        },
        coords={"most_different": list(PAIR_NAMES), "sensing_model": list(models)},
    )


def by_depth(sets: xr.Dataset, recognition_models: Sequence[str], families: Mapping[str, str]) -> xr.Dataset:
    """Means over stimuli at each position, with 95% intervals over stimuli (Student's; of recognition, as elsewhere).

    Parameters
    ----------
    sets
        Results of ``metamer_sets`` by position, with ``category`` (stimulus).
    recognition_models
        The other recognition models.
    families
        Model → family; each family counts once.

    Returns
    -------
    xarray.Dataset
        (depth) → ``free``, the free directions in proportion to all; ``stimulus_distance``; ``activation_distance``,
        mean over recognition models; ``proportion_correct``, the proportion of the pairs' members that they recognize,
        and ``proportion_same``, that of pairs to which a recognition model gives one answer; each with ``…_low`` and
        ``…_high``, NaN for a single stimulus. All but ``free`` are over pairs within the match of an accepted metamer,
        ``n`` of them.
    """
    within_match = sets["within_match"].astype(bool) & sets["accepted"].astype(bool)
    answered = sets.sel(sensing_model=list(recognition_models)).rename(sensing_model="recognition_model")
    right = answered["answer"] == sets["category"]
    same = answered["answer"].isel(most_different=0) == answered["answer"].isel(most_different=1)
    recognized = mean_over_families(right.astype(float).mean("most_different"), families)
    values = {
        "free": sets["free_dimensions"] / (sets["free_dimensions"] + sets["jacobian_rank"]),
        "stimulus_distance": sets["stimulus_distance"].where(within_match),
        "activation_distance": mean_over_families(answered["activation_distance"], families).where(within_match),
    }
    proportions = {
        "proportion_correct": recognized,
        "proportion_same": mean_over_families(same.astype(float), families),
    }
    summary: dict[str, Any] = {"n": within_match.sum("stimulus")}
    for name, of_stimuli in values.items():
        number = of_stimuli.count("stimulus")
        mean, deviation = of_stimuli.mean("stimulus"), of_stimuli.std("stimulus", ddof=1)
        half = deviation / np.sqrt(number) * scipy.stats.t.ppf(0.975, (number - 1).clip(min=1))
        summary |= {name: mean, f"{name}_low": mean - half, f"{name}_high": mean + half}
    for name, of_stimuli in proportions.items():
        mean, number = of_stimuli.where(within_match).mean("stimulus"), summary["n"]
        low, high = proportion_interval(mean.values, number.values)[2:]
        summary |= {name: mean, f"{name}_low": ("depth", low), f"{name}_high": ("depth", high)}
    return xr.Dataset(summary)
