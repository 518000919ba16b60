"""A made-up finished run for tests of the experiment: files as the workflow's steps write them, without any model."""

import csv
import shutil
from pathlib import Path

import numpy as np
import soundfile
import xarray as xr
import yaml
from PIL import Image

from metamers.names import NATURAL, stage_path
from metamers.plan.steps import declared_files
from metamers.run import files
from metamers.run.declared import RunFile
from tests.configurations import practice
from tests.workflow.runs import copy_of

STAGES = {"vision": ["input", "block/1", "logits"], "audio": ["input", "relu", "final"]}
NOUN = {"vision": "category", "audio": "pitch"}  # what a category is called
WORDS = ["low", "middle", "high <b>", "café"]
RULES = [
    "retrieve_jspsych",
    "experiment_folder",
    "experiment",
    "humans_own_participants",
    "compare_anova",
    "compare_own_participants_vs_models",
    "compare_own_participants_consistency",
    "compare_recognizability",
    "compare_humans_vs_models",
    "compare_passes",
    "compare_predicted_human",
    "leaderboard_ranking",
    "report_assets",
    "report_leaderboard",
]
MEANINGS = {name: meaning for file in declared_files().values() for name, meaning in file.described.items()}
# A file may have every variable that a step declares.
OF_ANY_STEP = RunFile("any.nc", {"": ", ".join(MEANINGS)}, meanings=MEANINGS)
RUN = "shown"
ARGUMENTS = ["--configfile", "shown.yaml"]


def _signal(modality: str, path: Path, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if modality == "vision":
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(path)
    else:
        soundfile.write(path, 0.05 * rng.standard_normal(800), 8000, subtype="PCM_16")


def _saved(dataset: xr.Dataset, path: Path) -> None:
    about = {"title": "made up", "source": "a test", "step": "test", "run": RUN, "seed": 0, "inputs": []}
    files.save(dataset, path, declared=OF_ANY_STEP, **about)


def made_up_run(root: Path, folder: Path, modality: str, stimuli: int = 15, spare: int = 4, seed: int = 0) -> Path:
    """Make a copy of the workflow with results of two generation models, ``first`` and ``second``; return the folder.

    ``first`` recognizes 8 of 10 of its own metamers; ``third`` is one more recognition model.
    """
    copy_of(root, folder)
    rng = np.random.default_rng(seed)
    shutil.copy(root / "tests" / "networks" / "tiny.py", folder)
    suffix = {"vision": ".png", "audio": ".wav"}[modality]
    names = [f"item_{n:02d}" for n in range(stimuli + spare)]
    categories = [WORDS[n % len(WORDS)] for n in range(len(names))]
    for name in names:
        _signal(modality, folder / "mine" / f"{name}{suffix}", rng)
    column = {"vision": "category", "audio": "word"}[modality]
    rows = "".join(f"{name}{suffix},{category}\n" for name, category in zip(names, categories, strict=True))
    (folder / "mine" / "table.csv").write_text(f"file,{column}\n{rows}", encoding="utf-8")
    classes = "".join(f"{n},{word}\n" for n, word in enumerate(WORDS))
    (folder / "mine" / "categories.csv").write_text(f"class_index,category\n{classes}", encoding="utf-8")
    size = {
        "vision": {"size": 16, "mean": [0.5] * 3, "std": [0.5] * 3},
        "audio": {"sampling_rate_hz": 8000, "duration_s": 0.1, "cochleagram": {"high_hz": 4000, "taps": 201}},
    }[modality]
    builder, modules = {"vision": ("convolutional", ["block"] * 2), "audio": ("hearing", ["relu", "classify"])}[
        modality
    ]
    model = {
        "modality": modality,
        "source": {"python": f"tiny.py:{builder}"},
        "input": size,
        "stages": dict(zip(STAGES[modality], [None, *modules], strict=True)),
    }
    dataset = {"modality": modality, "files": {"folder": "mine"}, "table": "mine/table.csv"}
    dataset |= {"categories": "mine/categories.csv"}
    sounds = {"sampling_rate_hz": 8000, "duration_s": 0.1, "category_noun": NOUN["audio"]}
    dataset |= {"size": 16} if modality == "vision" else sounds
    own = {name: model | {"weights": {"random": seed}} for seed, name in enumerate(("first", "second", "third"))}
    models = own | {"third": own["third"] | {"family": "other"}}
    registry = {"models": models, "datasets": {"own": dataset}}
    for name, entries in registry.items():
        dumped = yaml.dump(entries, sort_keys=False, allow_unicode=True, Dumper=_Plain)
        (folder / "mine" / f"{name}.yaml").write_text(dumped, encoding="utf-8")
    brief = {"fixation_ms": 20, "image_ms": 40, "mask_ms": 20}
    brief = {"pause_ms": 10, **brief, "at_first": brief | {"image_ms": 200}} if modality == "vision" else {}
    check = {"headphones": {"trials": 1, "at_least": 1}} if modality == "audio" else {}
    settings = {
        "run": RUN,
        "registry": {name: f"mine/{name}.yaml" for name in registry},
        "stimuli": {modality: {"dataset": "own", "number": stimuli}},
        "generation_models": ["first", "second"],
        "recognition_models": ["first", "second", "third"],
        "comparison": {"permutations": 200, "bootstrap": 100, "contrasts": [["first", "second"]]},
        "experiment": {
            "participants": 5,
            "generation_models": ["first", "second"],
            modality: {
                "stages": 2,
                "practice": practice(2, feedback=1, metamers=1, at_least=1),
                "catch": {"trials": 2, "at_least": 2},
                **brief,
                **check,
            },
        },
        "analyses": dict.fromkeys(("vulnerability", "brain", "similarity")),
    }
    (folder / "shown.yaml").write_text(yaml.safe_dump(settings))

    results, main = folder / "results" / RUN, names[:stimuli]
    coords = {"category": ("stimulus", categories), "label": ("stimulus", categories)}
    stimuli_of_run = xr.Dataset(coords={"stimulus": names, **coords}, attrs={"category_noun": NOUN[modality]})
    _saved(stimuli_of_run, results / "stimuli" / "own.nc")
    for name in names:
        _signal(modality, results / "exported" / "datasets" / "own" / f"{name}{suffix}", rng)
    coords = {key: (dim, values[:stimuli]) for key, (dim, values) in coords.items()} | {
        "stimulus": main,
        "seed": [0, 1],
    }
    stages = STAGES[modality]
    shape = (len(stages), stimuli, 2)
    dims = ("stage", "stimulus", "seed")
    shown = np.array(coords["category"][1])
    own, others = (
        np.broadcast_to(one[None, :, None], (1 + len(stages), stimuli, 2)) for one in (shown, np.roll(shown, 1))
    )
    for made_of in ("first", "second"):
        for stage in stages:
            for name in main:
                for number in range(2):
                    exported = (
                        results / "exported" / "metamers" / made_of / stage_path(stage) / f"{name}_{number}{suffix}"
                    )
                    _signal(modality, exported, rng)
        accepted = np.ones(shape, bool)
        accepted[:, :, 0] = rng.random(shape[:2]) < 0.5  # some stimuli have only their second metamer accepted
        _saved(
            xr.Dataset(
                {"accepted": (dims, accepted), "normalized_error": (dims, np.full(shape, 0.2))},
                coords={"stage": stages, **coords},
            ),
            results / "acceptance" / f"{made_of}.nc",
        )
        for recognition_model in ("first", "second", "third"):
            right = rng.random((1 + len(stages), stimuli, 2)) < (0.8 if recognition_model == made_of else 0.5)
            _saved(
                xr.Dataset(
                    {"answer": (dims, np.where(right, own, others)), "correct": (dims, right)},
                    coords={"stage": [NATURAL, *stages], **coords},
                ),
                results / "recognition" / made_of / f"{recognition_model}.nc",
            )
    return folder


def write_metamers(folder, value=0.5):
    """The metamers of the made-up run, one number for each."""
    names = [f"item_{n:02d}" for n in range(15)]
    for model in ("first", "second"):
        for stage in STAGES["vision"]:
            for number, own in enumerate((names[:12], names[12:])):
                path = folder / f"results/{RUN}/metamers/{model}/{stage_path(stage)}/{number:04d}.nc"
                data = xr.Dataset({"metamer": ("stimulus", np.full(len(own), value))}, coords={"stimulus": own})
                files.save(data, path, title="made up", source="a test", step="test", run=RUN, seed=0, inputs=[])


def write_answers(folder, right=0.5):
    """Four people, each of whom judges 15 stimuli: natural ones, or metamers of the four later stages."""
    stimuli = files.load(folder / f"results/{RUN}/stimuli/own.nc")
    names, categories = (list(map(str, stimuli[name].values[:15])) for name in ("stimulus", "category"))
    metamers = [(model, stage) for model in ("first", "second") for stage in STAGES["vision"][1:]]
    rng = np.random.default_rng(0)
    rows = [["participant", "generation_model", "stage", "stimulus", "answer"]]
    for person in range(4):
        for number, (name, category) in enumerate(zip(names, categories, strict=True)):
            model, stage = [("", "natural"), *metamers][(number + person) % 5]
            is_right = stage == "natural" or rng.random() < right
            answer = category if is_right else WORDS[(WORDS.index(category) + 1) % len(WORDS)]
            rows.append([f"p{person}", model, stage, name, answer])
    with (folder / "answers.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)


class _Plain(yaml.SafeDumper):
    """A YAML dumper that repeats shared objects instead of writing references."""

    def ignore_aliases(self, data):
        return True
