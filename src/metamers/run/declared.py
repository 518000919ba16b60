"""What a step declares of its files, paths, variables with dimensions and their meaning, and of its pages.

``SHARED`` has the meaning of variables that files of several steps have; a step's module ``files`` has that of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

NO_UNIT = ""  # of texts
# Variable → long name, if its unit is "1", a number without unit; or long name and unit of UDUNITS, which has no dB
# (0.1 lg(re 1) is the same) and no currencies.
Meanings = Mapping[str, str | tuple[str, str]]

# Measures of match; ``metamers.match.NULL_MEASURES`` has their functions.
MEASURE_MEANINGS: Meanings = {
    "spearman_rho": "Spearman rank correlation",
    "pearson_r": "Pearson correlation",
    "snr_db": ("signal-to-noise ratio, in dB, of activations, or of speech in noise", "0.1 lg(re 1)"),
}
MEASURE_NAMES = tuple(MEASURE_MEANINGS)
MATCH = ", ".join([*MEASURE_NAMES, "normalized_error"])
SHARED: Meanings = {
    # signals
    "stimulus_value": "natural stimulus",
    "metamer": "synthesized stimulus",
    "stimulus": ("stimulus", NO_UNIT),
    "category": ("category of the stimulus", NO_UNIT),
    "label": ("name of the stimulus's own class", NO_UNIT),
    # models and stages
    "model": ("model", NO_UNIT),
    "generation_model": ("generation model", NO_UNIT),
    "recognition_model": ("recognition model", NO_UNIT),
    "model_class": ("kind of the generation model", NO_UNIT),
    "generation_family": ("family of the generation model", NO_UNIT),
    "modality": ("modality", NO_UNIT),
    "stage": ("stage of the generation model", NO_UNIT),
    "stage_number": "position of the stage in the model's processing order, -1 if the model has no such stage",
    "stage_depth": "depth of the stage",
    "best_stage": ("stage that predicts the area best", NO_UNIT),
    "peak_memory": ("peak memory of a process that takes such steps, including model and software", "Mbyte"),
    "perturbation_size": "largest norm of the attack's perturbations",
    # synthesis, match and acceptance
    "seed": "seed of the noise that synthesis starts from",
    "steps": "number of steps taken",
    "converged": "1 if the match has reached the target of the synthesis, else 0",
    "loss": (
        "normalized error at the stage before the step; for several models, its root mean square; NaN after the last "
        "step"
    ),
    **MEASURE_MEANINGS,
    "normalized_error": "normalized error between activations",
    "predicted_category": ("category that the generation model gives the metamer", NO_UNIT),
    "natural_category": ("category that the generation model gives the natural stimulus, right or wrong", NO_UNIT),
    "stimulus_a": ("first stimulus of the pair", NO_UNIT),
    "stimulus_b": ("second stimulus of the pair", NO_UNIT),
    "accepted": "the match passes and, if the model has classes, the category is preserved",
    # recognition by models and participants
    "answer": ("category that the recognition model answers", NO_UNIT),
    "correct": "the answer is the stimulus's category",
    "categories": "number of categories",
    "participant": ("participant", NO_UNIT),
    "participants": "number of participants",
    "exhibit": ("name of the shown file, without suffix", NO_UNIT),
    "kind": ("feedback, practice, catch or main", NO_UNIT),
    "condition": ("condition of the simulated data; for Brain-Score, generation model and stage", NO_UNIT),
    # proportions, differences and their errors
    "proportion_correct": "proportion correct",
    "standard_error": "standard error; for a proportion of stimuli, from its score interval",
    "n": "number of observations",
    "low": "low end of the 95% interval",
    "high": "high end of the 95% interval",
    "guessing": "proportion correct by guessing, which is 0 in the normalized area",
    "difference": "difference in recognizability, model minus reference",
    "contrast": ("compared model and reference", NO_UNIT),
    "reference": ("model or procedure that the model is compared with", NO_UNIT),
    "power": "proportion of simulated experiments whose test finds the difference that they have",
    "participants_needed": "smallest number of participants from which on the power is at least the wanted one",
    # recognizability by other models
    "other_models": "mean recognizability by the other models, each family counted once",
    "other_models_standard_error": "standard error of the mean by the other models, over stimuli",
    "other_models_low": "low end of the 95% interval of other_models over stimuli",
    "other_models_high": "high end of the 95% interval of other_models over stimuli",
    # participants and their relation to models
    "point": "generation model and stage",
    "human_mean": "proportion correct, mean over participants",
    "human_sem": "standard error of the mean over participants",
    "human_n": "number of participants",
    "pearson_r2": "squared Pearson correlation of human and model means",
    "pearson_r2_low": "low end of the 95% interval over models of pearson_r2",
    "pearson_r2_high": "high end of the 95% interval over models of pearson_r2",
    "spearman_rho_low": "low end of the 95% interval over models of spearman_rho",
    "spearman_rho_high": "high end of the 95% interval over models of spearman_rho",
    "kendall_tau": "Kendall rank correlation (tau-b)",
    "kendall_tau_low": "low end of the 95% interval over models of kendall_tau",
    "kendall_tau_high": "high end of the 95% interval over models of kendall_tau",
    "noise_ceiling_r2": "split-half reliability of human means (Spearman-Brown corrected)",
    "noise_ceiling_r2_low": "low end of the 95% range over splits of noise_ceiling_r2",
    "noise_ceiling_r2_high": "high end of the 95% range over splits of noise_ceiling_r2",
    # test of metamers by participants
    "natural_difference": (
        "human proportion correct for the metamers minus that for natural stimuli, mean over participants with both"
    ),
    "natural_difference_low": (
        "low end of the 90% interval of natural_difference, widened by the error of the margin; the stage passes if "
        "both ends are within the margin"
    ),
    "natural_difference_high": "high end of the 90% interval of natural_difference, widened by the error of the margin",
    "p_equivalence": "p of the hypothesis that the absolute natural_difference is at least the margin",
    "p_worse": "p of the hypothesis that natural_difference is at least minus the margin",
    "passes_up_to": ("last stage that passes; empty if there is none, or no test", NO_UNIT),
    "fails_from": ("first stage that fails; empty if there is none, or no test", NO_UNIT),
    # prediction of human recognition, and what it depends on
    "predicted": "expected proportion correct of participants",
    "reason": ("why there is no prediction or no rank; empty where there is one", NO_UNIT),
    "item_kind": (
        "kind of an item on which the prediction or the entry depends: a kind of file, setting, software, version, "
        "model, dataset, code or answers",
        NO_UNIT,
    ),
    "item_name": ("path of the file, or name of the item", NO_UNIT),
    "fingerprint": (
        "SHA-256 of the file (NetCDF: of its content), hash of the code or entry, value of the setting, or version",
        NO_UNIT,
    ),
}


@dataclass(frozen=True)
class RunFile:
    """A NetCDF file of a run.

    Attributes
    ----------
    path
        Relative to the run's folder (a frozen prediction: to the working directory); names in angle brackets stand for
        any name.
    variables
        Dimensions → variables, both joined by ", ". No dimensions: a single value. ``signal`` stands for (channel, row,
        column) of pictures and (sample) of sounds. A variable whose name ends in ``?`` may be missing.
    coordinates
        Variables of one dimension, which has their name.
    meanings
        Those of variables that only files of this step have.
    """

    path: str
    variables: Mapping[str, str]
    coordinates: str = ""
    meanings: Meanings = field(default_factory=dict)

    @cached_property
    def dimensions(self) -> dict[str, str]:
        """Variable, with ``?`` where it may be missing → dimensions, joined by ", "."""
        dimensions = {name: size for size, names in self.variables.items() for name in names.split(", ")}
        coordinates = self.coordinates.split(", ") if self.coordinates else []
        return dimensions | {name: name.removesuffix("?") for name in coordinates}

    @cached_property
    def described(self) -> dict[str, tuple[str, str]]:
        """Variable → long name and unit."""
        names = [name.removesuffix("?") for name in self.dimensions]
        return described({name: self.meanings[name] if name in self.meanings else SHARED[name] for name in names})


def files_of(module: ModuleType) -> list[RunFile]:
    """The files that a module ``files`` declares, in its order."""
    return [one for one in vars(module).values() if isinstance(one, RunFile)]


def described(meanings: Meanings) -> dict[str, tuple[str, str]]:
    """Variable → long name and unit."""
    return {name: (meaning, "1") if isinstance(meaning, str) else meaning for name, meaning in meanings.items()}


@dataclass(frozen=True)
class Page:
    """A page of the report.

    Attributes
    ----------
    title
        In the navigation.
    reason
        What a run has if it has the page, from its plan (``metamers.plan.plan.Plan``); None: every run has it.
    """

    title: str
    reason: Callable[[Any], Any] | None = None

    def is_made(self, plan: Any) -> bool:
        """Whether a run has the page."""
        return self.reason is None or bool(self.reason(plan))
