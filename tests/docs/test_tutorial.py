"""The tutorials do what they say: their files are written and their commands run as they stand there."""

import importlib.metadata
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import soundfile
import timm
import torch
import torchvision
from PIL import Image

from metamers.config.read import read_registry
from metamers.models.build import build_network
from metamers.models.weights import published_weights
from metamers.names import INPUT_STAGE
from metamers.run import files
from metamers.run.packages import package_file
from tests.documentation import FOLLOWED, blocks
from tests.needs import without
from tests.publishing import publisher
from tests.workflow.runs import copy_of, counts, forking, snakemake

pytestmark = pytest.mark.slow

ADD = "add to "


WHO_SPEAKS = "### Who speaks"
PROGRAMS = {name: [sys.executable, "-m", name] for name in ("metamers", "snakemake")} | {"python": [sys.executable]}
OWN = ("tf_efficientnet_lite0.in1k", "blurred")


def follow(text: str, folder: Path, **variables: str) -> str:
    """Do what a page says, block by block, and give what its commands said."""
    said = []
    for language, content in blocks(text):
        first, rest = content.split("\n", 1)
        first = first.removeprefix("# ")
        if language in ("yaml", "python", "csv"):
            path = folder / first.removeprefix(ADD)
            path.parent.mkdir(exist_ok=True)
            old = path.read_text() if first.startswith(ADD) else ""
            path.write_text(f"{old}\n{content}" if language != "csv" else rest)
        elif language == "bash":
            for line in content.splitlines():
                program, *arguments = shlex.split(line)
                command = [*PROGRAMS[program], *arguments]
                environment = forking(folder) | {"OMP_NUM_THREADS": "1"} | variables
                ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
                assert ran.returncode == 0, (line, (ran.stdout + ran.stderr)[-5000:])
                said.append(ran.stdout)
    return "".join(said)


def page(root: Path, name: str) -> str:
    """A page that is said to be followed."""
    assert f"docs/{name}" in FOLLOWED
    return (root / "docs" / name).read_text(encoding="utf-8")


def test_every_page_that_is_said_to_be_followed_is(request):
    followers = "".join(Path(request.path).read_text().split("# Pages")[1:])
    assert [name for name in FOLLOWED if f'"{Path(name).name}"' not in followers] == []


# Pages


def published_lite0() -> dict[str, bytes]:
    """The files of timm's repository of EfficientNet-Lite0 on the hub, made from the weights that a package carries."""
    entry = read_registry("config/models.yaml", "models")["efficientnet_lite0"]
    path = package_file(entry["weights"]["package"], entry["weights"]["file"])
    network = build_network("efficientnet_lite0", entry, 0)
    network.load_state_dict(published_weights("efficientnet_lite0", entry, path, network), strict=False)
    settings = timm.get_pretrained_cfg("tf_efficientnet_lite0.in1k").to_dict()
    config = {"architecture": "tf_efficientnet_lite0", "num_classes": 1000, "pretrained_cfg": settings}
    weights = safetensors.torch.save({key: value.contiguous() for key, value in network.state_dict().items()})
    return {"config.json": json.dumps(config).encode(), "model.safetensors": weights}


@pytest.fixture(scope="module")
def followed(root, tmp_path_factory):
    """The folder of somebody who followed the tutorial on one's own model, with a hub that is on this machine."""
    folder = copy_of(root, tmp_path_factory.mktemp("tutorial"))
    more = page(root, "your_own_model_more.md").split("## As a module of your workflow")[0]
    sounds = page(root, "networks_of_sounds.md")
    examples, _ = page(root, "networks_of_sounds_more.md").split(WHO_SPEAKS)  # needs a package that may be missing
    with publisher() as hub:
        hub.commit("timm/tf_efficientnet_lite0.in1k", published_lite0())
        hub.commit("timm/vit_small_patch16_224.augreg_in21k_ft_in1k", {"model.safetensors": b"weights"})  # never read
        cache = str(tmp_path_factory.mktemp("cache"))
        text = page(root, "your_own_model.md") + more + sounds + examples
        said = follow(text, folder, HF_ENDPOINT=hub.address, HF_HOME=cache, HF_HUB_DISABLE_XET="1")
        (folder / "said.txt").write_text(said)
        yield folder


def test_the_commands_print_what_the_page_says(root, followed):
    texts = [content for _, content in blocks(page(root, "your_own_model.md"))]
    (printed,) = [content for content in texts if content.startswith("Added ")]
    said = (followed / "said.txt").read_text()
    assert printed in said
    assert "It is a model without classes" in said
    assert "With its readout, it can be in recognition_models, too." in said


def test_both_models_pass_their_check(followed):
    for model in OWN:
        card = files.load(followed / f"results/mine/model_cards/{model}.nc")
        assert card.attrs["findings"] == ""
        assert (card["problem"] == "").all()
        assert float(card["top_1"]) > 0.5


def test_the_registry_of_the_workflow_stays_as_it_is(root, followed):
    assert (followed / "config/models.yaml").read_bytes() == (root / "config/models.yaml").read_bytes()
    assert set(OWN) <= read_registry(followed / "mine/models.yaml", "models").keys()


def test_both_models_have_a_place_among_the_published_ones(followed):
    entries = pd.read_csv(followed / "results/mine/report/leaderboard.csv").set_index("generation_model")
    own = entries[entries["basis"] == "prediction"]
    assert set(own.index) == set(OWN)
    predicted = files.load(followed / "results/mine/comparison/predicted_human.nc")
    assert INPUT_STAGE in predicted["stage"].values
    told = predicted["predicted"].sel(stage=predicted["stage"] != INPUT_STAGE).notnull().sum("stage")
    # Of three photographs other models may recognize all or none: nothing is predicted then.
    for model, entry in own.iterrows():
        assert entry["stages"] == int(told.sel(generation_model=model))
        assert np.isfinite(entry["area"]) == (entry["stages"] >= 2)
        assert np.isfinite(entry["rank"]) == (not isinstance(entry["reason"], str))
    own = own.dropna(subset="rank")
    assert own["rank"].between(1, 31).all()
    assert (own["area_low"] <= own["area"]).all()
    assert (own["area"] <= own["area_high"]).all()
    published = entries[(entries["basis"] == "people") & (entries["entry_modality"] == "vision")]
    for _, entry in own.iterrows():
        assert entry["rank"] == 1 + (published["normalized_area"] > entry["normalized_area"]).sum()


def test_the_rest_of_the_report_would_follow(followed):
    jobs = counts(snakemake(followed, "-n", "--configfile", "mine/run.yaml"))
    assert jobs["report_pages"] == 1
    assert "synthesize_metamers" not in jobs


def test_the_network_of_waveforms_would_recognize_by_its_readout(followed):
    jobs = counts(snakemake(followed, "-n", "--configfile", "mine/sounds.yaml"))
    assert (jobs["train_readout"], jobs["train_model"]) == (1, 2)
    assert jobs["synthesize_metamers"] > 1


def test_the_speaker_encoder_names_voices_by_its_readout(root, tmp_path):
    """Its weights are those of its package."""
    try:
        importlib.metadata.distribution("Resemblyzer")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(without("Resemblyzer"))
    folder = copy_of(root, tmp_path)
    (folder / "mine").mkdir()
    (folder / "mine/models.yaml").touch()
    text = page(root, "networks_of_sounds_more.md")
    follow(text[text.index("## A speaker encoder") :], folder)
    results = folder / "results/voices"
    readout = files.load(results / "readouts/speaker.nc")
    claim = re.search(r"of (\d+)% of the (\d+) held-out words.*interval (\d+)% to (\d+)%; chance (\d+)%\)", text)
    names = ("held_out_accuracy", "held_out_accuracy_low", "held_out_accuracy_high", "chance_accuracy")
    accuracy, low, high, chance = (round(100 * float(readout[name])) for name in names)
    expected = accuracy, int(readout["held_out_examples"]), low, high, chance
    # Another processor rounds differently, which may change the answer to a word or two.
    assert tuple(map(int, claim.groups())) == pytest.approx(expected, abs=4)
    examples = files.load(results / "examples/voices.nc")
    words = {
        split: {str(name).split("_")[0] for name in own["stimulus"].values} for split, own in examples.groupby("split")
    }
    assert not words["test"] & (words["train"] | words["validation"])
    answers = files.load(results / "recognition/speaker/speaker.nc")
    natural = answers["correct"].sel(stage="natural")
    assert natural.mean() > 0.5
    # Without classes, the readout has no part in acceptance: of the metamers, it names what the match preserves.
    assert answers["correct"].sel(stage="embedding").mean() > 0.5
    assert (
        f"it recognizes by a linear readout of its stage embedding, trained on {12 * 8} examples of voices"
        in (results / "model_cards/speaker.html").read_text()
    )


def test_the_first_run_ends_with_metamers_that_match(root, tmp_path):
    said = follow(page(root, "first_run.md"), copy_of(root, tmp_path))
    errors = re.findall(r"^(\w+): normalized error (\S+) at first, (\S+) in the end$", said, flags=re.MULTILINE)
    assert [stage for stage, _, _ in errors] == ["block_1", "block_11", "logits"]
    assert all(float(after) < float(before) / 2 for _, before, after in errors)
    assert (tmp_path / "results/first/report/index.html").is_file()
    exported = tmp_path / "results/first/exported"
    assert len(list((exported / "metamers/efficientnet_lite0/logits").glob("*.png"))) == 3
    assert list((exported / "datasets/imagenet_photographs").glob("*.png"))


def test_own_stimuli_are_what_is_exported(root, tmp_path):
    """The page's reader has pictures and recordings; here there are patterns and noise under their names."""
    folder, rng = copy_of(root, tmp_path), np.random.default_rng(0)
    for kind in ("images", "sounds"):
        (folder / "mine" / kind).mkdir(parents=True)
    for name in ("bridge", "tower"):
        values = rng.integers(0, 255, (5, 6, 3), np.uint8).repeat(60, axis=0).repeat(60, axis=1)
        Image.fromarray(values).save(folder / f"mine/images/{name}.png")
    for name in ("apple", "bird"):
        soundfile.write(folder / f"mine/sounds/{name}.wav", 0.3 * rng.standard_normal(16_000), 16_000)
    (folder / "mine/materials").mkdir()
    for number in range(10):
        for material in ("glass", "metal", "paper", "wood"):
            values = rng.integers(0, 255, (8, 8, 3), np.uint8)
            Image.fromarray(values).save(folder / f"mine/materials/{material}_{number:02d}.png")
    with publisher() as hub:  # the networks with readouts are only planned
        for name in ("resnet50.a1_in1k", "tf_efficientnet_lite0.in1k", "vit_small_patch16_224.augreg_in21k_ft_in1k"):
            hub.commit(f"timm/{name}", {"model.safetensors": b"weights"})
        cache = str(tmp_path / "cache")
        text = page(root, "your_own_stimuli.md")
        said = follow(text, folder, HF_ENDPOINT=hub.address, HF_HOME=cache, HF_HUB_DISABLE_XET="1")
    plans = [counts(f"Job stats:{table}") for table in said.split("Job stats:")[1:]]
    own_categories = next(plan for plan in plans if "train_readout" in plan)
    assert (own_categories["train_readout"], own_categories["recognize_vision_0"]) == (3, 1)
    exported = folder / "results/own_stimuli/exported/datasets"
    assert {path.name for path in (exported / "my_images").glob("*.png")} == {"bridge.png", "tower.png"}
    assert {path.name for path in (exported / "my_sounds").glob("*.wav")} == {"apple.wav", "bird.wav"}
    sound, rate_hz = soundfile.read(exported / "my_sounds/apple.wav")
    assert (len(sound), rate_hz) == (20_000, 20_000)
    jobs = counts(said)  # of the whole run, which the page ends with
    assert (jobs["recognize_vision_0"], jobs["recognize_audio_0"]) == (1, 1)


def test_a_checkpoint_with_its_own_classes_gets_a_report(root, tmp_path):
    """The page's reader has a trained network; this one has random weights, and its images are patterns."""
    folder, rng = copy_of(root, tmp_path), np.random.default_rng(0)
    (folder / "mine/images").mkdir(parents=True)
    torch.save(torchvision.models.resnet18(num_classes=6).state_dict(), folder / "mine/animals.pth")
    text = page(root, "own_classes.md")
    for name in re.findall(r"^(\w+\.png),", text, flags=re.MULTILINE):
        values = rng.integers(0, 255, (8, 8, 3), np.uint8).repeat(10, axis=0).repeat(10, axis=1)
        Image.fromarray(values).save(folder / "mine/images" / name)
    follow(text, folder)
    results = folder / "results/animals"
    assert (results / "report/index.html").is_file()
    tables = {"my_resnet": "mine/classes.csv", "efficientnet_lite1": "mine/animals_in_imagenet.csv"}
    for model, table in tables.items():
        answers = files.load(results / f"recognition/my_resnet/{model}.nc")
        assert table in json.loads(answers.attrs["inputs"])
        assert set(answers["answer"].values.ravel()) <= {"cat", "dog", "fox", "hen", "owl", "pig"}
