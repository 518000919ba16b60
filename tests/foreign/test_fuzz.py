"""For any bytes in a file, its reader returns the content or raises an error that its callers expect.

Valid files, and files that ended an earlier reader, are changed at random places, cut off, or replaced, and then read.
`METAMERS_FUZZ` sets the number of examples for each reader (50), the same in each run; atheris
searches for as many that reach new code. `make fuzz` takes 10,000.

In November 2026, the 27 readers were fuzzed by coverage for an hour on half a core, with about a million files. Two NetCDF
files were found: texts in which HDF5 loops forever, which are refused since then, and 8 kB for which it takes 2 GB, because
of which HDF5 reads in a process of limited memory.

Coverage of 8 to 25 s of each reader in December 2026, as libFuzzer counts edges of our code, yaml, Pillow, tarfile
and zipfile, with the valid file and earlier crashes first, then at the end: answers, CSV 185 to 232, answers, JSON
193 to 231, bmp 142 to 175, checkpoint, TorchScript 315 to 438, checkpoint, legacy 163 to 266, checkpoint, zip 318
to 410, configuration 1454 to 1531, flac 26 to 41, gif 168 to 198, jpeg 144 to 166, mat 54 to 64, netcdf 185 to 189,
ogg 24 to 30, pickle of answers 207 to 219, pickle of sounds 246 to 268, pickle of voxels 218 to 251, pickle of
words 195 to 244, png 139 to 162, registry 517 to 607, safetensors 66 to 82, table 14 to 28, tar 143 to 186, tar.gz
145 to 171, tiff 165 to 197, wav 24 to 52, webp 140 to 170, mp3 24
to 30, aiff 24 to 50. Formats that C decodes have few edges in Python. Nothing
was found.
"""

import os
import pickle
import re
import subprocess
import sys
import tarfile
from contextlib import suppress
from importlib.util import find_spec

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metamers.foreign import archives
from metamers.foreign.isolated import FILE_BYTES, ReaderEndedError, call_isolated
from metamers.humans import participants as humans
from metamers.plan import plan as config
from metamers.plan.steps import default_configuration
from metamers.run import manifest
from metamers.run.progress import Progress
from tests.foreign.packed import member, pack
from tests.foreign.readers import READERS, ROOT
from tests.foreign.seeds import seeds_of
from tests.humans.published_files import JUDGED, judgement, write_pickle

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("METAMERS_FUZZ", "50"))


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


def saved_progress(path):
    progress = Progress(path.parent / "progress", "this")
    progress.save("part", {"taken": 3, "metamers": torch.ones(2, 3)})
    (saved,) = (path.parent / "progress").rglob("*.pt")
    return saved


@pytest.mark.hostile("sounds that are empty, cut off …")
@pytest.mark.hostile(
    "Any bytes",
    "any bytes in `.mat`, pickle, checkpoint, archive, registry, table, image, sound, manifest",
    "read, or refused with the reader's own kind of error (50 examples of each; `make fuzz` takes 10,000)",
)
@pytest.mark.parametrize("name", READERS)
def test_any_bytes_are_read_or_refused(name, tmp_path):
    make, read, error = READERS[name]
    path = make(tmp_path)
    read(path)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.sampled_from([path.read_bytes(), *seeds_of(name, tmp_path)]).flatmap(changed))
    def attempt(content):
        path.write_bytes(content)
        with suppress(error):
            read(path)

    # One process for all examples costs a tenth of one for each. If this one ends, the examples have one each.
    with suppress(ReaderEndedError, MemoryError):
        return call_isolated(attempt, timeout_s=30 + EXAMPLES, extra_bytes=FILE_BYTES)
    attempt()


@pytest.mark.hostile(
    "Any bytes",
    "bytes that atheris finds to reach new code, in `.mat`, pickles and registry",
    "read, or refused with the reader's own kind of error (50 of each; `make fuzz` takes 10,000)",
)
@pytest.mark.skipif(find_spec("atheris") is None, reason="no atheris for this kind of machine")
@pytest.mark.parametrize("name", ["mat", "pickle of answers", "pickle of sounds", "registry"])
def test_bytes_that_reach_new_code_are_read_or_refused(name, tmp_path):
    limits = [f"-runs={EXAMPLES}", "-timeout=20", "-seed=1", "-max_len=20000"]
    command = [sys.executable, ROOT / "tests" / "foreign" / "fuzz.py", name, tmp_path, *limits]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "src")))}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-3000:]
    assert int(re.search(r"^Done (\d+) runs", ran.stderr, flags=re.MULTILINE)[1]) >= EXAMPLES


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


@pytest.mark.hostile("Configuration", "any value of any key", "accepted, or refused with the valid values")
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


@pytest.mark.hostile("Archives", "an archive in an archive", "not opened")
def test_a_tar_in_a_tar_is_not_opened(tmp_path):
    inner = pack(tmp_path / "inner.tar", member("a.pt"))
    outer = pack(tmp_path / "outer.tar", member("inner.tar", inner.read_bytes()))
    with pytest.raises(OSError, match=r"'a\.pt'"):
        archives.extract_file(outer, "a.pt", tmp_path / "out")
    with tarfile.open(outer) as tar:
        assert tar.getnames() == ["inner.tar"]
