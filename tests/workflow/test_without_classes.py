"""Networks without classes, like those that people study in 2026, go through a whole run, with participants and report."""

import importlib.util
import re
import shutil
from itertools import product

import numpy as np
import pytest
import soundfile
import torch
import yaml
from PIL import Image

from metamers.leaderboard.ranking import entries_of
from metamers.models.load import load_model
from metamers.models.model import fit_stimuli
from metamers.models.readout import pooled_activations
from metamers.plan.plan import ConfigurationError, make_plan
from metamers.plan.steps import merge_defaults
from metamers.run import files
from metamers.train.readout import fit_readout
from tests.needs import without
from tests.networks.from_hub import SETTINGS
from tests.workflow.runs import (
    BRIEF_POWER,
    CREATOR,
    OWN_DATASET,
    check_conventions,
    check_every_file,
    copy_of,
    snakemake,
    write_registry,
)

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
READOUT = {"stage": "encoder.feature_projection", "times_chance": 1.2}  # with two categories, twice chance is 100%

NETWORKS = '''
"""Small networks with random weights."""

import timm
import torch
from torch import nn
from torchaudio.models import wav2vec2_model


def dino():
    """A vision transformer of features."""
    torch.manual_seed(0)
    return timm.create_model("vit_tiny_patch16_224", img_size=32, depth=3, num_classes=0)


def hubert():
    """A transformer of waveforms, whose output is a tuple of features over time and their lengths."""
    torch.manual_seed(0)
    layers = [(16, 10, 5), (16, 3, 2), (16, 3, 2)]
    return wav2vec2_model("group_norm", layers, False, 24, 0.1, 8, 4, 3, 2, 0.1, 48, 0.0, 0.1, False, 0.1, None)


class Frames(nn.Module):
    """Class scores of waveforms in a part of a dictionary."""

    def __init__(self):
        super().__init__()
        self.convolve, self.classify = nn.Conv1d(1, 8, 64, 16), nn.Linear(8, 2)

    def forward(self, sounds):
        hidden = self.convolve(sounds[:, None]).relu()
        return {"logits": self.classify(hidden.mean(2)), "hidden": (sounds, hidden)}
'''


def write_sounds(folder, rng):
    """Low and high tones in noise, for metamers and for a readout: 12 to train, 4 to choose its penalty, 12 to test."""
    rows = ["file,category,split\n"]
    for n in range(28):
        category, frequency_hz = (("low", 300), ("high", 2700))[n % 2]
        tone = np.sin(2 * np.pi * frequency_hz * rng.uniform(0.9, 1.1) * np.arange(2000) / 8000)
        soundfile.write(folder / f"sound_{n}.wav", 0.2 * (tone + 0.05 * rng.standard_normal(2000)), 8000)
        rows.append(f"sound_{n}.wav,{category},{'test' if n < 12 else 'train' if n < 24 else 'validation'}\n")
    (folder / "sounds.csv").write_text("".join(rows))


# The optional library, whose network of sounds is in the run if it is installed.
HAS_TRANSFORMERS = importlib.util.find_spec("transformers") is not None
HALF_A_SECOND = {"name": "whisper_log_mel", "arguments": {"mels": SETTINGS["whisper"]["num_mel_bins"], "padded_s": 0.5}}
WHISPER = {
    "modality": "audio",
    "source": {"transformers": "whisper", "arguments": SETTINGS["whisper"] | {"max_source_positions": 25}},
    "weights": {"random": 0},
    "input": {"sampling_rate_hz": 16000, "duration_s": 0.25, "preprocessing": HALF_A_SECOND},
    "classes": False,
    "stages": "auto",
}


def configure(root, folder):
    """Write a run of a network of images and one of sounds without classes, judged by small networks with classes."""
    (folder / "mine").mkdir()
    shutil.copy(root / "tests" / "networks" / "tiny.py", folder / "mine" / "builders.py")
    (folder / "mine" / "networks.py").write_text(NETWORKS)
    rng = np.random.default_rng(0)
    images = ["file,category\n"]
    for n in range(4):
        category = "high" if n % 2 else "low"
        values = rng.integers(0, 255, (4, 4, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        Image.fromarray(values).save(folder / "mine" / f"image_{n}.png")
        images.append(f"image_{n}.png,{category}\n")
    (folder / "mine" / "table.csv").write_text("".join(images))
    write_sounds(folder / "mine", rng)
    (folder / "mine" / "categories.csv").write_text("class_index,category\n0,low\n1,high\n")
    image = {"modality": "vision", "input": {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3}}
    sound = {"modality": "audio", "input": {"sampling_rate_hz": 8000, "duration_s": 0.25, "preprocessing": "waveform"}}
    own = {"weights": "builder", "stages": "auto"}
    scored = {"input": None, "convolve": "convolve", "hidden": {"module": "scores", "output": ["hidden", 1]}}
    scored["both"] = ["convolve", "hidden"]  # matched at once
    models = {
        "dino": image | own | {"source": {"python": "mine/networks.py:dino"}, "classes": False},
        "hubert": sound | own | {"source": {"python": "mine/networks.py:hubert"}, "classes": False, "readout": READOUT},
        "seeing": image
        | {"source": {"python": "mine/builders.py:convolutional"}, "weights": {"random": 0}}
        | {"stages": {"input": None, "block": "block", "logits": "classify"}},
        "hearing": sound
        | {"source": {"python": "mine/networks.py:Frames"}, "weights": {"random": 0}, "output": "logits"}
        | {"stages": scored | {"logits": "classify"}},
    }
    whisper = [{"model": "whisper", "stages": ["input", "preprocessing", "output"]}] if HAS_TRANSFORMERS else []
    models |= {"whisper": WHISPER} if whisper else {}
    heard = {"modality": "audio", "sampling_rate_hz": 8000, "duration_s": 0.25, "table": "mine/sounds.csv"}
    datasets = {"images": OWN_DATASET | {"modality": "vision", "size": 32}, "sounds": OWN_DATASET | heard}
    rows = [
        f"p{person},{'' if stage == 'natural' else 'dino'},{stage},image_{n},{['low', 'high'][(n + person) % 2]}"
        for person, n, stage in product(range(4), range(3), ["natural", "blocks.0", "output"])
    ]
    (folder / "answers.csv").write_text("\n".join(["participant,generation_model,stage,stimulus,answer", *rows]))
    settings = {
        "run": "encoders",
        "creator": CREATOR,
        "registry": write_registry(folder, {"models": models, "datasets": datasets}),
        "stimuli": {"vision": {"dataset": "images", "number": 3}, "audio": {"dataset": "sounds", "number": 3}},
        "generation_models": [
            {"model": "dino", "stages": ["input", "blocks.0", "output"]},
            "hubert",
            {"model": "hearing", "stages": ["input", "both"]},
            *whisper,
        ],
        "recognition_models": ["seeing", "hearing", "hubert"],
        "synthesis": {
            **{"quality": "quick", "seeds": 1, "batch_size": 3},
            "quick": {"vision": {"steps": 15}, "audio": {"steps": 15}},
        },
        "own_participants": {"people": {"modality": "vision", "format": "table", "answers": "answers.csv"}},
        "comparison": {"bootstrap": 100, "contrasts": [], "power": BRIEF_POWER | {"stimuli": None}},
        "analyses": {"brain": None, "similarity": {"models": "generation"}},
        "beyond": {"models": []},
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(settings))
    return ["--configfile", "run.yaml"]


@pytest.fixture(scope="module")
def made(root, tmp_path_factory):
    """A finished run: its folder."""
    folder = copy_of(root, tmp_path_factory.mktemp("encoders"))
    snakemake(folder, *configure(root, folder))
    return folder


def test_files_have_no_answers_of_a_model_without_classes(made):
    results = made / "results" / "encoders"
    check_every_file(results)
    check_conventions(results)
    for model in ("dino", "hubert"):
        metamers = files.load(next((results / "metamers" / model).rglob("*.nc")))
        assert not {"predicted_category", "natural_category"} & {*metamers}
        acceptance = files.load(results / "acceptance" / f"{model}.nc")
        assert not {"category_preserved", "natural_category"} & {*acceptance}
        assert (acceptance["accepted"] == acceptance["above_null"]).all()
        assert "classes" in acceptance.attrs["source"]
    assert "category_preserved" in files.load(results / "acceptance" / "hearing.nc")
    assert [path.stem for path in (results / "recognition" / "dino").iterdir()] == ["seeing"]


def test_the_model_that_gives_scores_in_a_part_of_its_output_recognizes(made):
    answers = files.load(made / "results/encoders/recognition/hubert/hearing.nc")
    assert {*answers["answer"].values.ravel()} <= {"low", "high"}
    assert "output" in answers["stage"].values


def test_a_model_without_classes_recognizes_by_a_readout_that_was_not_fitted_to_held_out_examples(made):
    results = made / "results/encoders"
    readout = files.load(results / "readouts/hubert.nc")
    assert (readout.attrs["stage"], int(readout["held_out_examples"])) == (READOUT["stage"], 12)
    assert float(readout["held_out_accuracy"]) > 0.9
    entry = yaml.safe_load((made / "mine/models.yaml").read_text())["hubert"]
    entry |= {"source": {"python": f"{made}/mine/networks.py:hubert"}, "weights": {"builder": True}}
    stage = READOUT["stage"]
    model = load_model("hubert", entry | {"stages": {"input": None, stage: stage}}, None, CPU)
    examples = files.load(results / "examples/sounds.nc")
    features = {}
    for split in ("train", "validation"):
        chosen = examples.sel(stimulus=examples["split"] == split)
        sounds = fit_stimuli(model, chosen["stimulus_value"].values, {"sampling_rate_hz": 8000})
        features[split] = pooled_activations(model, sounds, stage), (chosen["category"] == "high").values.astype(int)
    fitted, _ = fit_readout(features["train"], features["validation"], ["low", "high"], stage)
    np.testing.assert_allclose(fitted.weight, readout["readout_weight"], rtol=0.01, atol=1e-3)
    natural = files.load(results / "natural_recognition/hubert.nc")
    assert natural["correct"].all()
    answers = files.load(results / "recognition/hearing/hubert.nc")
    assert "readouts/hubert.nc" in answers.attrs["inputs"]
    assert {*answers["answer"].values.ravel()} <= {"low", "high"}
    assert {path.stem for path in (results / "recognition/hubert").iterdir()} == {"hearing", "hubert"}


def test_a_readout_at_chance_is_refused_before_anything_is_recognized(made):
    """Its categories say nothing about the tones."""
    rows = (made / "mine/sounds.csv").read_text().splitlines()
    confused = [re.sub("low|high", ["low", "high"][n // 2 % 2], row) for n, row in enumerate(rows)]
    (made / "mine/confused.csv").write_text("\n".join([rows[0], *confused[1:]]))
    models, datasets = (yaml.safe_load((made / f"mine/{name}.yaml").read_text()) for name in ("models", "datasets"))
    models["hubert"]["readout"] = READOUT | {"dataset": "confused"}
    datasets["confused"] = datasets["sounds"] | {"table": "mine/confused.csv"}
    settings = yaml.safe_load((made / "run.yaml").read_text())
    registry = {"models": "mine/confused_models.yaml", "datasets": "mine/confused_datasets.yaml"}
    (made / registry["models"]).write_text(yaml.safe_dump(models, sort_keys=False))
    (made / registry["datasets"]).write_text(yaml.safe_dump(datasets))
    settings |= {"run": "confused", "registry": registry}
    (made / "confused.yaml").write_text(yaml.safe_dump(settings))
    target = "results/confused/natural_recognition/hearing.nc"
    said = snakemake(made, target, "--configfile", "confused.yaml", fails=True)
    message = r"models: hubert\.readout: .*\d+% of 12 .*\b60%.*\b1\.2\b"
    assert re.search(message, said), said
    assert not (made / target).exists()


@pytest.mark.skipif(not HAS_TRANSFORMERS, reason=without("transformers"))
def test_metamers_of_whisper_pass_its_front_end(made):
    results = made / "results" / "encoders"
    for stage in ("preprocessing", "output"):
        metamers = files.load(next((results / "metamers/whisper" / stage).iterdir()))
        assert metamers["metamer"].shape == (3, 1, 4000)
        loss = metamers["loss"].values
        assert np.isfinite(loss).all()
        assert (loss[..., -1] < loss[..., 0]).all()
        assert np.abs(metamers["metamer"].values).mean() > 1e-4  # above the floor of the logarithm
    assert "category_preserved" not in files.load(results / "acceptance/whisper.nc")
    answers = files.load(results / "recognition/whisper/hearing.nc")
    assert answers["stage"].values.tolist() == ["natural", "input", "preprocessing", "output"]
    assert "<p>whisper " in (results / "report/match.html").read_text()


def test_participants_recognize_its_metamers_without_a_comparison_with_the_model_itself(made):
    people = files.load(made / "results/encoders/humans/people.nc")
    shown = people["proportion_correct"].sel(generation_model="dino")
    assert shown.sel(observer="human").notnull().any("participant").sum() == 3  # natural and two stages
    assert shown.sel(observer="model").isnull().all()
    tested = files.load(made / "results/encoders/comparison/anova.nc")
    assert "between stages" in tested["comparison"].values
    assert not [name for name in tested["comparison"].values if "network" in str(name)]


def test_report_leaderboard_and_model_card_say_it(made):
    results = made / "results" / "encoders"
    snakemake(made, "leaderboard", "model_card", "verify", "--configfile", "run.yaml", "--config", "model=hubert")
    pages = {name: (results / f"report/{name}.html").read_text() for name in ("index", "match", "statistics")}
    of_models = [re.search(rf"<strong>{name}</strong></a>: (.*)", pages["index"])[1] for name in ("dino", "hearing")]
    assert ["classes" in text for text in of_models] == [True, False]
    assert "<p>dino " in pages["match"]
    assert "<p>hearing " not in pages["match"]
    board = entries_of(files.load(results / "comparison/leaderboard.nc"))
    (kind,) = set(board.loc[board["generation_model"] == "dino", "model_class"])
    assert "classes" in kind
    assert kind in (results / "report/leaderboard.html").read_text()
    assert not board.loc[board["generation_model"] == "hearing", "model_class"].str.contains("classes").any()
    readout = rf"{READOUT['stage']}\b[^<]*\b12\b[^<]*\bsounds\b[^<]*\b100%[^<]*\b12\b"
    assert re.search(rf"<p>hubert [^<]*{readout}", pages["statistics"])
    assert re.search(rf"<li>[^<]*{readout}", (results / "model_cards/hubert.html").read_text())
    card = files.load(results / "model_cards/hubert.nc")
    assert (card["problem"] == "").all()
    assert card.attrs["findings"] == ""
    assert np.isnan(card["top_1"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recognition_models": ["seeing", "hearing", "dino"]}, r"recognition_models\S*: 'dino'"),
        ({"analyses": {"vulnerability": {"models": ["dino"]}}}, r"analyses\.vulnerability\.models\S*: 'dino'"),
        ({"beyond": {"models": ["dino"]}}, r"beyond\.models\.0: 'dino'"),
    ],
)
def test_what_needs_answers_is_refused_before_the_first_job(made, monkeypatch, changes, message):
    monkeypatch.chdir(made)
    settings = yaml.safe_load((made / "run.yaml").read_text()) | changes
    with pytest.raises(ConfigurationError, match=message):
        make_plan(merge_defaults(settings))
