"""For any bytes in a file, its reader returns the content or raises an error that its callers expect.

Valid files are changed at random places, cut off, or replaced, and then read. `METAMERS_FUZZ` sets the number of
examples for each reader (default 150), and `METAMERS_FUZZ_S` the seconds for which atheris searches for bytes that
reach new code (default 15).
"""

import os
import pickle
import re
import subprocess
import sys
import tarfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import xarray as xr
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
from metamers.run import files, manifest
from metamers.run.progress import Progress
from metamers.stimuli import excerpts
from metamers.stimuli.images import read_image
from metamers.stimuli.sounds import read_sound
from tests.foreign.test_archives import member, pack
from tests.humans.test_own_participants import CATEGORIES, rows_of, small_design, write
from tests.humans.test_participants import JUDGED, LAYERS, judgement, matlab_file, write_pickle
from tests.paper.test_brain import write_voxels
from tests.stimuli.test_excerpts import encodings, study_pickle
from tests.stimuli.test_excerpts import read as read_excerpts

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = int(os.environ.get("METAMERS_FUZZ", "150"))
SECONDS = int(os.environ.get("METAMERS_FUZZ_S", "15"))


@st.composite
def changed(draw, whole: bytes) -> bytes:
    """Valid bytes with changes, deletions, insertions or a missing end; or arbitrary bytes."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        match draw(st.sampled_from(["byte", "cut", "insert", "end"])):
            case "byte":
                content[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del content[place : place + draw(st.integers(1, 16))]
            case "insert":
                content[place:place] = draw(st.binary(min_size=1, max_size=16))
            case "end":
                del content[place:]
    return draw(st.one_of(st.just(bytes(content)), st.binary(max_size=64)))


def picture(path, **how):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 10, 3), np.uint8)).save(path, **how)
    return path


def sound(path, **how):
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(400), 8000, **how)
    return path


def checkpoint(path, **how):
    torch.save({"state_dict": {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2)}}, path, **how)
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


def saved_progress(path):
    progress = Progress(path.parent / "progress", "this")
    progress.save("part", {"taken": 3, "metamers": torch.ones(2, 3)})
    (saved,) = (path.parent / "progress").rglob("*.pt")
    return saved


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


@pytest.mark.nightly
@pytest.mark.parametrize("name", READERS)
def test_any_bytes_are_read_or_refused(name, tmp_path):
    make, read, error = READERS[name]
    path = make(tmp_path)
    read(path)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(changed(path.read_bytes()))
    def attempt(content):
        path.write_bytes(content)
        with suppress(error):
            read(path)

    attempt()


@pytest.mark.nightly
@pytest.mark.skipif(find_spec("atheris") is None, reason="no atheris for this kind of machine")
@pytest.mark.parametrize("name", ["mat", "pickle of answers", "pickle of sounds", "registry"])
def test_bytes_that_reach_new_code_are_read_or_refused(name, tmp_path):
    limits = [f"-max_total_time={SECONDS}", "-timeout=20", "-seed=1", "-max_len=20000"]
    command = [sys.executable, ROOT / "tests" / "fuzz.py", name, tmp_path, *limits]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "src")))}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-3000:]
    assert int(re.search(r"^Done (\d+) runs", ran.stderr, flags=re.MULTILINE)[1]) > 20


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_progress_that_is_changed_is_left_out_or_the_same(data, tmp_path_factory):
    path = saved_progress(tmp_path_factory.mktemp("p") / "x")
    whole = path.read_bytes()
    content = data.draw(changed(whole))
    path.write_bytes(content)
    found = Progress(path.parents[1], "this").load("part")
    assert (found is not None) == (content == whole)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_value_of_any_key_of_the_configuration_is_taken_or_named(data):
    given_settings = default_configuration()
    part, key = given_settings, data.draw(st.sampled_from(sorted(given_settings)))
    while isinstance(part[key], dict) and part[key] and data.draw(st.booleans()):
        part = part[key]
        key = data.draw(st.sampled_from(sorted(part)))
    part[key] = data.draw(VALUES)
    with suppress(config.ConfigurationError):
        config.make_plan(given_settings)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_as_a_manifest(content, tmp_path):
    (tmp_path / "r.sha256").write_bytes(content)
    manifest.read(tmp_path / "r")


def test_a_pickle_of_a_pickle_is_no_way_in(tmp_path):
    inner = pickle.dumps(judgement(), protocol=4)
    path = write_pickle(tmp_path / "x.pckl", {"answers": inner, "average": inner}, protocol=4)
    with pytest.raises(ValueError, match=r"x\.pckl"):
        humans.read_judgement(path, JUDGED[1:], "answers", "average")


def test_a_tar_in_a_tar_is_not_opened(tmp_path):
    inner = pack(tmp_path / "inner.tar", member("a.pt"))
    outer = pack(tmp_path / "outer.tar", member("inner.tar", inner.read_bytes()))
    with pytest.raises(OSError, match=r"no member 'a\.pt'"):
        archives.extract_file(outer, "a.pt", tmp_path / "out")
    with tarfile.open(outer) as tar:
        assert tar.getnames() == ["inner.tar"]
