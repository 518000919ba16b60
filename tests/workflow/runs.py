"""What tests of the workflow share: copies of the repository, small runs, and checks of their files."""

import atexit
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time as clock
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import netCDF4
import numpy as np
import soundfile
import yaml
from PIL import Image

from metamers.plan.steps import declared_files
from metamers.repository import environment_with
from metamers.run.code_version import SERVICES, code_version, files_that_count, module_of
from metamers.run.declared import RunFile
from tests.conventions import complaints
from tests.workflow.forked import ForkServer

TRACED = Path(__file__).with_name("traced.py")
JOBS = Path(__file__).with_name("jobs")

IGNORED = shutil.ignore_patterns("retrieved", "store", "__pycache__")


CREATOR = {
    "name": "A laboratory",
    "type": "group",
    "email": "us@laboratory.example",
    "url": "https://laboratory.example",
    "institution": "University",
    "license": "CC-BY-4.0",
}


# Of the tables and files that a test writes into a folder.
OWN_DATASET = {"files": {"folder": "mine"}, "table": "mine/table.csv", "categories": "mine/categories.csv"}

# Simulated experiments in seconds.
BRIEF_POWER = {
    "participants": [6, 50],
    "trials": [10],
    "simulations": 100,
    "stimuli": [10],
    "stimulus_simulations": 100,
}


def copy_of(root: Path, folder: Path) -> Path:
    """A copy of the repository's workflow in a new folder, without files of runs."""
    for name in ("config", "envs", "experiment", "resources", "scripts", "src", "studies", "workflow"):
        shutil.copytree(root / name, folder / name, ignore=IGNORED)
    shutil.copy(root / "Snakefile", folder)
    (folder / "profiles").symlink_to("workflow/profiles")
    return folder


def library_of(folder: Path) -> dict[str, str]:
    """The environment in which Python imports the library of a copy of the repository, or this library without a copy."""
    own = folder / "src"
    return environment_with(own) if own.is_dir() else dict(os.environ)


@functools.cache
def forks() -> ForkServer:
    """The process of this worker that forks Snakemake and its jobs."""
    server = ForkServer()
    atexit.register(server.end)
    return server


def forking(folder: Path) -> dict[str, str]:
    """The environment in which Python imports the folder's own library, if it has one, and Snakemake's jobs are forked."""
    environment = library_of(folder) | {"METAMERS_FORKS": forks().path}
    return environment | {"PYTHONPATH": os.pathsep.join([str(JOBS), environment["PYTHONPATH"]])}


def snakemake(folder: Path, *arguments: str, fails: bool = False, first: Path | None = None) -> str:
    """Run Snakemake in a folder, with the folder's own library if it has one, and return its output.

    Each job runs the Python file ``first`` before its script. ``TRACED`` records which functions of the library it calls.
    """
    environment = forking(folder) | ({"METAMERS_FIRST": str(first)} if first else {})
    status, output = forks().run(["-m", "snakemake", "--cores", "2", *arguments], folder, environment)
    assert (status != 0) == fails, output[-5000:]
    return output


# What code that counts may call of modules that do not count (``metamers.run.code_version.SERVICES``): functions that read,
# write, hash or log.
READ_OR_WRITE = {
    "metamers.foreign.isolated": {
        "call_isolated",
        "call_isolated_each",
        "read_all_isolated",
        "read_isolated",
        "read_isolated_each",
        "reading_s",
    },
    "metamers.run.cpu_time": {"_counted_import", "counted"},
    "metamers.run.files": {
        "fingerprint",
        "load",
        "load_all",
        "load_answers",
        "load_by_stem",
        "load_foreign",
        "open_dataset",
        "read_attributes",
        "save",
        "save_in_pieces",
        "append",
        "write",
        "write_atomically",
    },
    "metamers.run.hashes": {"sha256_of"},
    "metamers.run.job": {"log_to", "log_results_to", "progress_folder", "provenance", "save"},
    "metamers.run.logs": {"log_subject"},
    "metamers.run.manifest": {"in_run", "record"},
}


def calls_that_do_not_count(root: Path, folder: Path) -> set[tuple[str, str, str]]:
    """(step, module, function) of calls in a traced run that could change a result, although the module does not count."""
    scripts = {
        "_".join(path.relative_to(root / "scripts").with_suffix("").parts): path
        for path in (root / "scripts").rglob("*.py")
    }
    found = set()
    paths = list((folder / "traced").glob("*.json"))
    assert len(paths) > 20
    for path in paths:
        job = json.loads(path.read_text())
        assert job["calls"], job["step"]
        script = scripts[job["step"]]
        # Of a job without a model, the entry is the modality of its dataset, or there is none.
        given = [job["models"]] if job["models"] else [[{"modality": "vision"}], [{"modality": "audio"}]]
        models = next(models for models in [*given, None] if code_version(script, models) == job["code"])
        modules = set(map(module_of, files_that_count(script, models))) | {"__main__"}
        found |= {
            (job["step"], module, function)
            for module, function, caller in job["calls"]
            if caller in modules
            and module not in modules
            and not (module in SERVICES and function.rpartition(".")[2] in READ_OR_WRITE.get(module, ()))
        }
    return found


def counts(output: str) -> dict[str, int]:
    """Rule → number of jobs, from the table of a dry run."""
    if "Nothing to be done" in output:
        return {}
    table = output.rsplit("Job stats:", 1)[1]
    return {rule: int(count) for rule, count in re.findall(r"^(\S+)\s+(\d+)$", table, flags=re.MULTILINE)}


def write_registry(folder: Path, registry: dict[str, dict]) -> dict[str, str]:
    """Write a run's own models and datasets; return the key ``registry`` of its configuration."""
    for name, entries in registry.items():
        (folder / "mine" / f"{name}.yaml").write_text(yaml.safe_dump(entries, sort_keys=False))
    return {name: f"mine/{name}.yaml" for name in registry}


def small(root: Path, folder: Path) -> list[str]:
    """Return Snakemake's arguments of a run of a few seconds: two tiny models, own images, own categories."""
    (folder / "mine").mkdir()
    shutil.copy(root / "tests" / "networks" / "tiny.py", folder / "mine" / "builders.py")
    rng = np.random.default_rng(0)
    rows = []
    for n in range(4):
        values = rng.integers(0, 255, (4, 4, 3), np.uint8).repeat(6, axis=0).repeat(6, axis=1)
        Image.fromarray(values).save(folder / "mine" / f"image_{n}.png")
        rows.append(f"image_{n}.png,{'dog' if n % 2 else 'cat <b>'}\n")
    (folder / "mine" / "table.csv").write_text("file,category\n" + "".join(rows))
    (folder / "mine" / "categories.csv").write_text("class_index,category\n0,cat <b>\n1,dog\n3,dog\n")
    model = {
        "modality": "vision",
        "source": {"python": "mine/builders.py:convolutional"},
        "weights": {"random": 0},
        "input": {"size": 16, "mean": [0.5] * 3, "std": [0.5] * 3},
        "stages": {"input": None, "block": {"module": "block", "pass_through_relu": "relu"}, "logits": "classify"},
    }
    dataset = OWN_DATASET | {"modality": "vision", "size": 16}
    registry = {
        "models": {"first": model, "second": model | {"family": "other", "weights": {"random": 1}}},
        "datasets": {"own": dataset},
    }
    settings = {
        "run": "small",
        "creator": CREATOR,
        "registry": write_registry(folder, registry),
        "stimuli": {"vision": {"dataset": "own", "number": 3}},
        "generation_models": ["first", "second"],
        "recognition_models": ["first", "second"],
        "synthesis": {
            **{"quality": "quick", "seeds": 2, "batch_size": 3},
            "quick": {"vision": {"steps": 30}},
        },
        "comparison": {"bootstrap": 100, "contrasts": [], "power": BRIEF_POWER | {"stimuli": None}},
        "analyses": dict.fromkeys(("vulnerability", "brain", "similarity")),
        "beyond": {"models": []},
    }
    (folder / "small.yaml").write_text(yaml.safe_dump(settings))
    return ["--configfile", "small.yaml"]


# 2 models, 3 stages, 1 batch.
SMALL = {"synthesize_metamers": 2 * 3, "null_distribution": 2, "recognize_natural_vision_0": 1, "recognize_vision_0": 2}


SIGNALS = (("channel", "row", "column"), ("sample",))


def check_schema(path: Path, name: str, schemas: dict[str, RunFile]) -> None:
    """A file of a run has the variables and dimensions of its schema, each with a long name and, if it has one, a unit."""
    patterns = {re.sub("<[^>]+>", "[^/]+", pattern): schema for pattern, schema in schemas.items()}
    (file_of_run,) = [schema for pattern, schema in patterns.items() if re.fullmatch(pattern, name)]
    schema, descriptions = file_of_run.dimensions, file_of_run.described
    with netCDF4.Dataset(path) as file:
        found = {key: variable.dimensions for key, variable in file.variables.items()}
        for key, variable in file.variables.items():
            long_name, units = descriptions[key]
            assert variable.long_name == long_name, (name, key)
            assert getattr(variable, "units", "") == units, (name, key)
    needed = {key for key in schema if not key.endswith("?")}
    assert needed <= found.keys() <= {key.removesuffix("?") for key in schema}, name
    for key, dimensions in found.items():
        wanted = tuple(filter(None, schema.get(key, schema.get(f"{key}?")).split(", ")))
        allowed = [wanted] if "signal" not in wanted else [(*wanted[:-1], *signal) for signal in SIGNALS]
        assert dimensions in allowed, (name, key)


def check_every_file(results: Path, *others: ModuleType) -> None:
    """All files of a run are as their steps, and other modules ``files``, declare."""
    schemas = declared_files(*others)
    paths = sorted(results.rglob("*.nc"))
    assert len(paths) > 20
    for path in paths:
        check_schema(path, path.relative_to(results).as_posix(), schemas)


def check_conventions(results: Path) -> None:
    """All files of a run conform to CF-1.11 and ACDD-1.3, and name the creator that the configuration names."""
    paths = sorted(results.rglob("*.nc"))
    assert len(paths) > 20
    assert {path.relative_to(results).as_posix(): found for path in paths if (found := complaints(path))} == {}
    creators = set()
    for path in paths:
        with netCDF4.Dataset(path) as file:
            creators.add(file.creator_name)
    assert creators == {CREATOR["name"]}


HEARING = ["--configfile", "hearing.yaml"]


def small_hearing(root: Path, folder: Path, test_sounds: int = 2) -> list[str]:
    """Return Snakemake's arguments of a run of sounds: three kinds of tones as words, and two small networks to train."""
    (folder / "mine").mkdir()
    shutil.copy(root / "tests" / "networks" / "tiny.py", folder / "mine" / "builders.py")
    rng = np.random.default_rng(0)
    rows = []
    for split, number in (("train", 8), ("validation", 2), ("test", test_sounds)):
        for word, frequency in (("high <b>", 2700), ("low", 300), ("middle", 900)):
            for n in range(number):
                name = f"{split}_{word.split()[0]}_{n}.wav"
                time = np.arange(2000) / 8000
                sound = np.sin(2 * np.pi * frequency * rng.uniform(0.9, 1.1) * time) + 0.1 * rng.standard_normal(2000)
                soundfile.write(folder / "mine" / name, 0.2 * sound, 8000)
                rows.append(f"{name},{word},speaker_{split},{split}\n")
    (folder / "mine" / "table.csv").write_text("file,word,speaker,split\n" + "".join(rows))
    (folder / "mine" / "categories.csv").write_text("class_index,category\n0,low\n1,middle\n2,high <b>\n")
    train = {"dataset": "tones", "epochs": 30, "batch_size": 8, "learning_rate": 0.02}
    cochleagram = {"high_hz": 4000, "filters": 10, "sample_factor": 1, "taps": 201}
    model = {
        "modality": "audio",
        "source": {"python": "mine/builders.py:hearing"},
        "weights": {"train": train},
        "input": {"sampling_rate_hz": 8000, "duration_s": 0.25, "cochleagram": cochleagram},
        "stages": {
            "input": None,
            "cochleagram": "preprocessing",
            "relu": {"module": "relu", "pass_through_relu": "relu"},
            "final": "classify",
        },
    }
    perturbation = {"kind": "adversarial", "norm": "l2", "size": 0.1, "steps": 2, "on": "preprocessing"}
    waveform = {"kind": "random", "norm": "linf", "size": 0.001, "on": "input"}
    models = {
        "plain": model,
        "robust": model | {"weights": {"train": train | {"perturbation": perturbation}}},
        "noisy": model | {"weights": {"train": train | {"perturbation": waveform}}},
        "readout": model | {"weights": {"train": train | {"readout": "classify"}}},
    }
    dataset = OWN_DATASET | {"modality": "audio", "sampling_rate_hz": 8000, "duration_s": 0.25}
    settings = {
        "run": "hearing",
        "creator": CREATOR,
        "registry": write_registry(folder, {"models": models, "datasets": {"tones": dataset}}),
        "stimuli": {"audio": {"dataset": "tones", "number": 4}},
        "generation_models": ["plain", "robust"],
        "recognition_models": list(models),
        "training": {"attack": {"sizes": [0.1, 0.5], "steps": 2, "examples": 6}},
        "recognition": {"models_per_job": 3},
        "synthesis": {"quality": "quick", "seeds": 1, "batch_size": 6, "quick": {"audio": {"steps": 60}}},
        "comparison": {"bootstrap": 100, "contrasts": [["robust", "plain"]], "power": BRIEF_POWER},
        "analyses": dict.fromkeys(("vulnerability", "brain", "similarity")),
        "beyond": {"models": []},
    }
    (folder / "hearing.yaml").write_text(yaml.safe_dump(settings))
    return HEARING


# A brain is simulated from the stage relu of the model plain.
BRAIN = {
    "models": "generation", "dataset": None, "number": None, "responses": None, "splits": 2,
    "shuffles": 19,
    "simulated": {"model": "plain", "stage": "relu", "participants": 3, "voxels": 4, "repetitions": 2, "noise": 0.1},
}  # fmt: skip


def analysed_hearing(root: Path, folder: Path) -> list[str]:
    """Return Snakemake's arguments of the small run of sounds with all analyses, and enough sounds for a regression."""
    arguments = small_hearing(root, folder, test_sounds=4)
    settings = yaml.safe_load((folder / "hearing.yaml").read_text())
    attack = {"models": ["plain", "noisy"], "steps": 3, "step_size": 0.5, "audio": {"l2": [0.5, 5], "linf": [0.01]}}
    settings["analyses"] = {"vulnerability": attack, "brain": BRAIN, "similarity": {"models": "generation"}}
    (folder / "hearing.yaml").write_text(yaml.safe_dump(settings))
    return arguments


def started(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen:
    """Snakemake in a process group of its own; ``communicate`` waits until its jobs have ended, too."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}  # each of them has the pipe
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **streams)


def kill_when_there_is(pattern: str, folder: Path, *arguments: str, writes: int = 1) -> None:
    """Run Snakemake, and kill it and its jobs without warning when a file with this path has been written so many times."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments, "--config", "save_every_s=0"]
    running = started(command, folder, forking(folder))
    versions: dict[Path, set[int]] = {}
    try:
        while running.poll() is None and writes > max(map(len, versions.values()), default=0):
            for path in folder.glob(pattern):
                with suppress(FileNotFoundError):  # its job has just ended
                    versions.setdefault(path, set()).add(path.stat().st_mtime_ns)
            clock.sleep(0.02)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate(timeout=300)
    assert any(folder.glob(pattern))
    snakemake(folder, "--unlock", *arguments)


def append(path: Path, text: str = "\n\nUNUSED = 1\n") -> None:
    path.write_text(path.read_text() + text)
