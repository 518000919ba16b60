"""First contact: the networks that no machine without internet could load, on one page and in one file to send back.

For each network of ``studies/config/first_contact.yaml``: its weights are retrieved, with their SHA-256; it is loaded;
its accuracy on the published natural stimuli is compared with the published one; and one metamer is made at each of
its stages, on the CPU and on the graphics card, if there is one. Whatever fails has a row with the reason, and the next
part goes on. The page and the file are written after each part, so an interruption loses one part only.
"""

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
import yaml

from metamers import interactive
from metamers.config.archives import Archive, retrieved_item
from metamers.config.datasets import DatasetEntry
from metamers.config.read import resolve_path
from metamers.config.registry import Registry, read_registries
from metamers.config.tables import category_classes
from metamers.foreign.archives import extract_file, extract_folder
from metamers.modalities import sampling_of
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.model import Model
from metamers.plan.steps import merge_defaults
from metamers.recognize.recognition import recognize
from metamers.report.render import render
from metamers.retrieve import download, from_mirror, obtain
from metamers.retrieve.ranges import RemoteArchive
from metamers.run.files import software_versions, write
from metamers.run.hashes import sha256_of
from metamers.stimuli.datasets import read_dataset
from metamers.stimuli.excerpts import category_table
from metamers.stimuli.formats import FORMATS
from studies.benchmark.measure import processor

CONFIGURATION = Path(__file__).with_name("config") / "first_contact.yaml"
TEMPLATE = Path(__file__).with_name("first_contact.html.j2")
MINUTES, GIGABYTES = 30, 10
DONE, FAILED, SKIPPED = "done", "failed", "not done"
LEVEL = 1.96  # largest difference from the published accuracy, in standard errors, that counts as agreement


class Contact:
    """The parts and their outcomes.

    Parameters
    ----------
    folder
        Where ``first_contact.json`` and ``first_contact.html`` are written after each part.
    minutes, gigabytes
        After this time, or this many retrieved bytes, no further part begins.
    """

    def __init__(self, folder: Path, minutes: float = MINUTES, gigabytes: float = GIGABYTES):
        self.folder, self.parts = folder, []
        self.began, self.minutes, self.gigabytes = time.monotonic(), minutes, gigabytes
        self.machine = {
            "processor": processor(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "card": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
            "software": software_versions(),
        }

    def part(
        self, network: str, part: str, work: Callable[[], tuple[Any, Mapping[str, Any]]], *needed: Any, **more: Any
    ) -> Any:
        """Do one part of the work, and write its row.

        Parameters
        ----------
        network, part
            Name of the network or dataset, and of the part.
        work
            Returns a value for later parts, and what the row has.
        *needed
            Values of earlier parts; if one is None, the part is not done.
        **more
            Further values of the row.

        Returns
        -------
        object
            The value; None if the part fails or is not done.
        """
        row = {"network": network, "part": part, **more}
        began, value = time.monotonic(), None
        minutes = (began - self.began) / 60
        gigabytes = sum({row["sha256"]: row["bytes"] for row in self.parts if "sha256" in row}.values()) / 1e9
        if any(one is None for one in needed):
            row |= {"outcome": SKIPPED, "reason": "an earlier part that this part needs has no result"}
        elif minutes > self.minutes or gigabytes > self.gigabytes:
            limit = f"{self.minutes:g} minutes" if minutes > self.minutes else f"{self.gigabytes:g} GB"
            row |= {"outcome": SKIPPED, "reason": f"the limit of {limit} was reached"}
        else:
            print(f"{network}: {part} {' '.join(map(str, more.values()))}".rstrip(), flush=True)
            try:
                value, facts = work()
                row |= {"outcome": DONE, **facts}
            except Exception as error:  # any failure is a result of this program
                row |= {"outcome": FAILED, "reason": f"{type(error).__name__}: {error}"}
                print(f"  failed: {row['reason']}", flush=True)
        self.parts.append(row | {"seconds": round(time.monotonic() - began, 2)})
        self.save()
        return value

    def save(self) -> None:
        """Write the file and the page."""
        content = {"machine": self.machine, "parts": self.parts}
        write(self.folder / "first_contact.json", json.dumps(content, indent=1, allow_nan=False) + "\n")
        outcomes = [row["outcome"] for row in self.parts]
        counts = {outcome: outcomes.count(outcome) for outcome in (DONE, FAILED, SKIPPED)}
        write(
            self.folder / "first_contact.html",
            render(TEMPLATE, {"run": "first_contact", "counts": counts, **content}),
        )


def published_accuracy(name: str | None) -> dict[str, float] | None:
    """The published accuracy of a model on natural stimuli, as the mean over the experiments with it.

    Parameters
    ----------
    name
        Name in the paper, of ``resources/published/group_results.csv``.

    Returns
    -------
    dict or None
        ``published``, a proportion; ``published_sem``; ``experiments``. None for a model that is not in the paper.
    """
    table = pd.read_csv(resolve_path("resources/published/group_results.csv"))
    rows = table[(table["generation_model"] == name) & (table["stage"] == "natural") & (table["observer"] == "model")]
    if rows.empty:
        return None
    sem = math.sqrt((rows["sem"] ** 2).sum()) / len(rows)
    return {"published": float(rows["mean"].mean()), "published_sem": sem, "experiments": len(rows)}


def accuracy(
    model: Model, stimuli: xr.Dataset, classes: Mapping[str, Any], published_as: str | None
) -> tuple[None, dict[str, Any]]:
    """The proportion of the exported natural stimuli that a model recognizes, beside the published one.

    It agrees if the two differ by at most 1.96 standard errors of their difference.
    """
    values = FORMATS[model.modality].as_exported(stimuli["stimulus_value"].values)
    right = recognize(model, values, sampling_of(stimuli.attrs), classes) == stimuli["category"].values
    row: dict[str, Any] = {"accuracy": float(right.mean()), "n": len(right)}
    if published := published_accuracy(published_as):
        error = math.hypot(published["published_sem"], math.sqrt(right.mean() * (1 - right.mean()) / len(right)))
        row |= published | {"agrees": bool(abs(row["accuracy"] - published["published"]) <= LEVEL * error)}
    return None, row


def metamer(model: Model, stage: str, quality: str) -> tuple[None, dict[str, Any]]:
    """Match of one metamer of a natural stimulus of the default run, and the time that it takes."""
    stimuli = interactive.natural_stimuli(model.modality)
    stimulus = stimuli["stimulus_value"].values[0]
    sampling = sampling_of(stimuli.attrs)
    began = time.monotonic()
    made = interactive.metamer(model, stimulus, stage, null=[], quality=quality, progress=False, **sampling)
    one = made.dataset.isel(stimulus=0, seed=0)
    # The study states no match of single metamers, so there is no published number beside these.
    return None, {
        "seconds_of_synthesis": round(time.monotonic() - began, 2),
        "steps": int(one["steps"]),
        **{measure: float(value) if np.isfinite(value) else None for measure, value in made.match.items()},
        **({"category_preserved": made.natural_category == made.predicted_category} if model.classes else {}),
    }


class Files:
    """Weights and natural stimuli, from their addresses or a mirror folder.

    The publisher of the archives states no hashes. Their files are used all the same here, because no code in
    them can run (``metamers.foreign``), and their SHA-256 is in the rows.
    """

    def __init__(self, registry: Registry, folder: Path, mirror: Path | None):
        self.archives, self.folder, self.mirror = registry.archives, folder, mirror
        self.store = folder / "store"
        self.store.mkdir(parents=True, exist_ok=True)

    def archive(self, name: str) -> Path | RemoteArchive:
        """An archive: a file of the mirror, or its address."""
        url = self.archives[name].url
        return RemoteArchive(url) if self.mirror is None else from_mirror(url, self.mirror)

    def whole_archive(self, name: str) -> Path:
        """The file of an archive."""
        entry: Archive = self.archives[name]
        if self.mirror is not None:
            return from_mirror(entry.url, self.mirror)
        return download(entry.url, entry.sha256 or "", self.store, entry.bytes)

    def weights(self, name: str, item: Mapping[str, Any], archive: str | None) -> tuple[Path, dict[str, Any]]:
        """The file of a model's weights; ``item`` as of ``metamers.config.archives.retrieved_item``."""
        if archive is not None:
            path = self.store / f"{name}_{item['name']}"
            if not path.is_file():
                partial = path.with_name(f"{path.name}.partial")
                extract_file(self.archive(archive), item["file"], partial)
                partial.replace(path)
        else:
            path = obtain(item, self.store, self.mirror)
        return path, {"file": item["name"], "bytes": path.stat().st_size, "sha256": sha256_of(path)}

    def natural_stimuli(
        self, name: str, entry: DatasetEntry
    ) -> tuple[tuple[xr.Dataset, Mapping[str, Any]], dict[str, Any]]:
        """The natural stimuli of a dataset of the study, and the classes of their categories."""
        folder, parameters = self.folder / "datasets" / name, entry.parameters
        archive = self.whole_archive(entry.files["archive"])
        hashes = {"sha256": sha256_of(archive), "bytes": archive.stat().st_size}
        folder.mkdir(parents=True, exist_ok=True)
        if "file" in entry.files:
            extract_file(archive, entry.files["file"], folder / Path(entry.files["file"]).name)
        else:
            extract_folder(archive, entry.files["folder"], folder)
        if entry.encodings:
            table = folder / "categories.tsv"
            encodings = self.whole_archive(entry.encodings.archive)
            write(table, category_table(encodings, entry.encodings.classes))
            parameters = parameters | {"categories": str(table)}
        stimuli = read_dataset(name, parameters, folder, 0, ["test"])
        return (stimuli, category_classes(name, parameters)), {"stimuli": stimuli.sizes["stimulus"], **hashes}


def registry_of(configuration: Mapping[str, Any], path: Path, model: str | None = None) -> Registry:
    """The registries, with the description of the published weights of one model."""
    named = [] if model is None else [model]
    return read_registries(merge_defaults({**configuration, "generation_models": named}), [path])


def first_contact(configuration: Path, folder: Path, mirror: Path | None, minutes: float, quality: str) -> Contact:
    """Run all parts for each network, and return the results.

    Parameters
    ----------
    configuration
        A configuration such as ``studies/config/first_contact.yaml``.
    folder
        Where the page, the file, and what is retrieved are written.
    mirror
        Folder to use instead of the network, or None.
    minutes
        After this time, no further part begins.
    quality
        Of the metamers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The lock file of the inline registry is beside the configuration.
    own = folder / "run.yaml"
    write(own, configuration.read_text(encoding="utf-8"))
    settings = yaml.safe_load(own.read_text(encoding="utf-8")) | {"mirror": str(mirror) if mirror else None}
    contact = Contact(folder, minutes)
    registry = registry_of(settings, own)
    files = Files(registry, folder, mirror)
    chosen = {entry["model"]: entry["stages"] for entry in settings["generation_models"]}
    modalities = {registry.models[name].modality for name in chosen}
    natural = {
        modality: contact.part(
            settings["stimuli"][modality]["dataset"],
            "natural stimuli",
            lambda name=settings["stimuli"][modality]["dataset"]: files.natural_stimuli(name, registry.datasets[name]),
        )
        for modality in sorted(modalities)
    }
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for name, stages in chosen.items():
        try_network(contact, files, settings, own, name, stages, natural, devices, quality)
    return contact


def try_network(
    contact: Contact,
    files: Files,
    settings: Mapping[str, Any],
    path: Path,
    name: str,
    stages: list[str],
    natural: Mapping[str, Any],
    devices: list[str],
    quality: str,
) -> None:
    """All parts of one network."""
    entry = contact.part(name, "description", lambda: (registry_of(settings, path, name).models[name], {}))
    item = entry and retrieved_item(entry.weights, files.archives)
    weights = contact.part(name, "weights", lambda: files.weights(name, item, entry.weights.get("archive")), item)
    models = {
        device: contact.part(
            name,
            "load",
            lambda device=device: (load_model(name, entry.parameters, weights, choose_device(device)), {}),
            weights,
            device=device,
        )
        for device in devices
    }
    if entry and entry.has_classes:
        stimuli = natural[entry.modality]
        fastest = next((model for model in reversed(models.values()) if model is not None), None)
        contact.part(name, "accuracy", lambda: accuracy(fastest, *stimuli, entry.published_as), fastest, stimuli)
    for stage in stages:
        for device, model in models.items():
            contact.part(
                *(name, "metamer", lambda model=model, stage=stage: metamer(model, stage, quality), model),
                stage=stage,
                device=device,
            )


def main() -> None:
    """The command of ``make first-contact``."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--mirror", type=Path, help="folder of files as <host>/<path> to use instead of the network")
    parser.add_argument("--folder", type=Path, default=Path("results/first_contact"), help="where the results go")
    parser.add_argument("--configuration", type=Path, default=CONFIGURATION, help="networks and stages")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="after this time, no further part begins")
    parser.add_argument("--quality", default="quick", help="of the metamers")
    arguments = parser.parse_args()
    use_threads(len(os.sched_getaffinity(0)))
    contact = first_contact(
        arguments.configuration, arguments.folder, arguments.mirror, arguments.minutes, arguments.quality
    )
    failed = sum(row["outcome"] != DONE for row in contact.parts)
    print(f"\n{len(contact.parts)} parts, {failed} of which failed or were not done.")
    print(f"Please send back {arguments.folder}/first_contact.json (as a page: first_contact.html beside it).")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
