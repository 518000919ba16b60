"""A small run of hearing, with training."""

import json
import re
import shutil

import numpy as np
import pytest
import soundfile
import yaml

from metamers.run import files
from metamers.run.hashes import sha256_of
from metamers.stimuli.sounds import sixteen_bit
from tests.workflow.runs import (
    HEARING,
    append,
    calls_that_do_not_count,
    check_conventions,
    check_every_file,
    counts,
    kill_when_there_is,
    snakemake,
)


def test_only_code_that_counts_computes(root, heard):
    assert calls_that_do_not_count(root, heard) == set()


def test_sounds_go_through_the_same_rules_to_the_report(heard):
    results = heard / "results" / "hearing"
    assert "Nothing to be done" in snakemake(heard, *HEARING)
    compared = files.load(results / "comparison/recognizability.nc")
    assert compared["recognition_model"].values.tolist() == ["plain", "robust", "noisy", "readout"]
    assert compared["stage"].values.tolist() == ["natural", "input", "cochleagram", "relu", "final"]
    contrast = files.load(results / "comparison/contrasts.nc")
    assert contrast["contrast"].values.tolist() == ["robust - plain"]
    assert contrast["judged_by"].item() == "noisy, readout"
    assert "<audio" in (results / "report" / "browser.html").read_text()
    assert not [path for path in (results / "report").glob("*.html") if "high <b>" in path.read_text()]
    media = results / "report" / "media" / "plain"
    assert '"high <b>"' in (media / "data.js").read_text()
    sounds = sorted((media / "relu").glob("*.wav"))
    assert sounds
    assert all(path.with_suffix(".png").is_file() for path in sounds)


def test_every_file_of_hearing_is_as_its_schema_says(heard):
    check_every_file(heard / "results" / "hearing")


@pytest.mark.slow
def test_every_file_of_hearing_conforms_to_cf_and_acdd(heard):
    check_conventions(heard / "results" / "hearing")


def test_what_is_judged_is_the_exported_sound(heard):
    results = heard / "results" / "hearing"
    metamers = files.load(results / "metamers/plain/relu/0000.nc")
    assert metamers.attrs["sampling_rate_hz"] == 8000
    for stimulus in metamers["stimulus"].values:
        sound, rate = soundfile.read(results / f"exported/metamers/plain/relu/{stimulus}_0.wav", dtype="int16")
        assert rate == 8000
        np.testing.assert_array_equal(sound, sixteen_bit(metamers["metamer"].sel(stimulus=stimulus, seed=0).values))


@pytest.mark.parametrize("model", ["plain", "robust", "noisy", "readout"])
def test_networks_are_trained_and_say_how_well(heard, model):
    trained = files.load(heard / f"results/hearing/training/{model}.nc")
    assert trained.sizes["epoch"] == 30
    assert trained["answers"].sum() == 3 * 4
    right = sum(int(trained["answers"].sel(category=c, answered_category=c)) for c in trained["category"].values)
    assert float(trained["test_accuracy"]) == pytest.approx(right / 12)
    assert trained.sizes["perturbation_size"] == 2
    if model != "readout":  # of a random convolution
        assert float(trained["test_accuracy"]) > 0.6
        assert (trained["adversarial_accuracy"] <= trained["test_accuracy"] + 1e-9).all()
    weights = heard / f"results/hearing/training/{model}.safetensors"
    assert sha256_of(weights) == trained.attrs["weights_sha256"]
    assert not (heard / "results/hearing/progress/train_model" / model).exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ("attack", {"train_test": 4}),
        ("seed", {"train_model": 1, "train_test": 1}),
        ("stage", {"train_test": 1}),
        ("word", {"train_model": 4, "train_test": 4}),
    ],
)
def test_a_change_retrains_only_what_depends_on_it(heard, tmp_path, changed, wanted):
    folder = tmp_path / "copy"
    shutil.copytree(heard, folder, symlinks=True)
    settings = yaml.safe_load((folder / "hearing.yaml").read_text())
    models = yaml.safe_load((folder / "mine/models.yaml").read_text())
    if changed == "attack":
        settings["training"]["attack"]["steps"] = 3
    elif changed == "seed":
        models["noisy"]["weights"]["train"]["seed"] = 5
    elif changed == "stage":
        models["plain"]["stages"] = models["plain"]["stages"] | {"norm": "norm"}
    else:
        append(folder / "mine/categories.csv", "3,other\n")
    (folder / "hearing.yaml").write_text(yaml.safe_dump(settings))
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    jobs = counts(snakemake(folder, "-n", *HEARING))
    assert {rule: jobs.get(rule, 0) for rule in ("train_model", "train_test")} == {
        "train_model": 0,
        "train_test": 0,
    } | {rule: number for rule, number in wanted.items() if rule.startswith("train")}


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["model", "added"])
def test_a_recognition_model_that_is_changed_or_added_at_the_end_reruns_its_group_only(heard, tmp_path, changed):
    folder = tmp_path / "copy"
    shutil.copytree(heard, folder, symlinks=True)
    settings = yaml.safe_load((folder / "hearing.yaml").read_text())
    models = yaml.safe_load((folder / "mine/models.yaml").read_text())
    if changed == "model":
        models["readout"]["stages"] = models["readout"]["stages"] | {"norm": "norm"}
    else:
        models["another"] = models["plain"] | {"weights": {"random": 0}}
        settings["recognition_models"].append("another")
    (folder / "hearing.yaml").write_text(yaml.safe_dump(settings))
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    jobs = counts(snakemake(folder, "-n", "comparison", *HEARING))
    recognized = sorted(number for name, number in jobs.items() if name.startswith("recognize"))
    assert recognized == [1, 2]  # one group, for the natural stimuli and for two generation models


@pytest.mark.slow
def test_answers_do_not_depend_on_the_group_and_are_traced_to_their_own_model(heard, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(heard, folder, symlinks=True)
    settings = yaml.safe_load((folder / "hearing.yaml").read_text())
    settings["recognition"]["models_per_job"] = 1
    (folder / "hearing.yaml").write_text(yaml.safe_dump(settings))
    path = "results/hearing/recognition/plain/noisy.nc"
    output = snakemake(folder, path, *HEARING)
    jobs = {re.sub(r"_\d+$", "", rule): number for rule, number in counts(output).items()}
    assert jobs == {"recognize_natural_audio": 1, "recognize_audio": 1, "total": 2}
    alone, together = (files.load(one / path).attrs for one in (folder, heard))
    assert alone["content_sha256"] == together["content_sha256"]
    inputs = [json.loads(one["inputs"]) for one in (alone, together)]
    natural = "results/hearing/natural_recognition/noisy.nc"
    assert [one.pop(natural) for one in inputs] == [sha256_of(one / natural) for one in (folder, heard)]
    assert inputs[0] == inputs[1]
    for read in (inputs[1], json.loads(files.load(heard / natural).attrs["inputs"])):
        assert [name for name in read if name.endswith(".safetensors")] == [
            "results/hearing/training/noisy.safetensors"
        ]


@pytest.mark.slow
def test_a_network_that_lacks_a_word_s_class_is_refused_before_it_is_trained(heard, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(heard, folder, symlinks=True)
    models = yaml.safe_load((folder / "mine/models.yaml").read_text())
    models["plain"]["source"]["arguments"] = {"classes": 2}
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    output = snakemake(folder, "results/hearing/training/plain.nc", *HEARING, fails=True)
    assert re.search(r"plain\.weights\.train\.dataset: category 'high <b>' .*\b2 classes", output)


@pytest.mark.slow
def test_a_training_that_is_killed_goes_on(heard, tmp_path):
    """The result equals that of an undisturbed training to the bit."""
    folder = tmp_path / "copy"
    shutil.copytree(heard, folder, symlinks=True)
    target = "results/hearing/training/plain.safetensors"
    settings = yaml.safe_load((folder / "mine/models.yaml").read_text())
    settings["plain"]["weights"]["train"]["epochs"] = 150
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    kill_when_there_is("results/hearing/progress/train_model/plain/*/training.pt", folder, target, *HEARING)
    output = snakemake(folder, target, "--rerun-incomplete", *HEARING)
    resumed_at = r"plain: .*\bbatch \d+ of epoch \d+ of 150\b"
    assert re.search(resumed_at, output)
    assert not (folder / "results/hearing/progress/train_model/plain").exists()
    resumed = sha256_of(folder / target)
    (folder / target).unlink()
    assert not re.search(resumed_at, snakemake(folder, target, *HEARING))
    assert sha256_of(folder / target) == resumed
