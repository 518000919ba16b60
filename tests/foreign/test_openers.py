"""Every function that opens a file with a compiled library runs in a process with limits, or opens a run's own file.

Readers in Python alone (YAML, JSON, CSV, tables) are not listed: they have limits of their own.
"""

import ast
import importlib
import os
import re

import numpy as np
import pytest

from metamers.foreign import isolated
from metamers.stimuli.images import read_exported_image, write_image
from metamers.stimuli.sounds import read_exported_sound, write_sound
from tests.foreign.readers import READERS, ROOT
from tests.foreign.seeds import seeds_of

# Libraries that read files, and names of theirs that open one.
LIBRARIES = re.compile(
    r"(PIL\.Image|bz2|cv2|gzip|h5py|imageio|librosa|lzma|netCDF4|numpy|pandas|pickle|safetensors|scipy\.io|soundfile"
    r"|sqlite3|tarfile|torch|torchaudio|torchvision\.io|xarray|xml|zipfile|zlib)\."
)
OPENERS = re.compile(
    r"_?(open|load|read|safe_open|parse|decode|decompress|memmap|mmap|connect|info|fromfile|genfromtxt|EndRecData)\w*"
    r"|(Sound|Zip|Tar|Gzip|BZ2|LZMA)?File|_?Unpickler"
)
WITHOUT_FILE = re.compile(r"h5py\.h5\w\..*")  # functions on a file that is open

# Functions that open a file from outside, or decode a part of it. They run in a separate process.
ISOLATED = {
    "metamers.experiment.folder._rgba",
    "metamers.foreign.archives",  # the table of the functions that decompress
    "metamers.foreign.archives._opened",
    "metamers.foreign.checkpoints._read_zip",
    "metamers.foreign.checkpoints._records_of_pytorch",
    "metamers.foreign.checkpoints.read_checkpoint",
    "metamers.foreign.hdf5._check",
    "metamers.foreign.matlab._inflated",
    "metamers.foreign.pickles.Unpickler",
    "metamers.stimuli.images._decoded",
    "metamers.stimuli.images._table",
    "metamers.stimuli.sounds._decoded",
    "metamers.stimuli.sounds._rate_and_length",
}

# Function that opens a file in its own process → why it may.
DIRECT = {
    "metamers.brainscore.data.load_stimuli": "a table of the plugin, which a run has written",
    "metamers.compare.recognition_spread.read_recognition": "a table of a run",
    "metamers.experiment.folder.write_folder": "a stimulus that the workflow has exported",
    "metamers.experiment.store._opened": "the database of the experiment's server",
    "metamers.foreign.isolated._receive": "the answer of a separate process",
    "metamers.humans.summary.read_results": "a table of a run",
    "metamers.report.picture.png": "a picture that was just drawn",
    "metamers.report.sounds.cochleagram_of": "a sound that the workflow has exported",
    "metamers.report.steps.run_times": "tables of Snakemake",
    "metamers.run.files._load": "NetCDF whose structure another process has checked",
    "metamers.run.files.open_dataset": "NetCDF whose structure another process has checked",
    "metamers.run.files.save_in_pieces": "a file that was just written",
    "metamers.run.progress.Progress": "a state that has its SHA-256, read without code",
    "metamers.run.files.read_attributes": "NetCDF whose structure another process has checked",
    "metamers.stimuli.exported.Decoded": "a temporary file",
    "metamers.stimuli.sounds.read_exported_sound": "a sound that the workflow has exported",
    "scripts.experiment.folder": "stimuli that the workflow has exported",
    "scripts.report.media": "images that the workflow has exported",
    "scripts.report.picture": "images that the workflow has exported",
}

# Functions that are called in a separate process, by which those of ``ISOLATED`` are called for ``READERS``.
CALLED = (
    "metamers.foreign.archives._extract_file",
    "metamers.foreign.hdf5._check",
    "metamers.humans.participants._variables",
    "metamers.humans.participants.read_pickle",
    "metamers.models.weights._stored",
    "metamers.stimuli.excerpts.read_pickle",
    "metamers.stimuli.images._decoded",
    "metamers.stimuli.sounds._decoded",
)

# Readers in Python alone.
TEXT = {"safetensors", "registry", "configuration", "answers, JSON", "answers, CSV", "table"}


def opening_functions():
    """Yield each function of the library and the scripts that names an opener of a library."""
    for folder, path in [(top, path) for top in ("src", "scripts") for path in sorted((ROOT / top).rglob("*.py"))]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names, nodes = {}, list(ast.walk(tree))
        for node in nodes:
            if isinstance(node, ast.Import):
                names |= {one.asname or one.name.split(".")[0]: one.asname and one.name for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
        notes = [getattr(node, name, None) for node in nodes for name in ("annotation", "returns")]
        unused = {id(node) for note in notes if note is not None for node in ast.walk(note)}

        def dotted(node, names=names):
            if isinstance(node, ast.Attribute):
                return f"{dotted(node.value)}.{node.attr}"
            return (names.get(node.id) or node.id) if isinstance(node, ast.Name) else ""

        parts = path.relative_to(ROOT / "src" if folder == "src" else ROOT).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        for top in tree.body:
            named = isinstance(top, ast.FunctionDef | ast.ClassDef) and folder == "src"
            for node in ast.walk(top):
                name = dotted(node) if id(node) not in unused else ""
                opens = LIBRARIES.match(name) and OPENERS.fullmatch(name.rpartition(".")[2])
                if (opens or name == "netCDF4.Dataset") and not WITHOUT_FILE.fullmatch(name):
                    yield f"{module}.{top.name}" if named else module


def test_every_function_that_opens_a_file_is_listed():
    assert sorted(set(opening_functions())) == sorted(ISOLATED | DIRECT.keys())


@pytest.mark.hostile(
    "Any file that a compiled library reads",
    "a file that crashes its reader",
    "refused by name, among the other files of a data set",
)
@pytest.mark.parametrize("name", sorted(READERS.keys() - TEXT))
def test_a_reader_that_ends_its_process_is_a_refusal_that_names_the_file(name, tmp_path, monkeypatch):
    make, read, error = READERS[name]
    path = make(tmp_path)
    for function in CALLED:
        module, _, attribute = function.rpartition(".")
        monkeypatch.setattr(importlib.import_module(module), attribute, end_process)
    with pytest.raises(error, match=rf"{re.escape(path.name)}.*\(status 3\)"):
        read(path)


def test_exported_stimuli_are_read_without_another_process(tmp_path, monkeypatch):
    monkeypatch.setattr(isolated, "get_context", lambda _: pytest.fail("a process is started"))
    write_image(np.linspace(0, 1, 48).reshape(3, 4, 4), tmp_path / "x.png")
    write_sound(np.linspace(-0.5, 0.5, 100), tmp_path / "x.wav", 8000)
    assert read_exported_image(tmp_path / "x.png").shape == (3, 4, 4)
    assert read_exported_sound(tmp_path / "x.wav").shape == (100,)


@pytest.mark.hostile(
    "Any file that a compiled library reads",
    "a file that ended the reader of an earlier version",
    "refused; fuzzing begins with these files (`foreign/seeds.py`)",
)
@pytest.mark.hostile(
    "Pickles and checkpoints",
    "a checkpoint of quantized or other numbers that no network of this workflow has",
    "refused by the name of the type: PyTorch crashes where it reads them",
)
@pytest.mark.parametrize("name", ["mat", "checkpoint, zip", "checkpoint, TorchScript", "netcdf"])
def test_a_file_that_ended_an_earlier_reader_is_refused(name, tmp_path):
    _, read, error = READERS[name]
    contents = seeds_of(name, tmp_path)
    assert contents
    for number, content in enumerate(contents):
        path = tmp_path / f"seed_{number}"
        path.write_bytes(content)
        with pytest.raises(error, match=path.name) as refused:
            read(path)
        assert not re.search(r"\(status \d|\bSIG[A-Z]+", str(refused.value))


def end_process(*_):
    if not isolated._isolated:
        pytest.fail("it is called in the process of the test")
    os._exit(3)
