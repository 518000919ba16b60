"""Complementary analyses run from the configuration to the page on small models, also with measured brain responses."""

import numpy as np
import pytest
import xarray as xr
import yaml

from metamers.brain import activations as brain_activations
from metamers.brain import responses as brain_responses
from metamers.brain import simulate as brain_simulate
from metamers.plan import plan as config
from metamers.plan.steps import merge_defaults
from metamers.run import files
from tests.workflow.runs import (
    HEARING,
    TRACED,
    calls_that_do_not_count,
    check_conventions,
    copy_of,
    counts,
    small_hearing,
    snakemake,
)

pytestmark = pytest.mark.slow

BRAIN = {
    "models": "generation", "dataset": None, "number": None, "responses": None, "splits": 2,
    "shuffles": 19,
    "simulated": {"model": "plain", "stage": "relu", "participants": 3, "voxels": 4, "repetitions": 2, "noise": 0.1},
}  # fmt: skip


@pytest.fixture(scope="module")
def analysed(root, tmp_path_factory):
    """The folder of a finished small run of untrained hearing models with a simulated brain."""
    folder = copy_of(root, tmp_path_factory.mktemp("analyses"))
    small_hearing(root, folder)
    settings = yaml.safe_load((folder / "hearing.yaml").read_text())
    attack = {"models": ["plain", "noisy"], "steps": 3, "step_size": 0.5, "audio": {"l2": [0.5, 5], "linf": [0.01]}}
    last = [{"model": name, "stages": ["final"]} for name in ("plain", "robust")]
    settings |= {"generation_models": last, "recognition_models": ["plain", "robust"]}
    settings["comparison"]["contrasts"] = []
    settings["analyses"] = {"vulnerability": attack, "brain": BRAIN, "similarity": {"models": "generation"}}
    (folder / "hearing.yaml").write_text(yaml.safe_dump(settings))
    # More to hear, so that there is something to regress on.
    table = (folder / "mine/table.csv").read_text().replace(",validation\n", ",test\n")
    (folder / "mine/table.csv").write_text(table)
    models = yaml.safe_load((folder / "mine/models.yaml").read_text())
    for seed, model in enumerate(models.values()):
        model["weights"] = {"random": seed}
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    snakemake(folder, "analyses", "report", *HEARING, first=TRACED)
    return folder


def test_only_code_that_counts_computes(root, analysed):
    assert calls_that_do_not_count(root, analysed) == set()


def test_every_analysis_makes_its_files(analysed):
    results = analysed / "results" / "hearing"
    assert "Nothing to be done" in snakemake(analysed, "analyses", *HEARING)
    attacked = files.load(results / "vulnerability/noisy.nc")
    assert attacked["perturbation_size"].values.tolist() == [0, 0.5, 5, 0, 0.01]
    assert attacked["correct"].sizes == {"attack": 5, "stimulus": 4}
    compared = files.load(results / "similarity/audio.nc")
    assert compared["representation_model"].values.tolist() == ["plain"] * 3 + ["robust"] * 3
    assert compared["representation_stage"].values.tolist() == ["cochleagram", "relu", "final"] * 2
    np.testing.assert_allclose(np.diag(compared["spearman_rho"]), 1)
    # Both models hear through the same cochleagram.
    assert float(compared["spearman_rho"][0, 3]) == pytest.approx(1)


def test_every_file_of_an_analysis_conforms_to_cf_and_acdd(analysed):
    check_conventions(analysed / "results" / "hearing")


def test_the_simulated_brain_is_found_and_is_called_simulated(analysed):
    results = analysed / "results" / "hearing"
    found = files.load(results / "brain/plain.nc")
    assert found["r2_corrected"].sizes == {"stage": 3, "voxel": 12, "split": 2}
    assert found["voxels_r2"].mean("participant").idxmax("stage") == "relu"
    assert float(found["signed_r2"].sel(stage="relu")) > 0.95
    assert found["shuffled_voxels_signed_r2"].sizes == {"shuffle": 19, "participant": 3, "stage": 3}
    assert "noiseless_voxels_r2" in found
    assert "simulated" in found.attrs["title"]
    assert files.load(results / "brain/responses/simulated.nc").attrs["title"].startswith("Simulated")
    page = (results / "report" / "analyses.html").read_text()
    assert "Simulated, not measured" in page
    assert "The signed R² of the stage that generated the voxels, relu of plain, is" in page
    assert "the proportion of orders that reach the stage’s value, at least 0.05" in page
    assert "Complementary analyses" in page


def test_one_s_own_responses_take_the_place_of_the_simulated(analysed):
    """Measured responses from a file whose stimuli have another order."""
    activations = files.load(analysed / "results/hearing/activations/tones/plain.nc")
    names = activations["stimulus"].values
    own = brain_simulate.simulated_brain(
        brain_activations.features_by_stage(activations)["final"], names, 2, 3, 3, noise=0.1, seed=7
    )[::-1]
    own.to_dataset().to_netcdf(analysed / "mine/responses.nc")
    settings = yaml.safe_load((analysed / "hearing.yaml").read_text())
    settings["analyses"]["brain"]["responses"] = "mine/responses.nc"
    (analysed / "own.yaml").write_text(yaml.safe_dump(settings | {"run": "own"}))
    snakemake(analysed, "results/own/brain/plain.nc", "--configfile", "own.yaml")
    found = files.load(analysed / "results/own/brain/plain.nc")
    assert found["participant"].sizes == {"participant": 2}
    assert "simulated" not in found.attrs["title"]
    assert not (analysed / "results/own/brain/responses").exists()


def test_what_is_left_out_has_no_job(analysed):
    settings = yaml.safe_load((analysed / "hearing.yaml").read_text())
    off = {"vulnerability": None, "brain": BRAIN | {"models": []}, "similarity": {"models": []}}
    (analysed / "off.yaml").write_text(yaml.safe_dump(settings | {"run": "off", "analyses": off}))
    jobs = counts(snakemake(analysed, "-n", "--configfile", "off.yaml"))
    assert not {rule for rule in jobs if rule.startswith(("vulnerability", "brain", "report_vuln", "report_brain"))}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vulnerability": {"models": ["plain_"]}}, "analyses.vulnerability.models.0: unknown model 'plain_'. Valid"),
        ({"vulnerability": {"vision": None}}, "analyses.vulnerability.vision: found null; wanted sizes of the attacks"),
        (
            {"brain": {"models": ["efficientnet_lite0"]}},
            "is of modality 'vision', but the stimuli of .* are of 'audio'",
        ),
        ({"brain": {"dataset": "words"}}, "analyses.brain.dataset: unknown dataset 'words'"),
        ({"brain": {"responses": "no.nc"}}, "analyses.brain.responses: there is no file no.nc"),
        (
            {"brain": {"simulated": {"stage": "relu9"}}},
            r"analyses.brain.simulated.stage \(cochcnn9_standard\): unknown",
        ),
    ],
)
def test_a_wrong_analysis_is_said_before_the_first_job(root, monkeypatch, change, message):
    monkeypatch.chdir(root)
    with pytest.raises(config.ConfigurationError, match=message):
        config.make_plan(merge_defaults({"analyses": change}))


def test_too_few_stimuli_for_a_regression_are_said_before_the_first_job(root, tmp_path, monkeypatch):
    small_hearing(root, tmp_path)
    monkeypatch.chdir(tmp_path)
    settings = yaml.safe_load((tmp_path / "hearing.yaml").read_text()) | {"analyses": {"brain": BRAIN}}
    message = r"analyses.brain.dataset: 'tones' has 6 stimuli of split test; .* needs 8 at least. .*brain: null"
    with pytest.raises(config.ConfigurationError, match=message):
        config.make_plan(merge_defaults(settings))


def test_a_run_of_images_alone_leaves_brains_that_hear_out_by_itself(root, monkeypatch):
    monkeypatch.chdir(root)
    seeing = {"generation_models": ["efficientnet_lite0"], "recognition_models": ["efficientnet_lite1"]}
    found = config.make_plan(merge_defaults(seeing | {"comparison": {"contrasts": []}})).analyses
    assert found.brain.models == found.brain.datasets == []
    assert found.vulnerability.models == found.similarity.models == ["efficientnet_lite0"]


@pytest.mark.parametrize("missing", ["response", "participant", "stimulus"])
def test_a_file_that_holds_no_responses_is_said(missing):
    made = brain_simulate.simulated_brain(
        np.random.default_rng(0).standard_normal((9, 3)), list("abcdefghi"), 2, 2, 2, 1, 0
    )
    with pytest.raises(ValueError, match=r"wanted response \(stimulus, voxel, repetition\)"):
        brain_responses.read_responses(made.to_dataset().drop_vars(missing))
    xr.testing.assert_equal(brain_responses.read_responses(made.to_dataset()), made)
