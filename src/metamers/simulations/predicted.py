"""Simulations of ``metamers.compare.predicted_human``: the best relation for left-out models, and its coverage."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit

from metamers.compare.humans_vs_models import humans_vs_models
from metamers.compare.predicted_candidates import KEPT, candidate_table, left_out_scores
from metamers.compare.predicted_human import (
    GUESSING,
    Relation,
    above_chance,
    coverage_by_third,
    fit_relation,
    log_odds,
    predict_human,
    predict_left_out_models,
    published_relation,
    spreads,
)
from metamers.compare.proportions import Interval, proportion_interval
from metamers.humans.summary import CEILING_COLUMNS, COLUMNS, pooled_points, read_results
from metamers.simulations.results import Simulated

STIMULI = (400, 20, 10, 6)
NEW = 20  # new models' metamers that each fitted relation predicts
FITS = 40  # samples per fitted data set; a fit takes half a second
LEAST, MOST = 0.90, 0.98
MANY = 100  # with fewer points, the upper bound of the coverage allows one point outside its interval
EFFECTS = {"normal effects": None, "effects of models by Student's t with 4 degrees of freedom": 4}


def published_points(published: Path) -> xr.Dataset:
    """Return the published points of both modalities, in the form of ``humans_vs_models``."""
    ceilings = read_results(published / "noise_ceiling.csv", CEILING_COLUMNS)
    points = pooled_points(read_results(published / "group_results.csv", COLUMNS))
    unused = {modality: {"public": 0, "judges": 0} for modality in GUESSING}  # numbers of recognition models
    return humans_vs_models(points, ceilings, unused, bootstrap=2, seed=0)


def human_means(
    truth: Relation,
    other: np.ndarray,
    models: np.ndarray,
    participants: np.ndarray,
    t: int | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw human means (point,) that follow a relation, for the metamers of several models."""
    rate = above_chance(other, truth.chance)
    between, within = spreads(truth.parameters[2:], rate)
    effects = rng.standard_normal(models.max() + 1) if t is None else rng.standard_t(t, models.max() + 1) / np.sqrt(2)
    odds = truth.parameters[0] + np.exp(truth.parameters[1]) * log_odds(rate)
    odds = odds + between * effects[models] + within * rng.standard_normal(len(other))
    right = truth.chance + (1 - truth.chance) * expit(odds)
    count = np.rint(truth.answers * participants).astype(int)
    return rng.binomial(count, right.clip(0, 1)) / count


def _coverage(
    points: xr.Dataset, modality: str, fits: int, t: int | None, rng: np.random.Generator
) -> dict[int, list[np.ndarray]]:
    """Test whether intervals cover new metamers of typical published models: number of stimuli → (fit,) of arrays."""
    truth = published_relation(points, modality)
    known = points.sel(modality=modality)
    known = known.isel(point=np.flatnonzero(known["human_mean"].notnull()))
    other, participants = known["model_mean"].values, known["human_n"].values
    _, models = np.unique(known["generation_model"].values, return_inverse=True)
    held: dict[int, list[np.ndarray]] = {stimuli: [] for stimuli in STIMULI}
    for _ in range(fits):
        again = human_means(truth, other, models, participants, t, rng)
        sem = np.sqrt(again * (1 - again) / (truth.answers * participants))
        fitted = fit_relation(known.assign(human_mean=("point", again), human_sem=("point", sem)), truth.chance)
        new = rng.choice(other, NEW)
        measured = human_means(truth, new, np.arange(NEW), np.full(NEW, truth.participants), t, rng)
        for stimuli in STIMULI:
            # A mean over as many stimuli as in the published experiments is nearly exact, as in the published points.
            seen = Interval(new, np.zeros(NEW), new, new)
            if stimuli < max(STIMULI):
                seen = proportion_interval(rng.binomial(stimuli, new) / stimuli, np.full(NEW, stimuli))
            _, low, high = predict_human(seen, fitted, truth.chance).T
            has_interval = np.isfinite(low)
            held[stimuli].append(((low <= measured) & (measured <= high))[has_interval])
    return held


def _candidates(table: pd.DataFrame, models: int) -> Iterator[Simulated]:
    for name, row in table.drop(KEPT).iterrows():
        yield Simulated(
            "relation of people to other models",
            f"{KEPT}, against: {name}",
            "log score of left-out models, advantage",
            float(table.loc[KEPT, "both"] - row["both"]),
            float(row["standard_error"]),
            0,
            np.inf,
            models,
        )


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Test candidates and coverage on left-out published models, and coverage in data with a known relation."""
    points = published_points(published)
    scores = left_out_scores(points)
    yield from _candidates(candidate_table(scores), scores["generation_model"].nunique())
    for row in coverage_by_third(predict_left_out_models(points)).itertuples():
        found = row.covered / row.points
        part = "all stages" if row.part == "all" else f"{row.part} of the human scale"
        # With few points, a single one outside may be more than 2%. The middle third, with the fewest, has no bounds.
        most = MOST if row.points >= MANY else max(MOST, 1 - 1 / row.points)
        least, most = (0, 1) if row.part == "middle third" else (LEAST, most)
        condition = f"published models left out whole, {row.modality}, {part}"
        error = np.sqrt(found * (1 - found) / row.points)
        yield Simulated("predicted human recognizability", condition, "coverage", found, error, least, most, row.points)
    rng = np.random.default_rng(seed)
    for modality in GUESSING:
        for name, t in EFFECTS.items():
            held = _coverage(points, modality, max(samples // FITS, 5), t, rng)
            for stimuli, by_fit in held.items():
                covered = np.concatenate(by_fit)
                error = np.std([one.mean() for one in by_fit if len(one)], ddof=1) / np.sqrt(len(by_fit))
                condition = f"known relation, {modality}, {name}, {stimuli} stimuli"
                yield Simulated(
                    *("predicted human recognizability", condition, "coverage", float(covered.mean()), float(error)),
                    *(LEAST, MOST if stimuli == max(STIMULI) else 1, len(covered)),
                )
