"""Compare the results of two versions of this repository: every NetCDF file of a small run, to the bit.

For changes that must not change a number, such as moving code. From the repository's folder:

    python tests/same_results.py REVISION [--folder FOLDER] [--mirror FOLDER]

makes the small run with the code of the Git revision and with the working tree, and compares ``content_sha256`` of all
NetCDF files. The run has models and analyses of both modalities: images and sounds, synthesis, training, recognition,
the comparison with published participants (from a mirror of the study's files, where one is given), extensions, power and
representations of brains. It takes about ten CPU minutes for each version. A finished run of a revision is kept in the
folder and used again. Ends with 1 where a file is missing on one side or differs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import xarray as xr
import yaml

ROOT = Path(__file__).resolve().parents[1]
RUN = "same"
AUDIO_MODELS = ["cochcnn9_standard", "cochcnn9_adversarial", "spectemp"]
CONFIGURATION = {
    "run": RUN,
    "registry": {"models": "models.yaml", "datasets": "datasets.yaml"},
    "stimuli": {
        "vision": {"dataset": "imagenet_photographs", "number": 3},
        "audio": {"dataset": "spoken_words", "number": 4},
    },
    "generation_models": [
        {"model": "efficientnet_lite0", "stages": ["input", "block_1", "block_8", "logits"]},
        {"model": "efficientnet_lite1", "stages": ["block_1", "block_11", "logits"]},
        {"model": "cochcnn9_standard", "stages": ["cochleagram", "relu2", "final"]},
        {"model": "cochcnn9_adversarial", "stages": ["cochleagram", "relu2", "final"]},
        {"model": "spectemp", "stages": ["spectempfilter_power", "avgpool"]},
    ],
    "recognition_models": ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", *AUDIO_MODELS],
    "training": {"attack": {"steps": 2, "examples": 8}},
    "synthesis": {
        "quality": "quick",
        "seeds": 2,
        "batch_size": 2,
        "quick": {"vision": {"steps": 8}, "audio": {"steps": 8}},
    },
    "null": {"pairs": 50},
    "recognition": {"models_per_job": 2},
    "comparison": {
        "permutations": 100,
        "bootstrap": 100,
        "contrasts": [["cochcnn9_adversarial", "cochcnn9_standard"]],
        "power": {"simulations": 100, "stimulus_simulations": 100, "participants": [6, 10], "trials": [5, 10]},
    },
    "experiment": {"metamers": "all"},
    "analyses": {
        "vulnerability": {"steps": 2},
        "brain": {"number": 12, "shuffles": 19, "splits": 2, "simulated": {"participants": 3, "voxels": 4}},
    },
    "beyond": {"ensemble": {"stimuli": 2}},
}
# The same metamers judged by nobody, the published participants' answers: what needs the study's files.
PUBLISHED = {
    "run": f"{RUN}_published",
    "human_data": "participants",
    "registry": CONFIGURATION["registry"],
    "stimuli": CONFIGURATION["stimuli"],
    "generation_models": [],
    "recognition_models": [],
    "comparison": {
        "permutations": 100,
        "bootstrap": 100,
        "contrasts": [],
        "power": CONFIGURATION["comparison"]["power"],
    },
    "analyses": dict.fromkeys(("vulnerability", "brain", "similarity")),
    "beyond": {"models": []},
}


def write_configuration(code: Path, folder: Path, mirror: Path | None) -> None:
    """Write the small run's configuration: the registries of a version of the code, with short training."""
    models = yaml.safe_load((code / "config" / "models.yaml").read_text(encoding="utf-8"))
    for entry in models.values():
        if "train" in entry["weights"]:
            entry["weights"]["train"] |= {"epochs": 1}
    datasets = yaml.safe_load((code / "config" / "datasets.yaml").read_text(encoding="utf-8"))
    for split, number in {"train": 3, "validation": 1}.items():
        datasets["spoken_words"]["speech"]["splits"][split]["per_word"] = number
    for name, content in {
        "models": models,
        "datasets": datasets,
        RUN: CONFIGURATION,
        "published": PUBLISHED | {"mirror": mirror and str(mirror)},
    }.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def make_run(code: Path, folder: Path, mirror: Path | None) -> None:
    """Make the small run in a folder with a version of the code, in this Python environment."""
    folder.mkdir(parents=True, exist_ok=True)
    write_configuration(code, folder, mirror)
    runs = {f"{RUN}.yaml": ["all", "comparison", "beyond", "experiment", "analyses"]}
    if mirror:
        runs["published.yaml"] = ["humans", "comparison", "paper"]
    package = code / "src" if (code / "src").is_dir() else code / "scripts"
    for configuration, targets in runs.items():
        subprocess.run(
            [
                *(sys.executable, "-m", "snakemake", "--snakefile", code / "Snakefile", "--directory", folder),
                *("--cores", "all", "--configfile", folder / configuration, "--keep-going", "--rerun-incomplete"),
                *("--", *targets),
            ],
            cwd=code,
            env=os.environ | {"PYTHONPATH": str(package)},
            check=True,
        )


def checkout(revision: str, folder: Path) -> Path:
    """The files of a revision in a folder; gives the folder."""
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "--extract"], input=archive, cwd=folder, check=True)
    return folder


def content_hashes(folder: Path) -> dict[str, str]:
    """Path of every NetCDF file below ``results/`` → its ``content_sha256``."""
    results = folder / "results"
    hashes = {}
    for path in sorted(results.rglob("*.nc")):
        with xr.open_dataset(path) as dataset:
            hashes[str(path.relative_to(results))] = dataset.attrs["content_sha256"]
    return hashes


def main() -> int:
    """Make both runs and compare them; 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", help="Git revision to compare the working tree with")
    parser.add_argument("--folder", type=Path, help="where runs are made and kept (default: a temporary folder)")
    parser.add_argument(
        "--mirror", type=Path, help="folder with the study's files: compares published participants too"
    )
    arguments = parser.parse_args()
    folder = (arguments.folder or Path(tempfile.mkdtemp(prefix="same_results_"))).resolve()
    mirror = arguments.mirror and arguments.mirror.resolve(strict=True)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", arguments.revision], cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True
    ).stdout.strip()
    before, after, finished = folder / commit, folder / "working_tree", folder / f"{commit}.finished"
    if not finished.exists():
        code = folder / f"{commit}_code"
        make_run(code if code.is_dir() else checkout(commit, code), before, mirror)
        finished.touch()
    make_run(ROOT, after, mirror)
    hashes = {name: content_hashes(run) for name, run in (("before", before), ("after", after))}
    paths = sorted({*hashes["before"], *hashes["after"]})
    different = [path for path in paths if hashes["before"].get(path) != hashes["after"].get(path)]
    for path in different:
        print(f"differs: {path}: {hashes['before'].get(path, 'missing')}, now {hashes['after'].get(path, 'missing')}")
    print(f"{len(paths) - len(different)} of {len(paths)} NetCDF files are equal ({before}, {after})")
    return 1 if different or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
