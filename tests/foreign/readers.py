"""Every reader of files from outside, with a valid file and the error that its callers expect."""

from pathlib import Path

import numpy as np
import safetensors.torch
import soundfile
import torch
import xarray as xr
import yaml
from PIL import Image

from metamers.config import read as config_read
from metamers.config import tables
from metamers.foreign import archives
from metamers.humans import own_participants as people
from metamers.humans import participants as humans
from metamers.models.weights import read_weights
from metamers.paper import brain as paper_brain
from metamers.plan import plan as config
from metamers.plan.steps import default_configuration, merge_defaults
from metamers.run import files
from metamers.stimuli import excerpts
from metamers.stimuli.images import read_image
from metamers.stimuli.sounds import read_sound
from tests.foreign.packed import member, pack
from tests.humans.answers import CATEGORIES, rows_of, small_design, write
from tests.humans.published_files import JUDGED, LAYERS, judgement, matlab_file, write_pickle
from tests.paper.voxels import write_voxels
from tests.stimuli.study_pickles import encodings, read_excerpts, study_pickle

ROOT = Path(__file__).resolve().parents[2]


def picture(path, **how):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 10, 3), np.uint8)).save(path, **how)
    return path


def sound(path, **how):
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(400), 8000, **how)
    return path


def checkpoint(path, **how):
    torch.save({"state_dict": {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2)}}, path, **how)
    return path


def safe_tensors(path):
    safetensors.torch.save_file({"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2)}, path)
    return path


def torchscript(path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(path)
    return path


def netcdf(path):
    values = xr.Dataset(
        {"stimulus_value": ("stimulus", np.ones(3, "f4"))}, {"stimulus": ["a", "b", "c"]}, {"title": "x"}
    )
    values.to_netcdf(path, engine="netcdf4", encoding={"stimulus_value": {"zlib": True}})
    return path


def table(path):
    path.write_text("file,category\na.png,dog\nb.png,cat\n")
    return path


def answers(path):
    design = small_design()
    return write(path, rows_of(design, "p0", 0, trials=3))


def read_one_s_answers(path):
    return people.read_answers([path], small_design(), CATEGORIES)


def configuration(path):
    path.write_text(yaml.safe_dump(default_configuration()))
    return path


def resolve_configuration(path):
    config_read.check_configuration_files([path])
    return config.make_plan(merge_defaults(config_read.read_yaml(path)))


def take(path):
    target = path.with_suffix(".out")
    try:
        archives.extract_file(path, "a.pt", target)
    finally:
        target.unlink(missing_ok=True)


def registry(path):
    path.write_text((ROOT / "config" / "datasets.yaml").read_text())
    return path


# Function that makes a valid file, its reader, and the errors that the reader may raise.
READERS = {
    "mat": (lambda p: matlab_file(p / "x.mat"), lambda p: humans.read_participants(p, LAYERS, 4), ValueError),
    "pickle of answers": (
        lambda p: write_pickle(p / "x.pckl", judgement(), protocol=4),
        lambda p: humans.read_judgement(p, JUDGED[1:], "answers", "average"),
        ValueError,
    ),
    "pickle of sounds": (lambda p: study_pickle(p / "x.pckl", samples=40), read_excerpts, ValueError),
    "pickle of voxels": (
        lambda p: write_voxels(p, "a", "one", [[0.1, 0.2], [0.5, 0.5]], [0, 3], [[1], [1]]),
        lambda p: paper_brain.read_voxels(p, ["pitch"], 2),
        ValueError,
    ),
    "pickle of words": (
        lambda p: encodings(p / "x.pckl", {"apple": 1, "zebra": 2}),
        lambda p: excerpts.read_vocabulary(p, 3),
        ValueError,
    ),
    "checkpoint, zip": (lambda p: checkpoint(p / "x.pt"), lambda p: read_weights(p, "state_dict", ""), ValueError),
    "checkpoint, legacy": (
        lambda p: checkpoint(p / "x.pt", _use_new_zipfile_serialization=False),
        lambda p: read_weights(p, "state_dict", ""),
        ValueError,
    ),
    "safetensors": (lambda p: safe_tensors(p / "x.safetensors"), read_weights, ValueError),
    "checkpoint, TorchScript": (lambda p: torchscript(p / "x.pt"), read_weights, ValueError),
    "netcdf": (lambda p: netcdf(p / "x.nc"), files.load, OSError),
    "tar": (lambda p: pack(p / "x.tar", member("x/a.pt", b"1" * 900)), take, OSError),
    "tar.gz": (lambda p: pack(p / "x.tar", member("x/a.pt", b"1" * 900), mode="w:gz"), take, OSError),
    "registry": (lambda p: registry(p / "x.yaml"), lambda p: config_read.read_registry(p, "datasets"), ValueError),
    "configuration": (lambda p: configuration(p / "x.yaml"), resolve_configuration, ValueError),
    "answers, JSON": (lambda p: answers(p / "x.json"), read_one_s_answers, ValueError),
    "answers, CSV": (lambda p: answers(p / "x.csv"), read_one_s_answers, ValueError),
    "png": (lambda p: picture(p / "x.png"), read_image, ValueError),
    "jpeg": (lambda p: picture(p / "x.jpg"), read_image, ValueError),
    "tiff": (lambda p: picture(p / "x.tiff", compression="tiff_lzw"), read_image, ValueError),
    "webp": (lambda p: picture(p / "x.webp"), read_image, ValueError),
    "gif": (lambda p: picture(p / "x.gif"), read_image, ValueError),
    "bmp": (lambda p: picture(p / "x.bmp"), read_image, ValueError),
    "table": (lambda p: table(p / "x.csv"), lambda p: tables.read_table(p, ["file", "category"]), ValueError),
    "wav": (lambda p: sound(p / "x.wav", subtype="PCM_16"), lambda p: read_sound(p, 8000), ValueError),
    "flac": (lambda p: sound(p / "x.flac"), lambda p: read_sound(p, 8000), ValueError),
    "ogg": (lambda p: sound(p / "x.ogg"), lambda p: read_sound(p, 8000), ValueError),
    "mp3": (lambda p: sound(p / "x.mp3"), lambda p: read_sound(p, 8000), ValueError),
    "aiff": (lambda p: sound(p / "x.aiff"), lambda p: read_sound(p, 8000), ValueError),
}
