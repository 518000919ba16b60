"""People's recognition as a plugin of Brain-Score: the numbers are those of the run's files and the project's ceiling."""

import ast
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from metamers.brainscore.names import PUBLISHED_STUDY
from metamers.brainscore.plugin import (
    STIMULUS_COLUMNS,
    BenchmarkGroup,
    check_conditions,
    human_recognition,
    own_stimuli,
    plugin_files,
    published_stimuli,
)
from metamers.config.experiments import read_experiments
from metamers.config.read import read_yaml
from metamers.config.tables import category_classes
from metamers.humans.noise_ceiling import noise_ceiling, noise_ceiling_interval
from metamers.humans.participants import experiment_dataset
from metamers.names import ConfigurationError
from metamers.run.hashes import listing_sha256
from tests.brainscore.people import POINTS, experiment


@pytest.fixture(scope="module")
def study(root):
    return read_experiments(root / "config" / "experiments.yaml")


def test_the_assembly_has_the_answers_of_people_and_the_noise_ceiling_of_the_project():
    data = experiment()
    recognition = human_recognition(data, ["dog", "cat"])
    known = recognition["proportion_correct"]
    for number, (model, stage) in enumerate(POINTS):
        human = data["proportion_correct"].sel(observer="human", generation_model=model, stage=stage)
        np.testing.assert_array_equal(known[number], human)
    assert recognition["condition"].values.tolist() == ["m/one", "m/two", "k/one", "k/two"]
    assert recognition["model_class"].values.tolist() == ["standard", "standard", "robust", "robust"]
    assert known.attrs["noise_ceiling_r2"] == noise_ceiling([data], POINTS)[0]
    interval = known.attrs["noise_ceiling_r2_participants_low"], known.attrs["noise_ceiling_r2_participants_high"]
    assert interval == noise_ceiling_interval([data], POINTS)
    assert json.loads(known.attrs["choices"]) == ["dog", "cat"]
    assert recognition["subject"].values.tolist() == [f"{number:03d}" for number in range(1, 9)]  # no names


def test_people_who_do_not_agree_and_too_few_stages_are_errors():
    disagreeing = experiment(participants=30)
    human = disagreeing["proportion_correct"].values[..., 0]
    human[:] = np.random.default_rng(1).random(human.shape)
    with pytest.raises(ValueError, match=r"R² .* -\d"):
        human_recognition(disagreeing, [])
    with pytest.raises(ValueError, match=r"^2 stages .* 3$"):
        human_recognition(experiment().sel(stage=["natural", "input", "one"]), [])


def test_participants_and_conditions_without_answers_are_named():
    missing = experiment()
    missing["proportion_correct"].loc[{"participant": "worker 3", "generation_model": "k", "stage": "two"}] = np.nan
    with pytest.raises(ValueError, match=r"1 of 8 .*: worker 3 in k/two$"):
        human_recognition(missing, [])
    missing["proportion_correct"].loc[{"stage": "one"}] = np.nan
    with pytest.raises(ValueError, match=r"8 of 8 .*: worker 0 in m/one, k/one; worker 1 .* 3 more$"):
        human_recognition(missing, [])
    missing = experiment()
    missing["proportion_correct"].loc[{"stage": "natural"}] = np.nan  # is no condition
    human_recognition(missing, [])


@pytest.mark.parametrize("name", ["visual-1", "visual-6", "visual-12"])
def test_the_published_participants_become_an_assembly(mirror, registry, study, name):
    """Real data: every participant and stage of the public files, and the ceiling in closed form lies close."""
    entry = registry["experiments"][name]
    data = experiment_dataset(entry, mirror / registry["source"].url.split("://", 1)[1])
    recognition = human_recognition(data, sorted(category_classes(name, study.stimuli[name].parameters)))
    stages = [len(model["layers"]) - 1 for model in entry["models"].values()]
    assert recognition["proportion_correct"].shape == (sum(stages), entry["participants"])
    human = data["proportion_correct"].sel(observer="human")
    shown = human.where(~human["stage"].isin(["natural", "input"]), drop=True)
    assert float(recognition["proportion_correct"].sum()) == pytest.approx(float(shown.sum()))
    assert 0.9 < recognition["proportion_correct"].attrs["noise_ceiling_r2"] < 1
    assert len(json.loads(recognition["proportion_correct"].attrs["choices"])) == 16


def test_every_experiment_of_images_has_addresses_for_the_conditions_that_people_judged(study):
    assert study.stimuli.keys() == {name for name, one in study.experiments.items() if one.modality == "vision"}
    for name, stimuli in study.stimuli.items():
        entry = study.experiments[name].parameters
        table = published_stimuli(entry, stimuli.parameters | {"folder": "nowhere"})
        assert list(table) == STIMULUS_COLUMNS
        stages = {f"{m['name']}/{s}" for m in entry["models"].values() for s in list(m["layers"].values())[1:]}
        assert set(table["condition"]) == stages
        assert (table["condition"].value_counts() == 400).all()
        assert (table["sha256"] == "").all()
        assert table["stimulus_id"].is_unique
        assert table["truth"].value_counts().tolist() == [25 * len(stages)] * 16


def test_the_address_of_a_published_image_is_that_of_the_studys_notebook(study):
    """``notebook_helpers.py``: '/%d_%s' % (model_idx + 1, model), then '/%d_%s/%d_%s_%s.png' % (plot_idx, layer, …)."""
    stimuli = study.stimuli["visual-1"].parameters
    assert stimuli["url"].endswith("/mturk_stimuli/imagerec_robust_models_v1/experiment_images")
    table = published_stimuli(study.experiments["visual-1"].parameters, stimuli | {"folder": "nowhere"})
    one = table[(table["generation_model"] == "AlexNet") & (table["stage"] == "fc0_relu")].iloc[30]
    assert one["filename"] == "2_alexnet/5_fc0_relu_fake_relu/30_alexnet_fc0_relu_fake_relu.png"
    assert one["truth"] == "bear"  # the second of 16 categories with 25 images each


def test_images_that_are_here_are_listed_with_their_hash(study, tmp_path):
    stimuli = study.stimuli["visual-6"].parameters | {"folder": str(tmp_path)}
    entry = study.experiments["visual-6"].parameters
    paths = published_stimuli(entry, stimuli)["filename"][[0, 401]]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_bytes(path.encode())
    table = published_stimuli(entry, stimuli)
    assert table["filename"].tolist() == paths.tolist()
    assert table["sha256"].tolist() == [hashlib.sha256(path.encode()).hexdigest() for path in paths]


def test_images_are_on_this_machine_only_if_there_is_one(study, tmp_path, monkeypatch):
    stimuli = study.stimuli["visual-6"]
    table = published_stimuli(study.experiments["visual-6"].parameters, stimuli.parameters)
    monkeypatch.chdir(tmp_path)
    assert not stimuli.has_images
    path = Path(stimuli.folder) / table["filename"][0]
    path.parent.mkdir(parents=True)
    assert not stimuli.has_images  # empty folders
    (Path(stimuli.folder) / "1.png").touch()
    assert not stimuli.has_images  # an image in another place
    path.touch()
    assert stimuli.has_images
    assert not study.stimuli["visual-7"].has_images


def test_the_listing_of_a_folder_shows_files_that_are_added_changed_or_removed(tmp_path):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    found = [listing_sha256(tmp_path)]
    for change in (
        lambda: (folder / "0.png").write_text("0"),
        lambda: (folder / "0.png").write_text("00"),
        lambda: os.utime(folder / "0.png", ns=(1, 1)),
        lambda: (folder / "0.png").rename(folder / "1.png"),
    ):
        change()
        found.append(listing_sha256(tmp_path))
        assert listing_sha256(tmp_path) == found[-1]
    assert len(set(found)) == 5
    (folder / "1.png").unlink()
    assert listing_sha256(tmp_path) == found[0]


def test_the_order_of_folders_must_be_of_the_experiments_networks(root, tmp_path):
    registry = read_yaml(root / "config" / "experiments.yaml")

    def read(stimuli):
        (tmp_path / "e.yaml").write_text(json.dumps(registry | stimuli))
        return read_experiments(tmp_path / "e.yaml")

    read({})
    experiments = registry["stimuli"]["experiments"]
    wrong = experiments | {"visual-6": experiments["visual-6"] | {"networks": ["alexnet"]}}
    with pytest.raises(ConfigurationError, match=r"stimuli\.experiments\.visual-6\.networks: .*alexnet"):
        read({"stimuli": registry["stimuli"] | {"experiments": wrong}})
    unknown = {"visual-9": {"folder": "f", "networks": ["alexnet"]}}
    with pytest.raises(ConfigurationError, match="'visual-9'"):
        read({"stimuli": registry["stimuli"] | {"experiments": unknown}})
    del registry["stimuli"]
    assert read({}).stimuli == {}


def design(exhibits):
    names = ("kind", "stimulus", "category", "generation_model", "stage", "seed")
    return xr.Dataset(coords={name: ("exhibit", [row[place] for row in exhibits]) for place, name in enumerate(names)})


def test_own_metamers_are_those_of_main_trials_without_natural_stimuli(tmp_path):
    shown = design(
        [
            ("main", "a", "dog", "", "natural", -1),
            ("main", "a", "dog", "m", "block/1", 0),
            ("practice", "b", "cat", "m", "block/1", 0),
            ("main", "b", "cat", "k", "logits", 1),
        ]
    )
    for path in ("m/block_1/a_0.png", "k/logits/b_1.png"):
        (tmp_path / path).parent.mkdir(parents=True)
        Image.new("RGB", (2, 2)).save(tmp_path / path)
    table = own_stimuli(shown, tmp_path)
    assert table["filename"].tolist() == ["k/logits/b_1.png", "m/block_1/a_0.png"]
    assert table["condition"].tolist() == ["k/logits", "m/block/1"]
    assert table["truth"].tolist() == ["cat", "dog"]
    assert table["sha256"][0] == hashlib.sha256((tmp_path / "k/logits/b_1.png").read_bytes()).hexdigest()


def test_a_benchmark_has_images_of_the_conditions_that_people_judged(group):
    check_conditions(group)
    fewer = BenchmarkGroup(**vars(group) | {"stimuli": group.stimuli[:3]})
    with pytest.raises(ValueError, match=r"exported: .*k/two"):
        check_conditions(fewer)
    more = BenchmarkGroup(**vars(group) | {"recognition": group.recognition.isel(presentation=slice(3))})
    with pytest.raises(ValueError, match=r"ours: .*k/two"):
        check_conditions(more)


def test_the_plugin_has_the_folders_and_registrations_of_brain_score(group):
    """Brain-Score finds a plugin by a line of __init__.py with ``<kind>_registry['<identifier>']``."""
    models = {"small": {"model": {}, "weights_file": None, "vocabulary": {}, "published_vocabularies": []}}
    texts = plugin_files("run", [group], models, {"models": {}})
    assert texts.keys() == {
        "README.md", "data/model_metamers/ours.csv", "models/model_metamers/models.json",
        *(f"{part}/model_metamers/{file}.py" for part in ("benchmarks", "data", "models") for file in ("__init__", "test")),
        *(f"{part}/model_metamers/metadata.yaml" for part in ("benchmarks", "models")),
        "data/model_metamers/data.py", "benchmarks/model_metamers/benchmark.py",
    }  # fmt: skip
    for path, text in texts.items():
        if path.endswith(".py"):
            ast.parse(text)
    assert "data_registry['metamers_run_ours'] =" in texts["data/model_metamers/__init__.py"]
    assert "stimulus_set_registry['metamers_run_ours'] =" in texts["data/model_metamers/__init__.py"]
    assert (
        "benchmark_registry['metamers_run_ours-recognizability_r2'] =" in texts["benchmarks/model_metamers/__init__.py"]
    )
    assert "model_registry['metamers_run_small'] =" in texts["models/model_metamers/__init__.py"]
    # The copied parts need nothing of this library; a model does.
    assert not [path for path, text in texts.items() if "import metamers" in text or "from metamers" in text
                if not path.startswith("models/")]  # fmt: skip
    assert "10.1038/s41593-023-01442-0" in texts["benchmarks/model_metamers/__init__.py"]
    assert "worker" not in "".join(texts.values())
    assert PUBLISHED_STUDY not in texts["benchmarks/model_metamers/__init__.py"]
