"""Simulations of ``metamers.compare.chance``: kappa of observers who answer at random, coverage of its interval."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from metamers.compare.chance import cohens_kappa
from studies.simulations.results import Simulated, coverage

STIMULI = (6, 10, 20)
LEAST = 0.92
EXACT = "; exact intervals of few answers cover more than 95%"
NEAR = 0.03  # largest accepted distance of mean kappa from 0 where answers do not depend on the category


@dataclass(frozen=True)
class Observer:
    """The answers of a simulated observer.

    Attributes
    ----------
    name
        In words.
    knows
        Probability of the correct answer.
    confuses
        Probability of the category after the correct one, a systematic confusion.
    preferred
        Proportion of the first category among all other answers, which do not depend on the stimulus; the remaining
        categories are equally frequent. NaN: the first category is as frequent as they are.
    """

    name: str
    knows: float
    confuses: float
    preferred: float

    def others(self, categories: int) -> np.ndarray:
        """Return the probability of each answer that does not depend on the stimulus."""
        preferred = 1 / categories if np.isnan(self.preferred) else self.preferred
        return np.array([preferred, *[(1 - preferred) / (categories - 1)] * (categories - 1)])

    def given(self, categories: int) -> np.ndarray:
        """Return the probability of each answer given the category: (category, answer)."""
        eye = np.eye(categories)
        drawn = (1 - self.knows - self.confuses) * self.others(categories)
        return self.knows * eye + self.confuses * np.roll(eye, 1, axis=1) + drawn


RANDOM = [
    Observer("answers at random, each category equally often", 0, 0, np.nan),
    Observer("answers at random, one category to 80%", 0, 0, 0.8),
    Observer("always gives the same answer", 0, 0, 1),
]
KNOWING = [
    Observer("knows 10%, else gives the same answer", 0.1, 0, 1),
    Observer("knows 50%, else answers at random", 0.5, 0, np.nan),
    Observer("knows 50%, else gives one answer to 80%", 0.5, 0, 0.8),
    Observer("knows 90%, else gives the same answer", 0.9, 0, 1),
]
CONFUSING = [Observer("knows 30%, always confuses the others", 0.3, 0.7, 1)]
# Name → number of categories, and their probabilities; None where they are shown equally often.
SHOWN = {
    "each of 2 categories equally often": (2, None),
    "each of 20 categories at most once": (20, None),
    "20 categories drawn at random": (20, np.full(20, 1 / 20)),
    "2 categories drawn, one for 80%": (2, np.array([0.8, 0.2])),
}
SEEDS = (1, 3)


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Simulate observers with known kappa and few stimuli."""
    rng = np.random.default_rng(seed)
    for stimuli, (shown, (categories, probabilities)), observer, seeds in product(
        STIMULI, SHOWN.items(), [*RANDOM, *KNOWING, *CONFUSING], SEEDS
    ):
        if observer in CONFUSING and probabilities is not None:
            continue  # the documentation states that this case is not covered
        if probabilities is None:
            which = np.broadcast_to(np.arange(stimuli) % categories, (samples, stimuli))
            expected = np.bincount(which[0], minlength=categories) / stimuli
        else:
            which, expected = rng.choice(categories, (samples, stimuli), p=probabilities), probabilities
        answers = _answers(observer, which, categories, seeds, rng)
        eye = np.eye(categories)
        found = cohens_kappa(eye[answers].mean(axis=-2), eye[which])
        given = observer.given(categories)
        correct, chance = (expected * np.diag(given)).sum(), (expected @ given * expected).sum()
        truth = (correct - chance) / (1 - chance)
        defined = np.isfinite(found.kappa)
        condition = f"{stimuli} stimuli, {shown}; a judge that {observer.name}" + (
            f"; {seeds} seeds" if seeds > 1 else ""
        )
        value, low, high = (one[defined] for one in (found.kappa, found.low, found.high))
        yield coverage("Cohen's κ of a judge", f"{condition}{EXACT}", value, (low, high), truth, LEAST, most=1)
        if observer in RANDOM:
            values = found.kappa[defined]
            error = float(values.std() / np.sqrt(len(values)))
            outcome = "distance of its mean from 0"
            mean = abs(float(values.mean()))
            yield Simulated("Cohen's κ of a judge", condition, outcome, mean, error, 0, NEAR, len(values))


def _answers(
    observer: Observer, which: np.ndarray, categories: int, seeds: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw answers (sample, stimulus, seed) to metamers of stimuli with these categories (sample, stimulus)."""
    shape = (*which.shape, seeds)
    right, known = which[..., None], rng.random(shape)
    drawn = rng.choice(categories, shape, p=observer.others(categories))
    confused = np.where(known < observer.knows + observer.confuses, (right + 1) % categories, drawn)
    return np.where(known < observer.knows, right, confused)
