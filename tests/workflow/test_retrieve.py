"""The study's stimuli through the workflow: planned without the archive, and made from an archive as the study reads it."""

import io
import pickle
import tarfile

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from metamers.run import files
from metamers.run.hashes import sha256_of
from tests.networks.tiny import convolutional
from tests.workflow.runs import copy_of, small, snakemake

pytestmark = pytest.mark.slow

CONFIGFILE = ["--configfile", "small.yaml"]
RATE = 20000
WORDS = [f"word{n}" for n in range(400)]


def jpeg(seed):
    stream = io.BytesIO()
    values = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    Image.fromarray(values).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def clone(root, tmp_path):
    """The workflow with the study's two datasets and a mirror that has their sources."""
    copy_of(root, tmp_path)
    small(root, tmp_path)
    registry = yaml.safe_load((root / "config/archives.yaml").read_text())
    names = [row.split(",")[1] for row in (root / "resources/datasets/imagenet_400.csv").read_text().split()[1:]]
    excerpts = {"Dataset_Word_Order": WORDS}
    for n, word in enumerate(WORDS):
        row = pd.Series({"word": word, "word_int": n + 1, "sr": RATE, "path": "/x", "source": "WSJ"})
        clip = np.random.default_rng(n).standard_normal(200)
        excerpts[word] = {"dataframe_metadata": row, "audio_clips": [clip]}
    place = {name: tmp_path / "mirror" / entry["url"].split("://")[1] for name, entry in registry.items()}
    for path in place.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(place["assets"], "w") as tar:
        content = {
            f"./full_400_16_class_imagenet_val_images/{name.replace('*', 'n01_00000001')}": jpeg(n)
            for n, name in enumerate(names)
        }
        content["./word_WSJ_validation_jsin_400words_1samplesperword_with_metadata.pckl"] = pickle.dumps(excerpts, 4)
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    place["word_encodings"].write_bytes(
        pickle.dumps({"word_to_idx": {"__nullSignal__": 0} | {w: n + 1 for n, w in enumerate(WORDS)}})
    )
    for name in ("assets", "word_encodings"):
        registry[name] = {"url": registry[name]["url"], "sha256": sha256_of(place[name])}
    (tmp_path / "mine/archives.yaml").write_text(yaml.safe_dump(registry))
    datasets = yaml.safe_load((root / "config/datasets.yaml").read_text())
    (tmp_path / "mine/datasets.yaml").write_text(yaml.safe_dump({n: datasets[n] for n in ("imagenet_400", "wsj_400")}))
    models = yaml.safe_load((tmp_path / "mine/models.yaml").read_text())
    hearing = models["first"] | {
        "modality": "audio",
        "source": {"python": "mine/builders.py:hearing"},
        "input": {"sampling_rate_hz": RATE, "duration_s": 2},
        "stages": {"input": None, "final": "classify"},
    }
    (tmp_path / "mine/models.yaml").write_text(
        yaml.safe_dump({"first": models["first"], "ear": hearing}, sort_keys=False)
    )
    settings = yaml.safe_load((tmp_path / "small.yaml").read_text()) | {
        "stimuli": {
            "vision": {"dataset": "imagenet_400", "number": None},
            "audio": {"dataset": "wsj_400", "number": None},
        },
        "generation_models": ["first", "ear"],
        "recognition_models": ["first", "ear"],
        "mirror": str(tmp_path / "mirror"),
    }
    settings["registry"]["archives"] = "mine/archives.yaml"
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


def test_stimuli_are_made_of_the_archive_and_planned_without_it(clone):
    snakemake(clone, "-n", *CONFIGFILE)
    snakemake(clone, "results/small/stimuli/imagenet_400.nc", "results/small/stimuli/wsj_400.nc", *CONFIGFILE)
    images = files.load(clone / "results/small/stimuli/imagenet_400.nc")
    assert images["stimulus_value"].shape == (400, 3, 224, 224)
    assert images["category"].to_series().value_counts().eq(25).all()
    assert images["label"].values[0] == "airplane n01_00000001"
    sounds = files.load(clone / "results/small/stimuli/wsj_400.nc")
    assert sounds["category"].values.tolist() == WORDS
    assert sounds["stimulus_value"].shape == (400, 2 * RATE)


def test_an_archive_without_its_hash_is_said_by_the_job(clone):
    registry = yaml.safe_load((clone / "mine/archives.yaml").read_text())
    given = registry["word_encodings"]["sha256"]
    registry["word_encodings"]["sha256"] = None
    (clone / "mine/archives.yaml").write_text(yaml.safe_dump(registry))
    assert given in snakemake(clone, "resources/retrieved/categories/wsj_400.tsv", *CONFIGFILE, fails=True)


def test_weights_may_be_single_files_of_the_registry_under_one_name(root, tmp_path):
    copy_of(root, tmp_path)
    small(root, tmp_path)
    state = convolutional().state_dict()
    place = "classify."
    parts = {
        "readout": {key.removeprefix(place): value for key, value in state.items() if key.startswith(place)},
        "trunk": {key: value for key, value in state.items() if not key.startswith(place)},
    }
    registry = {}
    for name, part in parts.items():
        file = tmp_path / "mirror" / f"{name}.org" / "w.pt"
        file.parent.mkdir(parents=True)
        torch.save(part, file)
        registry[name] = {"url": f"https://{name}.org/w.pt", "sha256": sha256_of(file)}
    models = yaml.safe_load((tmp_path / "mine/models.yaml").read_text())
    models["first"]["vocabulary"] = "mine/categories.csv"
    models["first"]["weights"] = {"archive": "trunk", "extra_weights": {"archive": "readout", "module": "classify"}}
    settings = yaml.safe_load((tmp_path / "small.yaml").read_text()) | {"mirror": str(tmp_path / "mirror")}
    settings["registry"]["archives"] = "mine/archives.yaml"
    for file, content in (("mine/archives", registry), ("mine/models", models), ("small", settings)):
        (tmp_path / f"{file}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    snakemake(tmp_path, "results/small/nulls/first.nc", *CONFIGFILE)
    folder = tmp_path / "resources/retrieved/weights/first"
    assert sha256_of(folder / "w.pt") == registry["trunk"]["sha256"]
    assert sha256_of(folder / "extra_weights/w.pt") == registry["readout"]["sha256"]
    # Links, which take no room twice.
    assert (folder / "w.pt").samefile(tmp_path / "resources/retrieved/archives/trunk.pt")
