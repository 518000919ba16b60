"""The plugin of a run, run by the packages of Brain-Score: benchmarks, ceilings, models and scores.

Without the packages (``make .venv/.brainscore``), the tests that run them are skipped.
"""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
import yaml
from PIL import Image

from metamers.brainscore.plugin import published_stimuli
from metamers.brainscore.score import PLACE, find_package, score_all, scores_dataset, with_plugin
from metamers.config.experiments import read_experiments
from metamers.config.read import read_yaml
from metamers.config.tables import category_classes
from metamers.humans.noise_ceiling import noise_ceiling
from metamers.models.load import load_model
from metamers.names import ConfigurationError, stage_path
from metamers.plan.steps import declared_files
from metamers.recognize.recognition import recognize
from metamers.run import files
from metamers.stimuli.formats import FORMATS
from tests.made_up_run import RUN, STAGES, WORDS, made_up_run
from tests.workflow.runs import check_schema, library_of, snakemake

JUDGED = [(model, stage) for model in ("first", "second") for stage in STAGES["vision"][1:]]
CONFIGURED = ["--configfile", "shown.yaml", "people.yaml"]
BENCHMARK, PARTS = f"metamers_{RUN}_ours-recognizability_r2", ("benchmarks", "data", "models")
RULES = ["humans_answer_table", "brainscore_plugin", "brainscore_score", "brainscore"]


def recolour(folder: Path) -> None:
    """Metamers of one random colour each, which the tiny networks answer differently, and networks that differ."""
    rng = np.random.default_rng(0)
    for path in sorted((folder / "results" / RUN / "exported" / "metamers").rglob("*.png")):
        Image.new("RGB", (16, 16), tuple(map(int, rng.integers(0, 256, 3)))).save(path)
    models = read_yaml(folder / "mine" / "models.yaml")
    models["third"]["weights"] = {"random": 7}
    (folder / "mine" / "models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))


def write_people(folder: Path) -> None:
    """Answers of six people who recognize the four conditions in 14, 10, 6 and 2 of 15 trials, more or less."""
    stimuli = files.load(folder / "results" / RUN / "stimuli" / "own.nc")
    names, categories = (list(map(str, stimuli[name].values[:15])) for name in ("stimulus", "category"))
    rng, rows = np.random.default_rng(0), []
    for person in range(6):
        for right, (model, stage) in zip((14, 10, 6, 2), JUDGED, strict=True):
            correct = rng.permutation(15) < right + rng.integers(-1, 2)
            for name, category, known in zip(names, categories, correct, strict=True):
                wrong = WORDS[(WORDS.index(category) + 1) % len(WORDS)]
                rows.append([f"worker {person}", model, stage, name, category if known else wrong])
    header = ["participant", "generation_model", "stage", "stimulus", "answer"]
    with (folder / "answers.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    group = {"modality": "vision", "answers": "answers.csv", "format": "table"}
    (folder / "people.yaml").write_text(yaml.safe_dump({"own_participants": {"ours": group}}))


@pytest.fixture(scope="module")
def made(package, root, tmp_path_factory):
    """A made-up run with people, its plugin, and its scores."""
    folder = made_up_run(root, tmp_path_factory.mktemp("brainscore") / "run", "vision")
    recolour(folder)
    write_people(folder)
    snakemake(folder, "brainscore", "brainscore_score", *CONFIGURED, "--allowed-rules", *RULES)
    return folder


def in_brainscore(folder: Path, plugin: Path, code: str, **environment: str) -> str:
    """The output of code that runs after ``prepare``, in a process of its own."""
    (links := folder / "links" / str(len(code))).mkdir(parents=True, exist_ok=True)
    begin = "import sys\nfrom pathlib import Path\nfrom metamers.brainscore.score import prepare\n"
    begin += f"prepare(Path({str(plugin)!r}), Path({str(links)!r}))\n"
    ran = subprocess.run(
        [sys.executable, "-c", begin + code],
        cwd=folder,
        env=library_of(folder) | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]
    return ran.stdout


def dry_run(command: list[str], environment: dict[str, str]) -> str:
    """What a call would do."""
    ran = subprocess.run([*command, "-n"], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def plugin_of(folder):
    return folder / "results" / RUN / "brainscore" / "plugin"


@pytest.mark.slow
def test_the_scores_follow_from_the_answers_of_people_and_models(made):
    """Recognition by this library's own functions, of the files that people saw, gives the same numbers."""
    results = made / "results" / RUN
    found = files.load(results / "brainscore" / "scores.nc")
    check_schema(results / "brainscore" / "scores.nc", "brainscore/scores.nc", declared_files())
    of_people = "brainscore/plugin/data/model_metamers/ours.nc"
    check_schema(results / of_people, of_people, declared_files())
    people = files.load(results / "humans" / "ours.nc")
    human = people["proportion_correct"].sel(observer="human")
    means = [float(human.sel(generation_model=model, stage=stage).mean()) for model, stage in JUDGED]
    np.testing.assert_allclose(found["human_mean"], means)
    assert float(found["brainscore_ceiling"][0]) == pytest.approx(noise_ceiling([people], JUDGED)[0])

    registry, stimuli = read_yaml(made / "mine" / "models.yaml"), files.load(results / "stimuli" / "own.nc")
    classes = category_classes("own", {"categories": made / "mine" / "categories.csv"})
    entry = registry["third"] | {"source": {"python": f"{made}/tiny.py:convolutional"}}
    model = load_model("third", entry, None, torch.device("cpu"))
    names, categories = stimuli["stimulus"].values[:15], stimuli["category"].values[:15]
    for (generation_model, stage), candidate in zip(
        JUDGED, found["candidate_mean"].sel(candidate="third").values, strict=True
    ):
        exported = results / "exported" / "metamers" / generation_model / stage_path(stage)
        images = np.stack([FORMATS["vision"].read(exported / f"{name}_0.png") for name in names])
        assert candidate == (recognize(model, images, {}, classes) == categories).mean()
    candidate = found["candidate_mean"].sel(candidate="third").values
    assert np.ptp(candidate) > 0
    r = np.corrcoef(candidate, means)[0, 1]
    of_third = found.sel(candidate="third").isel(benchmark=0)
    assert float(of_third["brainscore_r2"]) == pytest.approx(max(r, 0) ** 2)
    assert float(of_third["brainscore"]) == pytest.approx(
        min(max(r, 0) ** 2 / float(of_third["brainscore_ceiling"]), 1)
    )
    assert "worker" not in "".join(path.read_text(errors="replace") for path in plugin_of(made).rglob("*.*"))


@pytest.mark.slow
def test_brain_scores_own_programs_accept_the_metadata_of_the_run(made, review):
    results = review(plugin_of(made))
    assert all(accepted for accepted, _ in results.values()), results
    valid = json.loads(results["proposal"][1])[-1]
    assert valid["models"] == [f"metamers_{RUN}_{model}" for model in ("first", "second", "third")]


@pytest.mark.slow
def test_a_candidate_that_recognizes_what_people_recognize_reaches_the_ceiling(made):
    """Brain-Score's own stand-in for a model gives prepared answers, with which scores are known."""
    code = f"""
import json
import numpy as np
from brainscore_core.supported_data_standards.brainio.assemblies import BehavioralAssembly
from brainscore_vision import load_benchmark, load_stimulus_set
from brainscore_vision.benchmark_helpers import PrecomputedFeatures

benchmark, stimuli = load_benchmark({BENCHMARK!r}), load_stimulus_set("metamers_{RUN}_ours")


def score(right):
    answers = stimuli["truth"].to_numpy().astype(object)
    for condition, number in right.items():
        rows = np.flatnonzero(stimuli["condition"] == condition)
        assert len(rows) == 15
        answers[rows[number:]] = "?"
    # (choice, presentation), as Brain-Score's own models answer, in another order than the stimuli.
    ids = stimuli["stimulus_id"].to_numpy()[::-1]
    coords = {{"stimulus_id": ("presentation", ids), "truth": ("presentation", stimuli["truth"].to_numpy()[::-1])}}
    given = BehavioralAssembly([answers[::-1]], coords=coords, dims=["choice", "presentation"])
    found = benchmark(PrecomputedFeatures(given, visual_degrees=8))
    rows = found.attrs["recognition"]
    return [float(found), float(found.raw), found.attrs["error"], rows.values.tolist(), list(rows["condition"].values)]


names = {[f"{model}/{stage}" for model, stage in JUDGED]!r}
print(json.dumps({{
    "alike": score(dict(zip(names, (14, 10, 6, 2)))),
    "lower": score(dict(zip(names, (7, 5, 3, 1)))),
    "opposite": score(dict(zip(names, (2, 6, 10, 14)))),
    "constant": score(dict(zip(names, (0, 0, 0, 0)))),
    "ceiling": float(benchmark.ceiling),
    "parent": benchmark.parent,
    "bibtex": benchmark.bibtex,
}}))
"""
    found = json.loads(in_brainscore(made, plugin_of(made), code))
    score, raw, error, (candidate, people), conditions = found["alike"]
    assert conditions == [f"{model}/{stage}" for model, stage in JUDGED]
    np.testing.assert_allclose(candidate, np.array([14, 10, 6, 2]) / 15)
    r2 = np.corrcoef(candidate, people)[0, 1] ** 2
    assert raw == pytest.approx(r2)
    assert score == pytest.approx(min(r2 / found["ceiling"], 1))
    assert score > 0.95
    assert 0 < error < 0.1
    assert found["lower"][1] == pytest.approx(raw)  # R² does not depend on the mean and scale
    assert found["opposite"][:2] == [0, 0]
    assert found["constant"][:2] == [0, 0]
    assert found["parent"] == f"metamers_{RUN}"
    assert "doi={10.1038/s41593-023-01442-0}" in found["bibtex"]


@pytest.mark.slow
def test_a_model_labels_records_and_says_what_it_cannot_do(made, root):
    table = root / "resources" / "datasets" / "imagenet_16_categories_study.tsv"
    study = category_classes("study", {"categories": table})
    code = f"""
import json
import numpy as np
from brainscore_vision import load_model, load_stimulus_set
from brainscore_vision.model_interface import BrainModel

model, stimuli = load_model("metamers_{RUN}_third"), load_stimulus_set("metamers_{RUN}_ours")
paths = [str(stimuli.get_stimulus(name)) for name in stimuli["stimulus_id"][:3]]


def error_of(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return f"{{type(error).__name__}}: {{error}}"


model.start_task(BrainModel.Task.passive)
passive = model.look_at(stimuli)
model.start_task(BrainModel.Task.label, {WORDS!r})
all_of_them, some = model.look_at(stimuli), model.look_at(paths)
model.start_task(BrainModel.Task.label, {WORDS[:1]!r})
only = model.look_at(paths)
model.start_recording("block/1", [(70, 170)])
recorded = model.look_at(stimuli)
print(json.dumps({{
    "identifier": model.identifier, "degrees": model.visual_degrees(), "passive": passive,
    "dims": all_of_them.dims, "shape": all_of_them.shape, "truth": list(all_of_them["truth"].values[:3]),
    "same": bool((all_of_them.values[:3] == some.values).all()), "ids": list(some["stimulus_id"].values),
    "only": only.values.ravel().tolist(), "answers": sorted(set(all_of_them.values.ravel().tolist())),
    "recorded": [recorded.dims, recorded.shape, type(recorded).__name__, int(recorded["time_bin_end"].values[0])],
    "errors": [
        error_of(model.start_task, BrainModel.Task.label, ["lion"]),
        error_of(model.start_task, BrainModel.Task.label, "imagenet"),
        error_of(model.start_task, BrainModel.Task.label, {sorted(study)!r}),
        error_of(model.start_task, BrainModel.Task.probabilities, stimuli),
        error_of(model.start_recording, "V1", [(70, 170)]),
        error_of(model.start_recording, "logits", [(70, 120), (120, 170)]),
    ],
}}))
"""
    found = json.loads(in_brainscore(made, plugin_of(made), code))
    assert found["identifier"] == f"metamers_{RUN}_third"
    assert found["degrees"] == 8
    assert found["passive"] is None
    assert (found["dims"], found["shape"]) == (["presentation", "choice"], [60, 1])
    assert found["same"]
    assert all(name.endswith(".png") for name in found["ids"])
    assert found["only"] == WORDS[:1] * 3
    assert set(found["answers"]) <= set(WORDS)
    assert found["recorded"] == [["presentation", "neuroid", "time_bin"], [60, 6 * 16 * 16, 1], "NeuroidAssembly", 170]
    lion, imagenet, published, probabilities, area, bins = found["errors"]
    assert re.search("ConfigurationError: .*'airplane'.* low, middle, ", published)
    assert "ConfigurationError" in lion
    assert "'lion'" in lion
    assert "'label' with 'imagenet'" in imagenet
    assert "NotImplementedError" in probabilities
    assert re.search("'V1'.*input, block/1, logits", area)
    assert re.search(r"NotImplementedError\W.*: 2 ", bins)


@pytest.mark.slow
def test_the_plugins_own_tests_pass(made):
    """The tests in the layout of Brain-Score, by the packages that run them there."""
    code = f"""
import os, pytest
os.chdir(sys.path[0])
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *(f"brainscore_vision/{{part}}/model_metamers/test.py" for part in {PARTS!r})]))
"""
    assert "5 passed" in in_brainscore(made, plugin_of(made), code)


@pytest.mark.slow
def test_moved_plugins_find_the_run_and_images_are_checked(made, tmp_path):
    moved = tmp_path / "plugin"
    moved.symlink_to(plugin_of(made))
    copied = tmp_path / "copied"
    subprocess.run(["cp", "-r", plugin_of(made), copied], check=True)
    code = f"""
from brainscore_vision import load_stimulus_set
try:
    print(len(load_stimulus_set("metamers_{RUN}_ours")))
except (FileNotFoundError, ValueError) as error:
    print(error)
"""
    assert in_brainscore(made, moved, code).strip() == "60"
    (tmp_path / "elsewhere").mkdir()
    said = in_brainscore(tmp_path / "elsewhere", copied, code, PYTHONPATH=str(made / "src"))
    assert "60 of 60 images" in said
    assert "METAMERS_HOME" in said
    home = {"METAMERS_HOME": str(made), "PYTHONPATH": str(made / "src")}
    assert in_brainscore(tmp_path / "elsewhere", copied, code + " ", **home).strip() == "60"
    table = copied / "data" / "model_metamers" / "ours.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], lines[1][:-1] + "x", *lines[2:]]))
    said = in_brainscore(tmp_path / "elsewhere", copied, code + "  ", **home)
    assert "SHA-256" in said
    assert "ours.csv" in said


@pytest.mark.slow
def test_the_published_experiments_are_benchmarks_of_which_those_with_images_are_scored(
    package, root, mirror, tmp_path
):
    """Real participants: assemblies and ceilings of all nine experiments of images. One has made-up images here."""
    study = read_experiments(root / "config" / "experiments.yaml")
    rng, shown = np.random.default_rng(0), study.stimuli["visual-6"].parameters
    candidates = published_stimuli(study.experiments["visual-6"].parameters, shown | {"folder": "nowhere"})
    for path in candidates[candidates["stimulus"].isin(["3", "60"])]["filename"]:
        (image := tmp_path / shown["folder"] / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (224, 224, 3), np.uint8)).save(image)
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--directory", str(tmp_path)]
    command += ["--snakefile", str(root / "Snakefile"), "brainscore", "brainscore_score"]
    command += ["--config", "human_data=participants", f"mirror={mirror}"]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    # One more image in a folder that has some: both rules run again, though the experiment's folder keeps its time.
    assert "Nothing to be done" in dry_run(command, environment)
    added = tmp_path / shown["folder"] / candidates.loc[candidates["stimulus"] == "4", "filename"].iloc[0]
    added.write_bytes(b"")
    said = dry_run(command, environment)
    for rule in ("brainscore_plugin", "brainscore_score"):
        assert re.search(rf"^{rule} +1$", said, re.MULTILINE), said
    added.unlink()
    scores = files.load(tmp_path / "results/demo/brainscore/scores.nc")
    assert scores["benchmark"].values.tolist() == ["Feather2023_visual-6-recognizability_r2"]
    # The run's dataset has other categories than the 16 of the experiments.
    assert scores["candidate"].values.tolist() == [f"efficientnet_lite{number}" for number in range(3)]
    assert set(np.unique(scores["candidate_mean"])) <= {0, 0.5, 1}
    code = f"""
import json
from brainscore_vision import load_benchmark, load_dataset, load_stimulus_set
found = {{}}
for name in {list(study.stimuli)!r}:
    benchmark, people = load_benchmark(f"Feather2023_{{name}}-recognizability_r2"), load_dataset(f"Feather2023_{{name}}")
    found[name] = [float(benchmark.ceiling), benchmark.ceiling.attrs["error"], people.shape, float(people.mean())]
found["images"] = len(load_stimulus_set("Feather2023_visual-6"))
try:
    benchmark(None)
except FileNotFoundError as error:
    found["error"] = str(error)
print(json.dumps(found))
"""
    found = json.loads(in_brainscore(tmp_path, tmp_path / "results/demo/brainscore/plugin", code))
    assert "9600 of 9600 images" in found.pop("error")
    assert found.pop("images") == 2 * 5
    for name, (ceiling, error, shape, mean) in found.items():
        human = files.load(tmp_path / f"results/demo/humans/{name}.nc")["proportion_correct"].sel(observer="human")
        judged = human.sel(stage=[stage for stage in human["stage"].values if stage != "natural"])
        assert mean == pytest.approx(float(judged.mean())), name
        assert shape == [int(judged.notnull().isel(participant=0).sum()), human.sizes["participant"]]
        assert 0.99 < ceiling < 0.999
        assert 0 < error < 0.05


def test_the_metric_is_r2_and_its_error_is_that_of_the_jackknife_in_closed_form(package, tmp_path):
    """Answer a + b x + c q, with q orthogonal to x and to constants: R² with x is b²|x|² / (b²|x|² + c²|q|²).

    With x = (-1, 0, 1) and q = (1, -2, 1), it is 1 / (1 + 3 c²) for b = 1. The mean of participants has the mean c, and
    leaving one out gives the mean of the others.
    """
    weights = [0.1, 0.3, 0.8, -0.4]
    code = f"""
import json
import numpy as np
from metamers.brainscore.score import find_package
find_package()
from brainscore_core.supported_data_standards.brainio.assemblies import BehavioralAssembly
from metamers.brainscore.benchmark import RecognizabilityR2

def assembly(values, names, **coords):
    coords |= {{"condition": ("presentation", list(names)), "stage": ("presentation", list(names))}}
    return BehavioralAssembly(values, coords=coords, dims=["presentation", *coords][: np.ndim(values)])

x, q = np.array([-1, 0, 1]), np.array([1, -2, 1])
answers = 0.5 + 0.2 * np.stack([x + c * q for c in {weights}], axis=1)
participants = assembly(answers, "abc", subject=list("0123"))
found = {{}}
candidates = {{"alike": x, "scaled": 7 + 3 * x, "opposite": -x, "constant": 0 * x}}
for name, values in candidates.items():
    # In another order of conditions.
    score = RecognizabilityR2()(assembly(values[[2, 0, 1]].astype(float), "cab"), participants)
    found[name] = [float(score), score.attrs["error"]]
print(json.dumps(found))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "BRAINSCORE_HOME": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = json.loads(ran.stdout)

    def r2(c):
        return 1 / (1 + 3 * np.mean(c) ** 2)

    left_out = np.array([r2(np.delete(weights, place)) for place in range(4)])
    error = np.sqrt(3 / 4 * ((left_out - left_out.mean()) ** 2).sum())
    assert error > 0.05
    for name in ("alike", "scaled"):
        assert found[name] == pytest.approx([r2(weights), error])
    assert found["opposite"] == found["constant"] == [0, 0]


def score(value, candidate, models=("m", "k")):
    """What a benchmark returns, of two conditions of each model."""
    names, number = np.repeat(models, 2), 2 * len(models)
    recognition = xr.DataArray(
        [np.full(number, candidate), np.linspace(0, 1, number)],
        dims=("observer", "presentation"),
        coords={
            "observer": ["candidate", "human"],
            "generation_model": ("presentation", names),
            "stage": ("presentation", ["one", "two"] * len(models)),
        },
    )
    attributes = {"error": 0.1, "raw": value / 2, "ceiling": 0.9, "recognition": recognition}
    return xr.DataArray(value, attrs=attributes)


def test_a_score_that_there_is_not_is_nan_and_what_has_no_score_is_left_out():
    benchmarks, candidates = {"a": "A", "b": "B", "c": "C"}, {"x": "X", "y": "Y", "z": "Z"}
    scores = [[None, score(0.4, 0.2), None], [None, None, None], [score(0.6, 0.3, "m"), score(0.8, 0.5, "m"), None]]
    found = scores_dataset(benchmarks, candidates, scores)
    assert found["benchmark"].values.tolist() == ["A", "C"]
    assert found["candidate"].values.tolist() == ["x", "y"]
    np.testing.assert_array_equal(found["brainscore"], [[np.nan, 0.4], [0.6, 0.8]])
    np.testing.assert_array_equal(found["brainscore_error"], [[np.nan, 0.1], [0.1, 0.1]])
    np.testing.assert_array_equal(found["brainscore_r2"], [[np.nan, 0.2], [0.3, 0.4]])
    assert found["brainscore_ceiling"].values.tolist() == [0.9, 0.9]
    np.testing.assert_array_equal(found["candidate_mean"], [[np.nan] * 4 + [0.3] * 2, [0.2] * 4 + [0.5] * 2])
    assert found["participant_group"].values.tolist() == ["a"] * 4 + ["c"] * 2
    assert found["generation_model"].values.tolist() == ["m", "m", "k", "k", "m", "m"]


@pytest.mark.parametrize(("candidates", "scores"), [({}, [[]]), ({"x": "X"}, [[None]])])
def test_without_any_score_the_error_names_benchmarks_and_candidates(candidates, scores):
    with pytest.raises(ValueError, match=f"benchmarks A; candidates {', '.join(candidates) or 'none'}$"):
        scores_dataset({"a": "A"}, candidates, scores)


def test_a_candidate_that_does_not_know_the_categories_does_not_end_the_scoring(monkeypatch, caplog):
    class Benchmark:
        identifier = "B"

        def __call__(self, model):
            if model == "other":
                raise ConfigurationError("other: 10")
            return model

    registries = SimpleNamespace(
        load_benchmark=lambda identifier: Benchmark(), load_model=lambda identifier: identifier
    )
    monkeypatch.setitem(sys.modules, "brainscore_vision", registries)
    assert score_all(["B"], ["other", "fits"]) == [[None, "fits"]]
    assert re.search("B: .*other: 10", caplog.text)


def test_without_the_packages_the_error_says_how_to_install_them(monkeypatch, tmp_path):
    monkeypatch.setenv(PLACE, str(tmp_path))
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "brainscore" not in path])
    with pytest.raises(ImportError, match=r"`make \.venv/\.brainscore`"):
        find_package()


def test_a_package_of_links_has_the_package_and_the_plugin(tmp_path):
    package, plugin, folder = (tmp_path / name for name in ("package", "plugin", "links"))
    for part in PARTS:
        (package / part / "theirs").mkdir(parents=True)
        (plugin / part / "ours").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    folder.mkdir()
    with_plugin(package, plugin, folder)
    links = folder / "brainscore_vision"
    assert sorted(path.name for path in links.iterdir()) == ["__init__.py", *PARTS]
    for part in PARTS:
        assert sorted(path.name for path in (links / part).iterdir()) == ["ours", "theirs"]
        assert not [*(package / part).glob("ours")]
