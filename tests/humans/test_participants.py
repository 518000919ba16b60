"""Published participants: which files are accepted, their summaries, and the committed tables that follow from them."""

import io
import os
import pickle
import pickletools

import numpy as np
import pandas as pd
import pingouin
import pytest
import scipy.io
import xarray as xr
import yaml

from metamers.config import experiments as plan_experiments
from metamers.config import read as config_read
from metamers.foreign import pickles
from metamers.humans import noise_ceiling
from metamers.humans import participants as humans
from metamers.humans import summary as humans_summary
from metamers.plan import plan as config
from tests.humans.published_files import JUDGED, LAYERS, judgement, matlab_file, write_pickle


@pytest.fixture(scope="module")
def groups(published_participants, published_judgements, registry):
    modalities = {name: entry["modality"] for name, entry in registry["experiments"].items()}
    return humans_summary.group_results(published_participants, modalities, published_judgements)


def test_a_public_file_is_read(tmp_path):
    scores = np.linspace(0, 1, 24).reshape(4, 3, 2)
    path = matlab_file(tmp_path / "a.mat", participant_data_matrix=scores)
    read, names = humans.read_participants(path, LAYERS, 4)
    np.testing.assert_array_equal(read, scores)
    assert names == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conditions": None}, "variables: .*conditions"),
        ({"surprise": np.array([1.0])}, "variables: .*surprise"),
        ({"axis_order": np.array(["model_layers", "participants", "conditions"])}, "axis_order: .*model_layers"),
        ({"conditions": np.array(["Network", "Human"])}, r"conditions: .*\['Network', 'Human'\]"),
        ({"model_layers": np.array(["natural_image", "final", "relu0"])}, "model_layers: .*final.*relu0"),
        ({"participants": np.array(["0", "1", "1", "3"])}, r"participants: .*\b3\b.*\b4\b"),
        ({"participant_data_matrix": np.full((4, 2, 2), 0.5)}, r"shape .*\(4, 2, 2\).*\(4, 3, 2\)"),
        ({"participant_data_matrix": np.full((4, 3, 2), 50.0)}, r"participant_data_matrix: .*50\.0 to 50\.0"),
        ({"participant_data_matrix": np.full((4, 3, 2), np.nan)}, "participant_data_matrix: .*nan to nan"),
        ({"participant_data_matrix": np.full((4, 3, 2), "a")}, "shape|type"),
    ],
)
def test_a_mat_file_with_other_content_is_refused(tmp_path, changes, message):
    path = matlab_file(tmp_path / "odd.mat", **changes)
    with pytest.raises(ValueError, match=message) as error:
        humans.read_participants(path, LAYERS, 4)
    assert "odd.mat" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not MATLAB at all" * 20, b"\x89HDF\r\n\x1a\n" * 30])
def test_a_file_that_is_not_matlab_is_refused(tmp_path, content):
    path = tmp_path / "no.mat"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"no\.mat: not a MATLAB 5 file"):
        humans.read_participants(path, LAYERS, 4)


def test_a_truncated_mat_file_is_refused(tmp_path):
    path = matlab_file(tmp_path / "cut.mat")
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(ValueError, match=r"cut\.mat"):
        humans.read_participants(path, LAYERS, 4)


@pytest.mark.parametrize("protocol", [3, 4])  # those of the public files; others write bytes as additional calls
def test_numpy_scalars_and_arrays_are_unpickled(protocol):
    content = {"scalar": np.float64(0.25), "array": np.arange(3.0), "plain": [True, "text", None]}
    read = pickles.read_pickle(io.BytesIO(pickle.dumps(content, protocol=protocol)))
    assert read["scalar"] == 0.25
    np.testing.assert_array_equal(read["array"], [0, 1, 2])


def test_judgements_are_proportions_of_correct_answers(tmp_path):
    path = write_pickle(tmp_path / "j.pckl", judgement(), protocol=4)
    proportions = humans.read_judgement(path, ["relu0", "final"], "answers", "average")
    assert proportions == {"input_after_preproc": 0.75, "relu0": 0.75, "final": 0.75}


class RunsCode:
    """Pickles as a function call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.hostile(
    "Pickles and checkpoints", "a pickle that calls a function", "refused by name; nothing is imported or run"
)
@pytest.mark.parametrize(
    "function",
    [os.system, eval, getattr, print, np.load, np.testing.assert_equal, pickle.loads],
    ids=lambda f: f.__name__,
)
def test_a_pickle_that_would_run_code_is_refused_and_nothing_runs(tmp_path, function):
    marker = tmp_path / "ran"
    path = write_pickle(tmp_path / "evil.pckl", judgement(average=RunsCode(function, f"touch {marker}")), protocol=4)
    with pytest.raises(ValueError, match=r"evil\.pckl: .*could run code"):
        humans.read_judgement(path, ["relu0", "final"], "answers", "average")
    assert not marker.exists()


@pytest.mark.hostile("Pickles and checkpoints", "a pickle that follows attributes of NumPy to `os`", "refused")
@pytest.mark.parametrize("name", ["ndarray.__class__", "f2py.os.system", "_core.multiarray.scalar", "loadtxt"])
def test_a_pickle_cannot_reach_further_through_numpy(name):
    # protocol 4 lets a pickle follow attributes: numpy -> f2py -> os -> system
    attack = b"\x80\x04\x8c\x05numpy\x8c" + bytes([len(name)]) + name.encode() + b"\x93."
    assert any(op.name == "STACK_GLOBAL" for op, _, _ in pickletools.genops(attack))
    with pytest.raises(ValueError, match="could run code"):
        pickles.read_pickle(io.BytesIO(attack))


@pytest.mark.parametrize("length", [0, 1, 50, 200])
def test_a_truncated_pickle_is_refused(tmp_path, length):
    path = write_pickle(tmp_path / "cut.pckl", judgement(), protocol=4)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"cut\.pckl: not a pickle"):
        humans.read_judgement(path, ["relu0", "final"], "answers", "average")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "found list"),
        ({"answers": {}}, r"\['answers'\].*average"),
        (judgement(answers={"relu0": [True]}), r"answers: .*\['relu0'\]"),
        (judgement(answers={layer: [1, 0] for layer in JUDGED}), "answers: .* 1 to 400 "),
        (judgement(answers={layer: [] for layer in JUDGED}), "answers: .* 1 to 400 "),
        (judgement(answers={layer: [True] * 401 for layer in JUDGED}), "answers: .* 1 to 400 "),
        (judgement(average=dict.fromkeys(JUDGED, np.float64(0.5))), r"average: .*0\.5, .*0\.75"),
    ],
)
def test_a_pickle_with_other_content_is_refused(tmp_path, content, message):
    path = write_pickle(tmp_path / "odd.pckl", content, protocol=4)
    with pytest.raises(ValueError, match=message) as error:
        humans.read_judgement(path, ["relu0", "final"], "answers", "average")
    assert "odd.pckl" in str(error.value)


def test_files_of_one_experiment_must_have_the_same_participants(tmp_path):
    layers = dict(zip(LAYERS, ["natural", "relu0", "final"], strict=True))
    models = {m: {"name": m.upper(), "class": "standard", "layers": layers, "file": f"{m}.mat"} for m in ("a", "b")}
    matlab_file(tmp_path / "a.mat")
    matlab_file(tmp_path / "b.mat", participants=np.array(["4", "5", "6", "7"]))
    with pytest.raises(ValueError, match=r"b\.mat: participants: found .*'7'.*wanted .*'0'"):
        humans.experiment_dataset({"participants": 4, "models": models}, tmp_path)


def test_stages_of_different_models_keep_their_own_order():
    stages = {"a": ["natural", "one", "last"], "b": ["natural", "two", "one", "last"]}
    union, number = humans.stage_union(stages)
    assert union == ["natural", "one", "last", "two"]
    assert number.sel(generation_model="a", stage="two") == -1
    dataset = xr.Dataset({"stage_number": number})
    assert {model: humans.own_stages(dataset, model) for model in stages} == stages


def test_all_fifteen_experiments_are_read(published_participants):
    assert len(published_participants) == 15
    assert sum(data.sizes["generation_model"] for data in published_participants.values()) == 59
    vgg = published_participants["visual-1"].sel(generation_model="VGG-19")
    assert humans.own_stages(published_participants["visual-1"], "VGG-19")[:2] == ["natural", "conv_relu_0_1"]
    assert vgg["proportion_correct"].sel(stage="V1").isnull().all()
    assert vgg["proportion_correct"].sel(stage="natural").shape == (22, 2)


def test_humans_recognize_natural_stimuli_but_not_metamers_of_the_last_stage_of_standard_models(published_participants):
    for experiment, model in (("visual-1", "ResNet50"), ("auditory-1", "CochResNet50")):
        answers = published_participants[experiment]["proportion_correct"].sel(generation_model=model, observer="human")
        assert answers.sel(stage="natural").mean() > 0.8
        assert answers.sel(stage="final").mean() < 0.25


def test_the_committed_tables_follow_from_the_public_data(groups, published_participants, registry, root):
    committed = humans_summary.read_results(root / "resources/published/group_results.csv", humans_summary.COLUMNS)
    pd.testing.assert_frame_equal(groups, committed, check_exact=False, rtol=0, atol=1e-11)

    points = humans_summary.pooled_points(groups)
    ceilings = humans_summary.read_results(
        root / "resources/published/noise_ceiling.csv", humans_summary.CEILING_COLUMNS
    )
    by_modality = {
        modality: [
            published_participants[n] for n, entry in registry["experiments"].items() if entry["modality"] == modality
        ]
        for modality in ceilings["modality"]
    }
    found = noise_ceiling.noise_ceilings(points, by_modality)
    pd.testing.assert_frame_equal(found, ceilings, check_exact=False, rtol=0, atol=1e-9)
    assert found["noise_ceiling_r2"].between(found["participants_low"], found["participants_high"]).all()


def test_pooling_group_results_equals_pooling_participants(groups, published_participants):
    """Mean and SEM of CochResNet50 over its three experiments, from the table and from all participants together."""
    points = humans_summary.pooled_points(groups).set_index(["generation_model", "stage"])
    for model, stage in (("CochResNet50", "layer3"), ("AlexNet", "relu2"), ("VGG-19", "final")):
        answers = np.concatenate(
            [
                data["proportion_correct"].sel(generation_model=model, stage=stage, observer="human").values
                for data in published_participants.values()
                if model in data["generation_model"]
            ]
        )
        point = points.loc[model, stage]
        assert point["human_n"] == len(answers)
        assert point["human_mean"] == pytest.approx(answers.mean(), abs=1e-9)
        assert point["human_sem"] == pytest.approx(scipy.stats.sem(answers), abs=1e-9)


def test_no_model_judges_itself_and_natural_stimuli_are_not_points(groups, published_judgements):
    points = humans_summary.pooled_points(groups)
    assert "natural" not in set(points["stage"])
    assert "cochleagram" in set(points["stage"])
    assert set(points.loc[points["modality"] == "vision", "model_n"]) == {19}
    assert set(points.loc[points["modality"] == "audio", "model_n"]) == {16}
    assert points.groupby("modality")["generation_model"].nunique().to_dict() == {"vision": 20, "audio": 17}
    table = published_judgements["audio"]
    others = table[(table["generation_model"] == "CochCNN9") & (table["recognition_model"] != "CochCNN9")]
    mean = others[others["stage"] == "relu4"]["proportion_correct"].mean()
    assert points.set_index(["generation_model", "stage"]).loc[("CochCNN9", "relu4"), "model_mean"] == pytest.approx(
        mean
    )


def simulated(reliability, participants, points, rng):
    """Simulate an experiment whose human means have the given reliability."""
    truth = rng.normal(size=points)
    noise = np.sqrt(participants * (1 - reliability) / reliability)
    scores = truth + noise * rng.normal(size=(participants, points))
    values = np.stack([scores, scores], axis=-1)[:, None]
    coords = {"generation_model": ["m"], "stage": [str(i) for i in range(points)], "observer": ["human", "model"]}
    return xr.Dataset({"proportion_correct": (("participant", *coords), values)}, coords=coords)


def test_the_noise_ceiling_equals_the_reliability_of_simulated_data():
    rng = np.random.default_rng(0)
    for reliability in (0.5, 0.9):
        data = simulated(reliability, participants=20, points=4000, rng=rng)
        ceiling, low, high = noise_ceiling.noise_ceiling([data], [("m", str(i)) for i in range(4000)], splits=50)
        assert ceiling == pytest.approx(reliability, abs=0.03)
        assert low <= ceiling <= high


def test_participants_without_noise_have_a_ceiling_of_one():
    data = simulated(0.9, participants=6, points=30, rng=np.random.default_rng(0))
    data["proportion_correct"][:] = data["proportion_correct"].isel(participant=0)
    assert noise_ceiling.noise_ceiling([data], [("m", str(i)) for i in range(30)])[0] == pytest.approx(1)


def test_reliability_without_splits_equals_the_mean_over_splits():
    data = simulated(0.8, participants=20, points=300, rng=np.random.default_rng(0))
    points = [("m", str(i)) for i in range(300)]
    values = data["proportion_correct"].sel(observer="human").values[:, 0]
    found = noise_ceiling.reliability([(values, np.ones(300, bool))])
    assert found == pytest.approx(noise_ceiling.noise_ceiling([data], points)[0], abs=0.005)


def test_reliability_without_splits_equals_cronbach_s_alpha_with_participants_as_items():
    values = np.random.default_rng(0).normal(size=(9, 30)) + np.random.default_rng(1).normal(size=30)
    alpha, _ = pingouin.cronbach_alpha(pd.DataFrame(values.T))
    assert noise_ceiling.reliability([(values, np.ones(30, bool))]) == pytest.approx(alpha)


def test_the_interval_of_the_ceiling_narrows_with_more_participants():
    values = simulated(0.99, 96, 60, np.random.default_rng(0))["proportion_correct"].values[:, 0, :, 0]
    widths = []
    for participants in (6, 24, 96):
        answers = [(values[:participants], np.ones(60, bool))]
        low, high = noise_ceiling.reliability_interval(answers)
        assert low < noise_ceiling.reliability(answers) < high < 1
        widths.append(np.log((1 - low) / (1 - high)))
    assert widths[0] > 1.5 * widths[1] > 2 * widths[2]


def test_two_experiments_give_the_interval_of_one_experiment_with_all_participants():
    """Both experiments have the same points and equal distributions of participants."""
    values = simulated(0.9, 60, 50, np.random.default_rng(3))["proportion_correct"].values[:, 0, :, 0]
    every = np.ones(50, bool)
    together = noise_ceiling.reliability_interval([(values, every)])
    apart = noise_ceiling.reliability_interval([(values[:30], every), (values[30:], every)])
    np.testing.assert_allclose(apart, together, atol=0.01)


def test_two_participants_or_identical_participants_give_no_interval():
    every = np.ones(5, bool)
    assert np.isnan(noise_ceiling.reliability_interval([(np.random.default_rng(0).random((2, 5)), every)])).all()
    assert np.isnan(noise_ceiling.reliability_interval([(np.tile(np.arange(5.0), (4, 1)), every)])).all()
    assert np.isnan(noise_ceiling.reliability_interval([])).all()


def change(registry, **changes):
    return {key: registry[key] | changes.get(key, {}) for key in registry}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"models": {"alexnet": {"name": "VGG-19", "class": "x", "layers": "alexnet"}}},
            "models: .*VGG-19",
        ),
        ({"models": {"alexnet": {"name": "A", "class": "x", "layers": "alexnt"}}}, "alexnt.*'alexnet'"),
        ({"layers": {"alexnet": {"a": "one", "b": "two"}}}, r"layers\.alexnet: .*one.*'natural'"),
        ({"layers": {"alexnet": {"a": "natural", "b": "two", "c": "two"}}}, r"layers\.alexnet: .*two"),
        (
            {
                "experiments": {
                    "x": dict(title="", modality="vision", participants=2, file="{model}", models=["alexnt"])
                }
            },
            r"experiments\.x\.models: .*'alexnt'.*'alexnet'",
        ),
        (
            {
                "experiments": {
                    "x": dict(title="", modality="touch", participants=2, file="{model}", models=["alexnet"])
                }
            },
            "experiments.x.modality: 'touch'",
        ),
    ],
)
def test_a_registry_that_contradicts_itself_is_refused(root, tmp_path, changes, message):
    path = tmp_path / "experiments.yaml"
    changed = change(config_read.read_yaml(root / "config/experiments.yaml"), **changes)
    path.write_text(yaml.safe_dump(changed, sort_keys=False))
    with pytest.raises(config.ConfigurationError, match=message):
        plan_experiments.read_experiments(path)


@pytest.fixture
def collections(root):
    """Function: source → public files of the study by collection."""
    study = plan_experiments.read_experiments(root / "config" / "experiments.yaml")
    return lambda source: plan_experiments.human_collections(source, study.experiments, study.judgements, study.brains)


def test_every_public_file_is_retrieved_with_its_hash(collections, registry):
    found = collections(registry["source"])
    assert sum(len(items) for name, items in found.items() if name.startswith("experiments/")) == 59
    assert {name: len(items) for name, items in found.items() if name.startswith("recognition_models/")} == {
        "recognition_models/vision": 400,
        "recognition_models/audio": 289,
    }
    assert all(
        item["url"].endswith(item["name"]) and len(item["sha256"]) == 64 for item in found["recognition_models/audio"]
    )


def test_a_public_file_without_a_hash_is_not_retrieved(collections, tmp_path):
    table = tmp_path / "files.tsv"
    table.write_text("path\tsha256\nother.mat\t" + "0" * 64 + "\n")
    source = plan_experiments.PublishedSource("https://example.org", str(table))
    with pytest.raises(config.ConfigurationError, match=r"files\.tsv .*VisionBehavioral.*cornet_s"):
        collections(source)
