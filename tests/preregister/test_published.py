"""Published models that are left out: the prediction is better than the reference by depth, as the documentation says."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

from metamers.compare.predicted_human import GUESSING, fit_relation
from metamers.humans.summary import read_results
from metamers.leaderboard.curves import DEPTH_COLUMNS
from metamers.power.participants import VARIANCE_COLUMNS
from metamers.preregister.freeze import SAMPLES, answer_variance, rates_by_depth, reference_proportions
from metamers.preregister.score import Judged, score_stage
from metamers.report.preregistered import CLEAR
from studies.simulations.predicted import published_points
from tests.preregister.made_up import PUBLISHED

TRIALS = 10


@pytest.fixture(scope="module")
def left_out():
    """One row for each stage of each published model: log scores, and whether it is inside the intervals."""
    relation = published_points(PUBLISHED)
    depths = read_results(PUBLISHED / "stage_depth.csv", DEPTH_COLUMNS)
    variance = read_results(PUBLISHED / "participant_variance.csv", VARIANCE_COLUMNS)
    rows = []
    for modality, chance in GUESSING.items():
        points = relation.sel(modality=modality)
        points = points.isel(point=np.flatnonzero(points["human_mean"].notnull()))
        models = points["generation_model"].values
        for model in dict.fromkeys(models):
            own, others = (points.isel(point=np.flatnonzero(chosen)) for chosen in (models == model, models != model))
            of_model = depths[(depths["modality"] == modality) & (depths["generation_model"] == model)]
            depth = of_model.set_index("stage")["depth"].loc[own["stage"].values].to_numpy()
            other, number = own["model_mean"].values, own.sizes["point"]
            means = fit_relation(others, chance).expected(other, np.zeros(number), chance, SAMPLES)
            references = reference_proportions(rates_by_depth(others, depths, depth, modality), chance)
            for stage in range(number):
                trials = np.full(int(own["human_n"].values[stage]), TRIALS)
                people = Judged(trials, round(float(own["human_mean"].values[stage]) * trials.sum()))
                found = score_stage(
                    people, means[stage], references[stage], chance, answer_variance(variance, modality)
                )
                score, reference = found["log_score"], found["log_score_depth"]
                rows.append((modality, model, score, reference, score - reference, *found["inside"]))
    return pd.DataFrame(rows, columns=["modality", "model", "score", "by_depth", "difference", "50", "80", "95"])


def test_the_prediction_is_better_than_depth_for_published_models(left_out):
    by_model = left_out.groupby(["modality", "model"])["difference"].sum()
    assert by_model["vision"].gt(0).mean() > 0.8
    assert by_model["audio"].gt(0).mean() > 0.8
    assert left_out[["50", "80", "95"]].mean().to_list() == pytest.approx([0.5, 0.8, 0.95], abs=0.05)


def test_the_documentation_has_these_scores(left_out, root):
    text = (root / "docs" / "explanation" / "preregistration.md").read_text(encoding="utf-8").replace("−", "-")
    for modality, own in left_out.groupby("modality"):
        by_model = own.groupby("model")["difference"].sum()
        error = by_model.std(ddof=1) * np.sqrt(len(by_model)) / len(own)
        wanted = [len(own), len(by_model), own["score"].mean(), own["by_depth"].mean(), own["difference"].mean(), error]
        wanted += [by_model.gt(0).sum(), len(by_model), *(100 * own[["50", "80", "95"]].mean())]
        (row,) = re.findall(rf"^\| {modality} \|(.*)$", text, re.MULTILINE)
        shown = [float(value) for value in re.findall(r"-?\d+\.?\d*", row)]
        np.testing.assert_allclose(shown[:8], wanted[:8], atol=0.0051)
        np.testing.assert_allclose(shown[8:], wanted[8:], atol=0.51)


def test_the_documentation_says_how_many_models_decide(left_out, root):
    text = (root / "docs" / "explanation" / "preregistration.md").read_text(encoding="utf-8").replace("−", "-")
    shares = []
    for number in (1, 2):
        for modality in GUESSING:
            own = left_out[left_out["modality"] == modality].groupby("model")["difference"].mean()
            shares.append(100 * np.mean([sum(chosen) >= CLEAR for chosen in itertools.combinations(own, number)]))
    shown = re.search(r"(\d+)% [^\d.]*(\d+)% [^\d.]*(\d+)% [^\d.]*(\d+)% [^\d.]*pairs", text)
    np.testing.assert_allclose(list(map(float, shown.groups())), shares, atol=0.51)
    own = left_out.groupby("model")["difference"].mean()
    assert own[own <= -CLEAR].index.tolist() == ["AlexNet (Linf 8/255 adversarial)"]
    assert re.search(rf"{re.escape(own.idxmin())}[^.]*[^.\d]{own.min():.2f}\b", text)
