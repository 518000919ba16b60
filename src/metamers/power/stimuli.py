"""Power over new stimuli: experiments whose stimuli are a random sample, crossed with their participants.

A test over participants shows whether other participants would give the same result with the same stimuli. It does not
show whether other stimuli would: a stimulus may be recognizable in the metamers of one model and not of the other, for
all participants alike, and the fewer stimuli there are, the less this averages out (Clark 1973, The
language-as-fixed-effect fallacy). In the simulated experiments, stimuli differ as participants do, in log odds of
recognition overall, in one model's metamers, and at one stage. Models are distinguished where the test over
participants and the same test over stimuli are both significant.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from metamers.compare.sign_flips import sign_flip_p

STIMULUS_COMPONENTS = ("stimulus", "model", "stage")
MODELS = 2
MOST_ANSWERS = 4_000_000  # answers simulated at a time, a limit of memory
FEWEST_STIMULI = 100  # smallest number of common stimuli of two models that count in ``stimulus_variance``


def stimuli_needed(trials: int, stages: int) -> int:
    """Compute how many distinct stimuli a participant needs to meet each once: trials at every stage of both models."""
    return trials * stages * MODELS


def deal_stimuli(
    trials: int, stages: int, stimuli: int, shape: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """Assign a stimulus (…, trial) to each trial of each participant.

    Each participant has an independent random order of the stimuli. They are assigned to the stages of the first model,
    then to those of the second, and again from the start when all have been used: with enough stimuli none occurs
    twice, and none occurs twice at a stage of a model before all others have occurred there.

    Parameters
    ----------
    trials, stages
        Number of trials of each model and stage, and number of stages of each model.
    stimuli
        Number of stimuli.
    shape
        For example (experiment, participant).
    """
    order = rng.permuted(np.broadcast_to(np.arange(stimuli), (*shape, stimuli)), axis=-1)
    return order[..., np.arange(stimuli_needed(trials, stages)) % stimuli]


def simulated_experiments(
    log_odds: np.ndarray,
    deviations: Sequence[float],
    stimulus_deviations: Sequence[float],
    trials: int,
    stimuli: int,
    participants: Sequence[int],
    experiments: int,
    rng: np.random.Generator,
    stimulus_rng: np.random.Generator,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Simulate experiments that have new participants and new stimuli each.

    Parameters
    ----------
    log_odds
        (2, stage): log odds of two models, around which participants and stimuli vary.
    deviations
        Standard deviations between participants, in log odds: over all metamers, over a model's, over a stage's.
    stimulus_deviations
        Standard deviations between stimuli, in log odds: over all metamers of a stimulus, over a model's, over a
        stage's.
    trials
        Number of trials of each participant, model and stage.
    stimuli
        Number of distinct stimuli of an experiment.
    participants
        Numbers of participants; an experiment with more participants includes those of the same experiment with fewer.
    experiments
        Number of experiments.
    rng, stimulus_rng
        Random generators of participants and answers, and of stimuli, so that other participants can meet the same
        stimuli.

    Yields
    ------
    number
        Number of participants.
    by_participant
        (experiment, participant): difference between the two models in proportion correct.
    by_stimulus
        (experiment, stimulus): contribution of each stimulus to the mean difference, which is the sum of the
        contributions. A trial counts as its answer minus the proportion correct at its stage over both models, so that
        a stimulus that occurred more often with one of the models contributes no difference between stages.
    """
    stages = log_odds.shape[1]
    conditions = MODELS * stages
    whole = trials * stages
    condition = np.arange(MODELS * whole) // trials
    of_stimuli = (
        log_odds.astype(np.float32)
        + _normal_deviates(stimulus_deviations, (experiments, stimuli), stages, stimulus_rng)
    ).ravel()
    first = (np.arange(experiments) * (stimuli * conditions))[:, None, None]  # place of each experiment's answers
    shape = (experiments, stimuli, MODELS, stages)
    asked, right = np.zeros((2, of_stimuli.size), dtype=int)
    differences = []
    before = 0
    for number in sorted(participants):
        added = number - before
        of_participants = _normal_deviates(deviations, (experiments, added), stages, rng).reshape(
            experiments, added, conditions
        )
        place = deal_stimuli(trials, stages, stimuli, (experiments, added), rng) * conditions + (first + condition)
        odds = of_stimuli[place]
        odds += np.repeat(of_participants, trials, axis=2)
        # u < 1 / (1 + exp(-x)) without a division, in place.
        np.exp(np.negative(odds, out=odds), out=odds)
        odds += 1
        odds *= rng.random(odds.shape, dtype=np.float32)
        correct = odds < 1
        by_model = np.count_nonzero(correct.reshape(experiments, added, MODELS, whole), axis=3)
        differences.append((by_model[..., 0] - by_model[..., 1]) / whole)
        asked += np.bincount(place.ravel(), minlength=asked.size)
        right += np.bincount(place[correct], minlength=right.size)
        before = number
        answers = right.reshape(shape)
        mean = answers.sum(axis=(1, 2), keepdims=True) / (number * MODELS * trials)
        models = (answers - asked.reshape(shape) * mean).sum(axis=3)
        yield number, np.concatenate(differences, axis=1), (models[..., 0] - models[..., 1]) / (number * whole)


def _normal_deviates(
    deviations: Sequence[float], shape: tuple[int, int], stages: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw normal deviates (*shape, 2, stage), the sum of one for all conditions, one per model, and one per condition.

    They are drawn row by row, so that experiments do not depend on the number drawn at a time.
    """
    drawn = rng.standard_normal((*shape, 1 + MODELS + MODELS * stages), dtype=np.float32)
    shared, of_model, of_stage = (np.float32(size) for size in deviations)
    models = shared * drawn[..., :1] + of_model * drawn[..., 1 : 1 + MODELS]
    return models[..., None] + of_stage * drawn[..., 1 + MODELS :].reshape(*shape, MODELS, stages)


def observed_differences(answers: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Compute the input of ``significant`` from real answers to the metamers of two models.

    Parameters
    ----------
    answers
        One row per trial: ``participant``, ``model``, ``stage``, ``stimulus``, ``correct`` (0 or 1). All participants
        have equally many trials of every model and stage; the stages of the two models have the same names.

    Returns
    -------
    by_participant, by_stimulus
        (participant,) and (stimulus,): as in ``simulated_experiments``, in order of first appearance.

    Raises
    ------
    ValueError
        When there are not two models, or numbers of trials differ.
    """
    models = answers["model"].unique()
    numbers = pd.crosstab(answers["participant"], [answers["model"], answers["stage"]]).to_numpy()
    if (
        len(models) != MODELS
        or numbers.min() != numbers.max()
        or answers["stage"].nunique() * MODELS != numbers.shape[1]
    ):
        raise ValueError(
            f"answers to {len(models)} models, with {numbers.min()} to {numbers.max()} trials per participant, model "
            "and stage; wanted two models with the same stages, and equally many trials of each"
        )
    sign = np.where(answers["model"] == models[0], 1.0, -1.0)
    departure = answers["correct"] - answers.groupby("stage")["correct"].transform("mean")
    whole = numbers.sum(axis=1)[0] // MODELS
    table = answers.assign(right=sign * answers["correct"] / whole, part=sign * departure / (whole * len(numbers)))
    by_participant = table.groupby("participant", sort=False)["right"].sum()
    return by_participant.to_numpy(), table.groupby("stimulus", sort=False)["part"].sum().to_numpy()


def significant(
    by_participant: np.ndarray, by_stimulus: np.ndarray, alpha: float, flips: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Test which experiments (experiment,) distinguish the models: over participants alone, and over stimuli as well.

    Parameters
    ----------
    by_participant, by_stimulus
        (experiment, participant) and (experiment, stimulus) of ``simulated_experiments``, or those of
        ``observed_differences`` as one experiment.
    alpha
        Level of both two-sided tests.
    flips
        As for ``metamers.compare.sign_flips.sign_flip_p``.
    """
    over_participants = sign_flip_p(by_participant, flips, rng) <= alpha
    return over_participants, over_participants & (sign_flip_p(by_stimulus, flips, rng) <= alpha)


def significant_experiments(
    log_odds: np.ndarray,
    deviations: Sequence[float],
    stimulus_deviations: Sequence[float],
    trials: int,
    stimuli: int,
    participants: Sequence[int],
    experiments: int,
    alpha: float,
    flips: int,
    rng: np.random.Generator,
    stimulus_rng: np.random.Generator,
) -> np.ndarray:
    """Test which simulated experiments are significant, (2, participants, experiment): fixed and random stimuli.

    The parameters are those of ``simulated_experiments`` and ``significant``.
    """
    answers = max(participants) * max(stimuli_needed(trials, log_odds.shape[1]), stimuli)
    chunk = max(1, MOST_ANSWERS // answers)
    samples_of: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {number: [] for number in participants}
    for start in range(0, experiments, chunk):
        size = min(chunk, experiments - start)
        drawn = simulated_experiments(
            log_odds, deviations, stimulus_deviations, trials, stimuli, participants, size, rng, stimulus_rng
        )
        for number, *both in drawn:
            samples_of[number].append(both)
    whole = (map(np.concatenate, zip(*parts, strict=True)) for parts in samples_of.values())
    return np.stack(
        [significant(by_participant, by_stimulus, alpha, flips, rng) for by_participant, by_stimulus in whole], axis=1
    )


def stimulus_variance(answers: xr.DataArray, families: Sequence[str]) -> np.ndarray:
    """Estimate how much stimuli differ for unrelated observers alike, as standard deviations of log odds.

    The method is that of ``metamers.power.participants.participant_variance``: by the delta method, a covariance over
    stimuli between the answers of two observers is that of log odds times p (1 - p) of both; the variances are
    least-squares estimates over all pairs of observers of different families. The answers of two observers have no
    common sampling error, so none is subtracted.

    Parameters
    ----------
    answers
        (recognition_model, generation_model, stage, stimulus): 1 for correct, 0 for wrong, NaN where not tested.
    families
        Family of each recognition model.

    Returns
    -------
    np.ndarray
        ``STIMULUS_COMPONENTS``: over all metamers of a stimulus, over one model's metamers of it, over one stage's.
        Estimates below 0 are set to 0.
    """
    table = answers.stack(condition=("generation_model", "stage")).transpose("recognition_model", "condition", ...)
    models = table["generation_model"].values
    values, known = table.fillna(0).values, table.notnull().values.astype(float)
    number = known.sum(axis=2)
    mean = values.sum(axis=2) / np.maximum(number, 1)
    departures = known * (values - mean[..., None])
    slope = mean * (1 - mean)
    same_model, same = models[:, None] == models, np.eye(len(models), dtype=bool)
    pairs = (~same_model, same_model & ~same, same)
    sums = np.zeros((2, len(pairs)))
    for one in range(len(families)):
        for other in range(one + 1, len(families)):
            if families[one] == families[other]:
                continue
            together = known[one] @ known[other].T
            weight = np.outer(slope[one], slope[other]) * (together >= FEWEST_STIMULI)
            covariance = departures[one] @ departures[other].T / np.maximum(together, 1)
            sums += [[(part * weight)[which].sum() for which in pairs] for part in (covariance, weight)]
    shared = np.divide(sums[0], sums[1], out=np.zeros(len(pairs)), where=sums[1] > 0)
    return np.sqrt(np.diff(shared.clip(0), prepend=0).clip(0))
