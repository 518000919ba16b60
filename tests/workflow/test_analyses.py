"""Complementary analyses run from the configuration to the page on small models, also with measured brain responses."""

import re
import shutil

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
from tests.workflow.runs import BRAIN, HEARING, counts, small_hearing, snakemake

pytestmark = pytest.mark.slow


def test_every_analysis_makes_its_files(heard):
    results = heard / "results" / "hearing"
    assert "Nothing to be done" in snakemake(heard, "analyses", *HEARING)
    attacked = files.load(results / "vulnerability/noisy.nc")
    assert attacked["perturbation_size"].values.tolist() == [0, 0.5, 5, 0, 0.01]
    assert attacked["correct"].sizes == {"attack": 5, "stimulus": 4}
    compared = files.load(results / "similarity/audio.nc")
    assert compared["representation_model"].values.tolist() == ["plain"] * 3 + ["robust"] * 3
    assert compared["representation_stage"].values.tolist() == ["cochleagram", "relu", "final"] * 2
    np.testing.assert_allclose(np.diag(compared["spearman_rho"]), 1)
    # Both models hear through the same cochleagram.
    assert float(compared["spearman_rho"][0, 3]) == pytest.approx(1)


def test_the_simulated_brain_is_found_and_is_called_simulated(heard):
    results = heard / "results" / "hearing"
    found = files.load(results / "brain/plain.nc")
    assert found["r2_corrected"].sizes == {"stage": 3, "voxel": 12, "split": 2}
    assert found["voxels_r2"].mean("participant").idxmax("stage") == "relu"
    assert float(found["signed_r2"].sel(stage="relu")) > 0.95
    assert found["shuffled_voxels_signed_r2"].sizes == {"shuffle": 19, "participant": 3, "stage": 3}
    assert "noiseless_voxels_r2" in found
    assert "simulated" in found.attrs["title"]
    assert files.load(results / "brain/responses/simulated.nc").attrs["title"].startswith("Simulated")
    page = (results / "report" / "analyses.html").read_text()
    section = re.search(r'<section aria-labelledby="brain">.*?</section>', page, flags=re.DOTALL)[0]
    assert 'class="warning"' in section
    assert re.search(rf"relu of plain\b.* {found['signed_r2'].sel(stage='relu'):.2f}\b", section)
    assert re.search(r"\b0\.05 .*\b19\b", section)  # the smallest p of 19 orders


def test_one_s_own_responses_take_the_place_of_the_simulated(heard, tmp_path):
    """Measured responses from a file whose stimuli have another order."""
    folder = tmp_path / "copy"
    shutil.copytree(heard, folder, symlinks=True)
    results = folder / "results/hearing"
    shutil.rmtree(results / "brain")
    activations = files.load(results / "activations/tones/plain.nc")
    names = activations["stimulus"].values
    own = brain_simulate.simulated_brain(
        brain_activations.features_by_stage(activations)["final"], names, 2, 3, 3, noise=0.1, seed=7
    )[::-1]
    own.to_dataset().to_netcdf(folder / "mine/responses.nc")
    settings = yaml.safe_load((folder / "hearing.yaml").read_text())
    settings["analyses"]["brain"]["responses"] = "mine/responses.nc"
    (folder / "hearing.yaml").write_text(yaml.safe_dump(settings))
    output = snakemake(folder, "results/hearing/brain/plain.nc", *HEARING)
    assert counts(output) == {"brain_regression": 1, "total": 1}
    found = files.load(results / "brain/plain.nc")
    assert found["participant"].sizes == {"participant": 2}
    assert "simulated" not in found.attrs["title"]
    assert not (results / "brain/responses").exists()


def test_what_is_left_out_has_no_job(heard, tmp_path):
    settings = yaml.safe_load((heard / "hearing.yaml").read_text())
    off = {"vulnerability": None, "brain": BRAIN | {"models": []}, "similarity": {"models": []}}
    (tmp_path / "off.yaml").write_text(yaml.safe_dump(settings | {"run": "off", "analyses": off}))
    jobs = counts(snakemake(heard, "-n", "--configfile", str(tmp_path / "off.yaml")))
    assert not {rule for rule in jobs if rule.startswith(("vulnerability", "brain", "report_vuln", "report_brain"))}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vulnerability": {"models": ["plain_"]}}, r"analyses\.vulnerability\.models\.0: .*'plain_'"),
        ({"vulnerability": {"vision": None}}, r"analyses\.vulnerability\.vision: found null"),
        ({"brain": {"models": ["efficientnet_lite0"]}}, r"efficientnet_lite0.*'vision'.*'audio'"),
        ({"brain": {"dataset": "words"}}, r"analyses\.brain\.dataset: .*'words'"),
        ({"brain": {"responses": "no.nc"}}, r"analyses\.brain\.responses: .*\bno\.nc"),
        (
            {"brain": {"simulated": {"stage": "relu9"}}},
            r"analyses\.brain\.simulated\.stage \(cochcnn9_standard\): .*relu9",
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
    message = r"analyses\.brain\.dataset: 'tones' .*\b6\b.*\btest\b.*\b8\b.*brain: null"
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
    with pytest.raises(ValueError, match=r"response \(stimulus, voxel, repetition\)"):
        brain_responses.read_responses(made.to_dataset().drop_vars(missing))
    xr.testing.assert_equal(brain_responses.read_responses(made.to_dataset()), made)
