"""Benchmark of a plugin for Brain-Score: recognition of metamers by a model, correlated with that by participants.

The workflow copies this file into the plugin, where it needs only the packages of Brain-Score.
"""

import json

import numpy as np
from brainscore_core.metrics import Metric, Score
from brainscore_core.supported_data_standards.brainio.assemblies import BehavioralAssembly
from brainscore_vision import load_dataset, load_stimulus_set
from brainscore_vision.benchmark_helpers import bound_score
from brainscore_vision.benchmarks import BenchmarkBase
from brainscore_vision.model_interface import BrainModel


def r2_of_positive_correlation(candidate: np.ndarray, participants: np.ndarray) -> float:
    """Square of Pearson's correlation of two series; 0 where it is not positive, or where a series is constant."""
    if np.ptp(candidate) == 0 or np.ptp(participants) == 0:
        return 0.0
    return float(max(np.corrcoef(candidate, participants)[0, 1], 0) ** 2)


class RecognizabilityR2(Metric):
    """R² of a candidate's proportions correct with the means over participants, over conditions.

    Feather et al. (2023, Fig. 8) compare participants with other models in this way, and the noise ceiling of R²
    follows from the agreement of participants. R² does not depend on the candidate's mean and scale. A negative
    correlation scores 0.
    """

    def __call__(self, candidate: BehavioralAssembly, participants: BehavioralAssembly) -> Score:
        """Compare (presentation,) with (presentation, subject), both with the coordinate ``condition``.

        Returns
        -------
        Score
            R². Its attribute ``error`` is the standard error over participants (jackknife).
        """
        order = {str(name): place for place, name in enumerate(candidate["condition"].values)}
        values = candidate.values[[order[str(name)] for name in participants["condition"].values]]
        answers = participants.transpose("presentation", "subject").values
        score = Score(r2_of_positive_correlation(values, answers.mean(axis=1)))
        number = answers.shape[1]
        left_out = [
            r2_of_positive_correlation(values, np.delete(answers, i, axis=1).mean(axis=1)) for i in range(number)
        ]
        score.attrs["error"] = float(np.sqrt((number - 1) * np.var(left_out)))
        return score


class HumanRecognizability(BenchmarkBase):
    """Recognition of model metamers by a candidate model, compared with that by participants.

    The candidate sees each metamer in the full size of its input: participants saw the images in browsers, so their
    size in degrees of visual angle is not known. It chooses one of the categories that participants chose
    from, and its proportion correct in each condition (the metamers of one stage of one model) is compared with
    participants.

    Parameters
    ----------
    data
        Identifier of the data assembly and of the stimulus set.
    identifier, parent, bibtex
        Of the benchmark.
    """

    def __init__(self, data: str, identifier: str, parent: str, bibtex: str):
        self._data, self._metric, self._participants = data, RecognizabilityR2(), load_dataset(data)
        super().__init__(identifier=identifier, ceiling_func=None, version=1, parent=parent, bibtex=bibtex)

    @property
    def ceiling(self) -> Score:
        """The noise ceiling of R²; ``error`` is a quarter of the width of its 95% interval over participants.

        It is not stored by identifier, as by the base class, because participants may be added.
        """
        known = self._participants.attrs
        ceiling = Score(float(known["noise_ceiling_r2"]))
        ceiling.attrs["error"] = (
            float(known["noise_ceiling_r2_participants_high"] - known["noise_ceiling_r2_participants_low"]) / 4
        )
        return ceiling

    def __call__(self, candidate: BrainModel) -> Score:
        """Let a candidate recognize the metamers, and compare it with participants.

        Returns
        -------
        Score
            R² divided by the noise ceiling, from 0 to 1. Attributes: ``raw`` (R²), ``ceiling``, ``error`` (of ``raw``,
            divided by the ceiling), and ``recognition``, an assembly (observer, presentation) with the proportions
            correct of ``candidate`` and ``human``.
        """
        stimuli = load_stimulus_set(self._data)
        choices = json.loads(self._participants.attrs["choices"])
        candidate.start_task(BrainModel.Task.label, choices)
        answered = candidate.look_at(stimuli, number_of_trials=1)
        answers = dict(zip(answered["stimulus_id"].values, answered.values.ravel(), strict=True))
        correct = np.array([answers[name] for name in stimuli["stimulus_id"]]) == stimuli["truth"].to_numpy()
        conditions = self._participants["condition"].values
        coords = {
            name: ("presentation", self._participants[name].values)
            for name in ("condition", "generation_model", "stage")
        }
        proportions = [correct[(stimuli["condition"] == condition).to_numpy()].mean() for condition in conditions]
        recognized = BehavioralAssembly(proportions, coords=coords, dims=["presentation"])
        raw, ceiling = self._metric(recognized, self._participants), self.ceiling
        score = Score(raw.values / ceiling.values)
        bound_score(score)
        score.attrs |= {
            "error": raw.attrs["error"] / float(ceiling),
            "ceiling": ceiling,
            Score.RAW_VALUES_KEY: raw,
            "recognition": BehavioralAssembly(
                np.stack([recognized.values, self._participants.mean("subject").values]),
                coords={"observer": ["candidate", "human"], **coords},
                dims=["observer", "presentation"],
            ),
        }
        return score
