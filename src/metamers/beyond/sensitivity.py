"""Sensitivity of stages: the distortions of a stimulus that change the activations of a stage most and least.

With J the Jacobian of a stage's activations at a stimulus, a small distortion ε changes the activations by Jε, and the
Fisher information of activations with independent noise of variance 1 is JᵀJ. Its extreme eigenvectors are
*eigendistortions* (Berardino, Ballé, Laparra & Simoncelli 2017, arXiv:1710.02266). *Principal distortions* are the pair
of distortions along which a set of models differs most in relative sensitivity (Feather, Lipshutz, Harvey, Williams &
Simoncelli 2025, ICLR, arXiv:2410.15433). Only products with J and Jᵀ are computed. ``metamers.beyond.agreement``
compares models by them.
"""

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from scipy.linalg import eigh
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, lobpcg, lsqr

from metamers.beyond.jacobian import Jacobian, columns
from metamers.beyond.sets import EXTREMES, LEAST, MOST, PRINCIPAL
from metamers.beyond.synthesize import Fit
from metamers.modalities import MODALITIES
from metamers.models.model import Model
from metamers.names import NATURAL
from metamers.synthesize.noise import generator_of

FLOOR = 0.01  # added to squared sensitivities, in units of the mean square sensitivity
BLOCK = 2  # vectors that the search of an eigenvector improves together
TOLERANCE = 1e-3  # of an eigenvector: its residual, relative to the largest, or the mean eigenvalue
FIRST = 8  # iterations after which the largest eigenvalue is known well enough for the tolerance
PAIR = 2  # principal distortions
STARTS = 3  # of their search, for more than two models
GAIN = 1e-5  # part of the variance by which an iteration must increase it for another one
SHAPE = 0.9  # smallest cosine of an exported distortion with the distortion, relative to that of a small change


@dataclass(frozen=True)
class Eigendistortion:
    """A distortion of length 1 that changes the activations of a stage most, or least.

    Attributes
    ----------
    distortion
        (value,), length 1. The value of largest size is positive.
    sensitivity
        ‖Jε‖, the square root of the eigenvalue of JᵀJ.
    residual
        ‖JᵀJε − λε‖, relative to λ for the largest eigenvalue, and to the mean eigenvalue for the smallest: 0 for an
        eigenvector.
    """

    distortion: np.ndarray
    sensitivity: float
    residual: float


def _signed(vector: np.ndarray) -> np.ndarray:
    """The vector with length 1 and with a positive value of largest size."""
    return vector / np.linalg.norm(vector) * np.sign(vector[np.argmax(np.abs(vector))])


def _ignored(jacobian: Jacobian, start: np.ndarray, iterations: int) -> np.ndarray:
    """Directions (value, direction) without the part that changes the activations, as far as LSQR finds it."""
    n = jacobian.size

    def forward(vector: np.ndarray) -> np.ndarray:
        return jacobian.product(jacobian.directions(vector.reshape(1, n)))[0].double().cpu().numpy()

    def backward(vector: np.ndarray) -> np.ndarray:
        return columns(jacobian.transposed(torch.from_numpy(vector.reshape(1, -1)).to(jacobian.stimulus)))[:, 0]

    noticed = [forward(one) for one in start.T]
    units = len(noticed[0])
    if units >= n:  # in general, such a stage ignores nothing entirely
        return start
    operator = LinearOperator((units, n), matvec=forward, rmatvec=backward, dtype=np.float64)
    solutions = [lsqr(operator, changes, iter_lim=iterations, atol=1e-7, btol=1e-7)[0] for changes in noticed]
    return start - np.stack(solutions, axis=1)


def eigendistortions(
    jacobian: Jacobian, mean: float, iterations: int, generator: np.random.Generator
) -> dict[str, Eigendistortion]:
    """The extreme eigenvectors of JᵀJ, by LOBPCG (Knyazev 2001), from random starts.

    The largest eigenvalues of networks lie apart and are found in few iterations. The smallest ones lie close together,
    and are 0 where a stage has fewer units than the stimulus has values: there the search begins with the part of the
    start that the stage ignores (LSQR, Paige & Saunders 1982), and ``least`` is one of many such distortions, near its
    random start. If the iterations end early, the sensitivity of ``least`` is an upper bound of the smallest one, and
    that of ``most`` a lower bound of the largest one.

    Parameters
    ----------
    jacobian
        Of the stage, at a stimulus.
    mean
        Its mean square sensitivity, the mean eigenvalue.
    iterations
        Largest number of iterations; each needs products with J and Jᵀ of ``BLOCK`` directions. A search ends earlier
        at a residual of ``TOLERANCE``.
    generator
        Of the starts.

    Raises
    ------
    ValueError
        When no direction changes the activations, or a product is not finite.

    References
    ----------
    Knyazev (2001), SIAM Journal on Scientific Computing 23, 517-541, doi:10.1137/S1064827500366124; Paige & Saunders
    (1982), ACM Transactions on Mathematical Software 8, 43-71, doi:10.1145/355984.355989.
    """
    if not mean > 0 or not np.isfinite(mean):
        raise ValueError(
            f"{jacobian.label}: the mean square sensitivity to small distortions is {mean}; wanted a finite number "
            "above 0, so that distortions can be compared"
        )
    n = jacobian.size

    def scaled(vectors: np.ndarray) -> np.ndarray:
        return jacobian.information(vectors.reshape(n, -1)) / mean

    operator = LinearOperator((n, n), matvec=scaled, matmat=scaled, dtype=np.float64)

    def search(start: np.ndarray, which: str, most_iterations: int, tolerance: float) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # not converged: the residual says so
            return lobpcg(operator, start, largest=which == MOST, maxiter=most_iterations, tol=tolerance)[1]

    def best_of(vectors: np.ndarray, which: str) -> tuple[np.ndarray, float, float]:
        """The best vector, its eigenvalue and the length of its residual, in units of the mean eigenvalue."""
        vectors = vectors / np.linalg.norm(vectors, axis=0)
        products = scaled(vectors)
        if not np.isfinite(products).all():
            raise ValueError(f"{jacobian.label}: derivatives are not finite")
        values = np.einsum("vd,vd->d", vectors, products)
        best = int(values.argmax() if which == MOST else values.argmin())
        residual = np.linalg.norm(products[:, best] - values[best] * vectors[:, best])
        return vectors[:, best], float(values[best]), float(residual)

    starts = {which: generator.standard_normal((n, min(BLOCK, n))) for which in EXTREMES}
    first = search(starts[MOST], MOST, min(FIRST, iterations), TOLERANCE)
    _, largest, _ = best_of(first, MOST)
    most = search(first, MOST, iterations - FIRST, TOLERANCE * largest) if iterations > FIRST else first
    least = search(_ignored(jacobian, starts[LEAST], iterations), LEAST, iterations, TOLERANCE)
    distortions = {}
    for which, vectors in ((MOST, most), (LEAST, least)):
        vector, value, residual = best_of(vectors, which)
        distortion = _signed(vector)
        sensitivity = float(jacobian.sensitivity(distortion[None])[0])
        distortions[which] = Eigendistortion(distortion, sensitivity, residual / value if which == MOST else residual)
    return distortions


def log_ratios(squares: np.ndarray, floors: np.ndarray) -> np.ndarray:
    """Relative sensitivity of models to a pair of distortions: half the logarithm of the ratio of their squares.

    Parameters
    ----------
    squares
        ‖Jε‖² for distortions of length 1, (model, pair).
    floors
        What is added to the squares of each model, (model,): see ``principal_distortions``.
    """
    raised = np.log(squares + floors[:, None])
    return 0.5 * (raised[:, 0] - raised[:, 1])


@dataclass(frozen=True)
class PrincipalDistortions:
    """The pair of distortions along which models differ most in relative sensitivity.

    Attributes
    ----------
    distortions
        (pair, value), each of length 1.
    log_ratios
        (model,): half the logarithm of the ratio of squared sensitivities, with the floors.
    variance
        Of the log ratios over models (divided by their number), which the pair makes as large as possible.
    least_variance
        The smallest variance that a search reached, of those from all starts; ``variance`` is the largest.
    converged
        Whether the search ended by itself.
    """

    distortions: np.ndarray
    log_ratios: np.ndarray
    variance: float
    least_variance: float
    converged: bool


def principal_distortions(
    jacobians: Sequence[Jacobian], floors: Sequence[float], iterations: int, generator: np.random.Generator
) -> PrincipalDistortions:
    """The pair of distortions ε₁, ε₂ that makes the variance over models of log(‖J ε₁‖/‖J ε₂‖) as large as possible.

    The published objective, with a floor: ‖Jε‖² + f in place of ‖Jε‖². A stage with fewer units than the stimulus has
    values ignores some distortions entirely, and without a floor the ratio would have no bound. The floor is that of a
    model that also notices every direction a little. For two models, the pair are the generalized eigenvectors of their
    Fisher informations with floors, JᵀJ + f, with the largest and the smallest eigenvalue.

    The search is that of Davidson (1975, Journal of Computational Physics 17, 87-94): it finds the best pair in a
    subspace (``best_pair``), and adds the gradients at this pair to the subspace. For two models it has one maximum.
    For more, it starts from ``STARTS`` random subspaces, and the best result is kept.

    Parameters
    ----------
    jacobians
        Of at least two models, at the same stimulus.
    floors
        f of each model, a small part of its mean square sensitivity.
    iterations
        Largest number of iterations from each start; each needs products of two directions with J and Jᵀ of each model.
        If they end early, the variance is a lower bound of the largest one.
    generator
        Of the starts.

    Raises
    ------
    ValueError
        With fewer than two models.
    """
    if len(jacobians) < 2:
        raise ValueError(f"principal distortions compare models: at least two are needed, not {len(jacobians)}")
    raised = np.asarray(floors, dtype=np.float64)
    starts = 1 if len(jacobians) == 2 else STARTS
    attempts = []
    for _ in range(starts):
        pair, converged = _davidson(jacobians, raised, iterations, generator)
        distortions = np.stack([_signed(one) for one in pair.T])
        squares = np.array([jacobian.sensitivity(distortions) ** 2 for jacobian in jacobians])
        ratios = log_ratios(squares, raised)
        attempts.append((float(ratios.var()), distortions, ratios, converged))
    variance, distortions, ratios, converged = max(attempts, key=lambda one: one[0])
    return PrincipalDistortions(distortions, ratios, variance, min(one[0] for one in attempts), converged)


def _davidson(
    jacobians: Sequence[Jacobian], floors: np.ndarray, iterations: int, generator: np.random.Generator
) -> tuple[np.ndarray, bool]:
    """The search of ``principal_distortions`` from one start: the pair (value, pair), and whether it converged."""
    size = jacobians[0].size
    basis = np.linalg.qr(generator.standard_normal((size, min(PAIR, size))))[0]

    def products(vectors: np.ndarray) -> list[np.ndarray]:
        return [columns(jacobian.product(jacobian.directions(vectors.T))) for jacobian in jacobians]

    images, reached = products(basis), 0.0
    pair: np.ndarray | None = None
    ended = False
    for iteration in range(iterations + 1):
        informations = np.array([image.T @ image for image in images])
        informations += floors[:, None, None] * np.eye(basis.shape[1])
        pair, variance = best_pair(informations, pair)
        ended = variance - reached <= GAIN * variance
        if ended or iteration == iterations or basis.shape[1] == size:
            break
        reached = variance
        vectors, gradient = basis @ pair, np.zeros((size, PAIR))
        weights = _weights(informations, pair)
        for jacobian, image, floor, weight in zip(jacobians, images, floors, weights, strict=True):
            back = columns(jacobian.transposed(torch.from_numpy((image @ pair).T.copy()).to(jacobian.stimulus)))
            gradient += weight * (back + floor * vectors)
        for _ in range(2):  # once more: rounding would bring back directions of the basis
            gradient = np.linalg.qr(gradient - basis @ (basis.T @ gradient))[0]
        added = gradient[:, : size - basis.shape[1]]
        images = [np.hstack(both) for both in zip(images, products(added), strict=True)]
        basis = np.hstack([basis, added])
        pair = np.vstack([pair, np.zeros((added.shape[1], PAIR))])
    return basis @ pair, ended or basis.shape[1] == size


def _weights(informations: np.ndarray, pair: np.ndarray) -> np.ndarray:
    """Weights (model, pair) of the models' Fisher informations in the gradient of the variance of log ratios."""
    squares = np.einsum("vp,mvw,wp->mp", pair, informations, pair)
    ratios = 0.5 * np.log(squares[:, 0] / squares[:, 1])
    return 2 * (ratios - ratios.mean())[:, None] / len(ratios) * np.array([1, -1]) / squares


def best_pair(informations: np.ndarray, start: np.ndarray | None) -> tuple[np.ndarray, float]:
    """The pair of vectors that makes the variance over models of their log ratios as large as possible.

    Generalized eigenvectors for two models. For more, the best result of L-BFGS (Nocedal 1980) from the given pair, and
    from the generalized eigenvectors of each two of the models.

    Parameters
    ----------
    informations
        Fisher informations with floors, (model, value, value).
    start
        (value, pair), or None.

    Returns
    -------
    pair
        (value, pair), each of length 1.
    variance
        Of the log ratios.
    """
    size = informations.shape[1]
    of_two = []
    for one, other in itertools.combinations(informations, 2):
        values, vectors = eigh(one, other)
        of_two.append(vectors[:, [-1, 0]] / np.linalg.norm(vectors[:, [-1, 0]], axis=0))
    if len(informations) == 2:
        return of_two[0], float((0.25 * np.log(values[-1] / values[0])) ** 2)

    def evaluate(pair: np.ndarray) -> tuple[float, np.ndarray]:
        lengths = np.linalg.norm(pair.reshape(size, PAIR), axis=0)
        unit = pair.reshape(size, PAIR) / lengths
        squares = np.einsum("vp,mvw,wp->mp", unit, informations, unit)
        gradient = np.einsum("mp,mvw,wp->vp", _weights(informations, unit), informations, unit)
        gradient -= unit * np.einsum("vp,vp->p", unit, gradient)
        return -float((0.5 * np.log(squares[:, 0] / squares[:, 1])).var()), -(gradient / lengths).ravel()

    starts = of_two if start is None else [start, *of_two]
    results = [minimize(evaluate, one.ravel(), jac=True, method="L-BFGS-B") for one in starts]
    best = min(results, key=lambda result: result.fun)
    pair = best.x.reshape(size, PAIR)
    return pair / np.linalg.norm(pair, axis=0), -float(best.fun)


def exported(
    stimulus: np.ndarray, distortions: Mapping[str, np.ndarray], length: float, limits: tuple[float, float]
) -> dict[str, np.ndarray]:
    """The stimulus with each distortion, all of one length within the limits of valid values.

    Values beyond the limits are clipped, which makes a distortion shorter, and changes its shape where it has a few
    large values. So each distortion is scaled until its root mean square after clipping is ``length``, but no further
    than to a cosine with the distortion of ``SHAPE`` times that of a very small change (below 1 where values of the
    stimulus are at a limit). If one distortion does not reach ``length``, all have
    the length that it reaches.

    Parameters
    ----------
    stimulus
        (…signal).
    distortions
        Name → distortion (…signal), of length 1.
    length
        Largest root mean square over all values.
    limits
        Smallest and largest valid value.

    Returns
    -------
    dict
        Name → distorted stimulus (…signal).
    """

    def changed(distortion: np.ndarray, scale: float) -> np.ndarray:
        return np.clip(stimulus + scale * distortion, *limits) - stimulus

    def root_mean_square(distortion: np.ndarray, scale: float) -> float:
        return float(np.sqrt(np.square(changed(distortion, scale), dtype=np.float64).mean()))

    def cosine(distortion: np.ndarray, scale: float) -> float:
        change = changed(distortion, scale)
        norm = np.linalg.norm(change)
        return float((change * distortion).sum() / norm) if norm > 0 else 0.0

    def largest(holds: Callable[[float], bool], below: float) -> float:
        """The largest scale below ``below`` at which a condition holds that does not hold beyond it."""
        low, high = 0.0, below
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if holds(middle) else (low, middle)
        return low

    whole = (limits[1] - limits[0]) * np.sqrt(stimulus.size)  # no scale of a distortion needs to be larger
    least = {name: SHAPE * cosine(one, 1e-6 * whole) for name, one in distortions.items()}
    bounds = {
        name: largest(lambda scale, one=one, name=name: cosine(one, scale) >= least[name], whole)
        for name, one in distortions.items()
    }
    common = min(length, *(root_mean_square(one, bounds[name]) for name, one in distortions.items()))
    return {
        name: stimulus
        + changed(one, largest(lambda scale, one=one: root_mean_square(one, scale) <= common, bounds[name]))
        for name, one in distortions.items()
    }


def distortions_of_stimulus(
    models: Mapping[str, Model],
    stages: Mapping[str, str],
    generation_models: Sequence[str],
    stimulus: torch.Tensor,
    fits: Mapping[str, Fit],
    iterations: int,
    names: Sequence[str | int],
) -> xr.Dataset:
    """Eigendistortions of one stimulus for each generation model, principal distortions, and all models' sensitivities.

    Parameters
    ----------
    models, stages
        Models of one modality by name, and the stage of each.
    generation_models
        The models whose distortions are found. With at least two, the principal distortions are those of these models.
    stimulus
        (…signal), in the size or rate of the first model.
    fits
        Model → function that brings stimuli to its size or rate.
    iterations
        Largest number of iterations of each search.
    names
        The run seed and the name of the stimulus, from which random directions follow.

    Returns
    -------
    xarray.Dataset
        (generation_model, extreme, …signal) → ``distortion``, length 1; (generation_model, extreme) → ``residual``;
        (generation_model, extreme, sensing_model) → ``sensitivity``, ‖Jε‖; (sensing_model) → ``mean_sensitivity``, the
        square root of the mean of ‖Jε‖² over all directions, and ``sensing_stage``. With two generation models or more:
        (principal, …signal) → ``principal_distortion``; (principal, sensing_model) → ``principal_sensitivity``;
        ``principal_variance``, that of the log ratios over the generation models; ``principal_variance_least``, the
        smallest that the search reached from one of its starts (with two models it has one); ``principal_converged``.

    Raises
    ------
    ValueError
        As ``eigendistortions``.
    """
    jacobians = {name: Jacobian(model, stages[name], stimulus, fits[name]) for name, model in models.items()}
    squares = {
        name: jacobian.mean_square_sensitivity(generator_of(*names, name, stages[name], "mean"))
        for name, jacobian in jacobians.items()
    }
    extremes = {
        name: eigendistortions(
            jacobians[name], squares[name], iterations, generator_of(*names, name, stages[name], "extremes")
        )
        for name in generation_models
    }
    signal = MODALITIES[next(iter(models.values())).modality].dims
    rows = np.stack([[extremes[name][which].distortion for which in EXTREMES] for name in generation_models])
    flat = rows.reshape(-1, rows.shape[-1])
    sensitivities = np.stack([jacobian.sensitivity(flat) for jacobian in jacobians.values()], axis=-1)
    result = xr.Dataset(
        {
            "distortion": (
                ("generation_model", "extreme", *signal),
                rows.reshape(*rows.shape[:2], *stimulus.shape).astype(np.float32),
            ),
            "residual": (
                ("generation_model", "extreme"),
                [[extremes[name][which].residual for which in EXTREMES] for name in generation_models],
            ),
            "sensitivity": (
                ("generation_model", "extreme", "sensing_model"),
                sensitivities.reshape(*rows.shape[:2], -1),
            ),
            "mean_sensitivity": ("sensing_model", np.sqrt(list(squares.values()))),
        },
        coords={
            "generation_model": list(generation_models),
            "extreme": list(EXTREMES),
            "sensing_model": list(models),
            "sensing_stage": ("sensing_model", [stages[name] for name in models]),
        },
    )
    if len(generation_models) < 2:
        return result
    principal = principal_distortions(
        [jacobians[name] for name in generation_models],
        [FLOOR * squares[name] for name in generation_models],
        iterations,
        generator_of(*names, *(stages[name] for name in generation_models), "principal"),
    )
    sensitivities = np.stack([jacobian.sensitivity(principal.distortions) for jacobian in jacobians.values()], axis=-1)
    return result.assign(
        principal_distortion=(
            ("principal", *signal),
            principal.distortions.reshape(2, *stimulus.shape).astype(np.float32),
        ),
        principal_sensitivity=(("principal", "sensing_model"), sensitivities),
        principal_variance=principal.variance,
        principal_variance_least=principal.least_variance,
        principal_converged=principal.converged,
    ).assign_coords(principal=list(PRINCIPAL))


def distorted_stimuli(result: xr.Dataset, length: float) -> dict[tuple[float, str], dict[str, np.ndarray]]:
    """Natural stimuli, and these with each of their distortions at one length, as exported for participants.

    Parameters
    ----------
    result
        Results of ``distortions_of_stimulus`` with dimensions ``depth`` and ``stimulus``, and ``stimulus_value``.
    length
        Largest root mean square of the distortions of a stimulus at a position; see ``exported``.

    Returns
    -------
    dict
        (depth, stimulus) → name → values (…signal). The names are ``natural``, ``<generation_model>_most``,
        ``<generation_model>_least``, ``principal_first`` and ``principal_second``.
    """
    limits = MODALITIES[result.attrs["modality"]].limits
    made = {}
    for place, depth in enumerate(result["depth"].values):
        for stimulus in map(str, result["stimulus"].values):
            at = result.sel(stimulus=stimulus).isel(depth=place)
            natural = at["stimulus_value"].values
            distortions = {
                f"{name}_{extreme}": at["distortion"].sel(generation_model=name, extreme=extreme).values
                for name in at["generation_model"].values
                for extreme in EXTREMES
            }
            if "principal_distortion" in at:
                distortions |= {
                    f"principal_{which}": at["principal_distortion"].sel(principal=which).values for which in PRINCIPAL
                }
            made[float(depth), stimulus] = {NATURAL: natural} | exported(natural, distortions, length, limits)
    return made
