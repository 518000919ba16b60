"""Training in the report: learning curves, and accuracy under attack, of the models that the run trains."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from metamers.compare.proportions import proportion_interval
from metamers.modalities import MODALITIES
from metamers.report.figures import BLUE, FAINT, INK, ORANGE, styled
from metamers.report.tables import Table, counted, percent

NORMS = {"l2": "L2", "linf": "L∞"}


def settings_of(trained: xr.Dataset) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Settings of training and of attack, and the registry entry of a model."""
    read = {name: json.loads(trained.attrs[name]) for name in ("model", "training", "attack")}
    return read["training"], read["attack"], read["model"]


def place_of(entry: Mapping[str, Any], on: str) -> str:
    """Name of the perturbed signal: the stimulus (``input``) or its preprocessed form (``preprocessing``)."""
    modality, preprocessing = MODALITIES[entry["modality"]], entry["input"].get("preprocessing")
    if on == "input" or preprocessing == "waveform":
        return modality.signal
    return modality.preprocessed if preprocessing in (None, "cochleagram") else "the preprocessed sound"


def perturbed(trained: xr.Dataset) -> str:
    """Perturbation of the training examples, in words."""
    training, _, entry = settings_of(trained)
    how = training["perturbation"]
    if how is None:
        return "nothing"
    what = f"{how['kind']}, {NORMS[how['norm']]} {how['size']:g} on {place_of(entry, how['on'])}"
    if how["kind"] != "adversarial":
        return what
    return f"{what}, {how['steps']} {'step' if how['steps'] == 1 else 'steps'}"


def proportion(right: float, n: int) -> tuple[float, float, float]:
    """A proportion of ``n`` answers with its 95% interval (``metamers.compare.proportions.proportion_interval``)."""
    found = proportion_interval(right, n)
    return right, float(found.low), float(found.high)


def accuracy(trained: xr.Dataset) -> dict[str, Any]:
    """Accuracy of one model on examples that are not in its training.

    Returns
    -------
    dict
        ``clean``: proportion correct on the test split, low, high; ``attacked``: the same for each perturbation size,
        (size, 3); ``n``, ``n_attacked``: numbers of examples.
    """
    _, attack, _ = settings_of(trained)
    n = int(trained["answers"].sum())
    attacked = min(n, attack["examples"])
    return {
        "clean": proportion(float(trained["test_accuracy"]), n),
        "attacked": np.array([proportion(float(value), attacked) for value in trained["adversarial_accuracy"].values]),
        "n": n,
        "n_attacked": attacked,
    }


def _percents(middle: float, low: float, high: float) -> str:
    return f"{100 * middle:.0f}% ({100 * low:.0f} to {100 * high:.0f})"


def training_table(trained: Mapping[str, xr.Dataset], unheard: bool) -> Table:
    """Training of each model, and its accuracy on examples that are not in its training.

    Parameters
    ----------
    trained
        Model → result of the rule ``train_model``. The attacks are the same for all models.
    unheard
        Whether all models were tested with voices that are in no training example.
    """
    rows = []
    for name, one in trained.items():
        training, _, _ = settings_of(one)
        result = accuracy(one)
        of_what = f"readout {training['readout']} only" if training["readout"] else "all weights"
        row = [name, perturbed(one), of_what, str(one.sizes["epoch"]), _percents(*result["clean"])]
        rows.append(row + [_percents(*values) for values in result["attacked"]])
    first = next(iter(trained.values()))
    attack = settings_of(first)[1]
    head = ["Model", "Perturbation in training", "Trained", "Epochs"]
    head.append("Test accuracy" + (" (unheard voices)" if unheard else ""))
    sizes = [f"Under attack, {NORMS[attack['norm']]} {size:g}" for size in first["perturbation_size"].values]
    return {"head": [*head, *sizes], "rows": rows}


def _best(results: Mapping[str, tuple[float, float, float]]) -> str:
    """Names of the models with the highest proportion correct, and this proportion with its interval."""
    highest = max(result[0] for result in results.values())
    names = [name for name, result in results.items() if result[0] == highest]
    return f"{', '.join(names)} {_percents(*results[names[0]])}"


def training_findings(trained: Mapping[str, xr.Dataset]) -> list[str]:
    """State the highest test accuracy of each modality's models, without and with the strongest attack.

    Parameters
    ----------
    trained
        As for ``training_table``.
    """
    said = []
    by_modality: dict[str, dict[str, xr.Dataset]] = {}
    for name, one in trained.items():
        by_modality.setdefault(settings_of(one)[2]["modality"], {})[name] = one
    for modality, models in by_modality.items():
        results = {name: accuracy(one) for name, one in models.items()}
        first = next(iter(models.values()))
        clean = {name: result["clean"] for name, result in results.items()}
        attacked = {name: tuple(map(float, result["attacked"][-1])) for name, result in results.items()}
        attack = f"{NORMS[settings_of(first)[1]['norm']]} {float(first['perturbation_size'][-1]):g}"
        least, chance = max(result[1] for result in clean.values()), 1 / first.sizes["category"]
        above = "above chance" if least > chance else "not shown to be above chance"
        n, n_attacked = (next(iter(results.values()))[name] for name in ("n", "n_attacked"))
        said.append(
            f"{MODALITIES[modality].title}: highest test accuracy of {counted(len(models), 'trained model')}: "
            f"{_best(clean)}, n = {n}, {above} ({percent(chance)}). Under attack ({attack}): {_best(attacked)}, "
            f"n = {n_attacked}."
        )
    return said


def attacked_places(trained: Mapping[str, xr.Dataset]) -> list[str]:
    """Names of the perturbed signals of the attacks, each once."""
    settings = [settings_of(one) for one in trained.values()]
    return list(dict.fromkeys(place_of(entry, attack["on"]) for _, attack, entry in settings))


@styled
def training_figure(trained: xr.Dataset) -> Figure:
    """Loss and accuracy over epochs, and accuracy under attack, of one model.

    Parameters
    ----------
    trained
        Result of the rule ``train_model``: (epoch) → ``train_loss``, ``train_accuracy``, ``validation_loss``,
        ``validation_accuracy``; (perturbation_size) → ``adversarial_accuracy``; ``test_accuracy``; ``answers``
        (category, answered_category).
    """
    training, attack, entry = settings_of(trained)
    chance = 1 / trained.sizes["category"]
    result = accuracy(trained)
    figure = Figure(figsize=(10, 3.9), layout="constrained")
    losses, accuracies, attacks = figure.subplots(1, 3)
    epochs = trained["epoch"].values
    for axes, what in ((losses, "loss"), (accuracies, "accuracy")):
        axes.plot(epochs, trained[f"train_{what}"], "o-", color=INK, markersize=4, label="training")
        axes.plot(
            epochs, trained[f"validation_{what}"], "s--", color=BLUE, markersize=4, markerfacecolor="white",
            label="validation",
        )  # fmt: skip
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    losses.set_ylim(bottom=0)
    losses.set(ylabel="Cross-entropy (nats)", title="Loss")
    accuracies.set(ylim=(-0.03, 1.05), ylabel="Proportion correct", title="Accuracy")

    middle, low, high = result["clean"]
    attacks.errorbar(
        0, middle, [[middle - low], [high - middle]], color=BLUE, marker="D", capsize=3, linestyle="none",
        label=f"test, not attacked (n = {result['n']})",
    )  # fmt: skip
    sizes = trained["perturbation_size"].values
    middle, low, high = result["attacked"].T
    attacks.errorbar(
        sizes, middle, [middle - low, high - middle], color=ORANGE, marker="^", capsize=3, markerfacecolor="white",
        label=f"attacked (n = {result['n_attacked']})",
    )  # fmt: skip
    how = training["perturbation"]
    if how and (how["on"], how["norm"]) == (attack["on"], attack["norm"]):
        label = f"{how['kind']} perturbations in training"
        attacks.axvline(how["size"], color=FAINT, linewidth=1.2, linestyle="-.", label=label, zorder=1)
    attacks.set(
        ylim=(-0.03, 1.05), xlim=(-0.08 * sizes.max(), 1.1 * sizes.max()), ylabel="Proportion correct",
        title="Under attack",
        xlabel=f"{NORMS[attack['norm']]} size of the perturbation\nof {place_of(entry, attack['on'])}",
    )  # fmt: skip
    label = f"chance (1 of {trained.sizes['category']})"
    named = {}
    for axes in (accuracies, attacks):
        axes.axhline(chance, color=INK, linewidth=0.9, linestyle=":", label=label)
        handles, labels = axes.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=3, fontsize=9.5)
    return figure
