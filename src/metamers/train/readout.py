"""Training of linear readouts: logistic regression on pooled activations, tested on examples that it never saw.

The readout itself is in ``metamers.models.readout``. A readout that is a module of the network is trained in
``metamers.train.model``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.proportion import proportion_confint

from metamers.models.readout import FittedReadout

INVERSE_PENALTIES = 10.0 ** np.arange(-4, 3)  # scikit-learn's C, from the strongest L2 penalty to the weakest
MAX_ITERATIONS = 2000


def _validation_score(regression: Any, values: np.ndarray, labels: np.ndarray) -> float:
    """The negative cross-entropy of validation examples, which need not have all categories."""
    return -log_loss(labels, regression.predict_proba(values), labels=regression.classes_)


def fit_readout(
    training: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    categories: Sequence[str],
    stage: str,
    features: str | None = None,
) -> tuple[FittedReadout, float]:
    """Fit a multinomial logistic regression to standardized features.

    The strength of the L2 penalty is that with the lowest cross-entropy of the validation examples after a fit to the
    training examples; of few examples, many strengths would be equally accurate. The readout is then fitted to both.

    Parameters
    ----------
    training, validation
        Pooled activations (example, feature), and the number of the category of each example.
    categories
        All of them; each has training examples.
    stage, features
        As of ``FittedReadout``.

    Returns
    -------
    readout : FittedReadout
    inverse_penalty : float
        scikit-learn's C.
    """
    values, labels = (np.concatenate(parts) for parts in zip(training, validation, strict=True))
    in_validation = np.repeat([-1, 0], [len(training[1]), len(validation[1])])
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=MAX_ITERATIONS)),
        {"logisticregression__C": INVERSE_PENALTIES},
        scoring=_validation_score,
        cv=PredefinedSplit(in_validation),
    )
    scaler, regression = search.fit(values.astype(np.float64), labels).best_estimator_
    weight, intercept = regression.coef_, regression.intercept_
    if len(categories) == 2:  # scikit-learn has one score of two categories, the log odds of the second
        weight, intercept = np.stack([-weight[0], weight[0]]) / 2, np.array([-intercept[0], intercept[0]]) / 2
    readout = FittedReadout(stage, features, np.asarray(categories), scaler.mean_, scaler.scale_, weight, intercept)
    return readout, float(regression.C)


def readout_dataset(
    readout: FittedReadout,
    inverse_penalty: float,
    numbers: Mapping[str, int],
    held_out: tuple[np.ndarray, np.ndarray],
    settings: Mapping[str, Any],
) -> xr.Dataset:
    """The content of ``readouts/<model>.nc``: a readout, and its accuracy on held-out examples.

    Parameters
    ----------
    readout, inverse_penalty
        What ``fit_readout`` gives.
    numbers
        ``train`` and ``validation`` → number of examples.
    held_out
        Pooled activations (example, feature) of examples that the readout was not fitted to, and the number of the
        category of each.
    settings
        ``dataset`` and ``times_chance`` of ``metamers.config.models.Readout``.

    Returns
    -------
    xarray.Dataset
        (category, feature) → ``readout_weight``; (category) → ``readout_intercept``; (feature) → ``feature_mean``,
        ``feature_standard_deviation``; () → ``held_out_accuracy`` with ``_low`` and ``_high``, the ends of the exact
        95% interval (Clopper and Pearson 1934), ``held_out_examples``, ``train_examples``, ``validation_examples``,
        ``chance_accuracy``, ``accuracy_limit`` and ``inverse_penalty``.
    """
    values, labels = held_out
    right = int((readout.scores(values).argmax(axis=1) == labels).sum())
    low, high = proportion_confint(right, len(labels), method="beta")
    chance = 1 / len(readout.categories)
    return xr.Dataset(
        {
            "readout_weight": (("category", "feature"), readout.weight),
            "readout_intercept": ("category", readout.intercept),
            "feature_mean": ("feature", readout.mean),
            "feature_standard_deviation": ("feature", readout.standard_deviation),
            "held_out_accuracy": right / len(labels),
            "held_out_accuracy_low": float(low),
            "held_out_accuracy_high": float(high),
            "held_out_examples": len(labels),
            **{f"{split}_examples": number for split, number in numbers.items()},
            "chance_accuracy": chance,
            "accuracy_limit": settings["times_chance"] * chance,
            "inverse_penalty": inverse_penalty,
        },
        coords={"category": readout.categories, "feature": np.arange(len(readout.mean))},
        attrs={
            "stage": readout.stage,
            "dataset": settings["dataset"],
            **({"features": readout.features} if readout.features else {}),
        },
    )


def accuracy_in_words(readout: xr.Dataset) -> str:
    """The held-out accuracy of a readout with its interval, the number of examples, and chance, from its file."""
    return (
        f"{100 * float(readout['held_out_accuracy']):.0f}% of {int(readout['held_out_examples'])} held-out examples "
        f"(95% interval {100 * float(readout['held_out_accuracy_low']):.0f}% to "
        f"{100 * float(readout['held_out_accuracy_high']):.0f}%; chance {100 * float(readout['chance_accuracy']):.0f}%)"
    )


def described_readout(readout: xr.Dataset) -> str:
    """A readout in words, from its file: its stage, its dataset, and its held-out accuracy."""
    return (
        f"a linear readout of its stage {readout.attrs['stage']}, trained on {int(readout['train_examples'])} examples "
        f"of {readout.attrs['dataset']}, which names {accuracy_in_words(readout)} correctly"
    )


def refusal(readout: xr.Dataset, model: str) -> str:
    """Why a readout cannot make its model a recognition model, from its file; empty if it can."""
    if readout["held_out_accuracy_low"] >= readout["accuracy_limit"]:
        return ""
    times = float(readout["accuracy_limit"] / readout["chance_accuracy"])
    return (
        f"models: {model}.readout: from stage {readout.attrs['stage']!r} it names {accuracy_in_words(readout)}. The "
        f"lower end of the interval is below {100 * float(readout['accuracy_limit']):.0f}%, {times:g} times chance. "
        f"Name another `stage`, use more examples, lower `times_chance`, or leave {model} out of recognition_models"
    )
