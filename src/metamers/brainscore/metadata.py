"""Metadata of a run's models for Brain-Score, in its schema 2.0 (``brainscore_core.metadata.contract``).

An entry has what the registry of models says. What the registry does not say is left out, as the schema allows:
numbers of parameters, licences, people, and the training of weights that others have published.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metamers.brainscore.names import BENCHMARKED, VISUAL_DEGREES, model_identifier
from metamers.config.models import ModelEntry
from metamers.config.sources import source_name
from metamers.names import ConfigurationError

MOST_MODELS = 100  # of a file
MOST_LETTERS = {"identifier": 200, "family": 100, "weights_provider": 500, "checkpoint": 500, "source_url": 1000}
STATUS = "probable"  # `verified` would say that a reviewer has compared the entry with its sources


def model_metadata(run: str, models: Mapping[str, ModelEntry]) -> dict[str, Any]:
    """Describe the models of a run.

    Parameters
    ----------
    run
        Name of the run.
    models
        Name of a model → its entry; models of images.

    Returns
    -------
    dict
        The content of ``metadata.yaml``; empty without models, because a file has at least one.

    Raises
    ------
    metamers.names.ConfigurationError
        When there are more models than a file may have, or a text is longer than the schema allows: names the key.
    """
    if len(models) > MOST_MODELS:
        raise ConfigurationError(
            f"recognition_models: the run has {len(models)} models of images with classes; Brain-Score's metadata.yaml "
            f"describes at most {MOST_MODELS}. Name fewer in recognition_models and generation_models"
        )
    entries = {model_identifier(run, name): _described(run, name, entry) for name, entry in models.items()}
    return {"schema_version": "2.0", "domain": BENCHMARKED, "models": entries} if entries else {}


def _described(run: str, name: str, entry: ModelEntry) -> dict[str, Any]:
    """The metadata of one model. The registry is the source of all of it, with its references for the architecture."""
    provenance = _provenance(entry.weights)
    limited = {"identifier": model_identifier(run, name), "family": entry.family, **provenance}
    for key, text in limited.items():
        if len(text) > MOST_LETTERS[key]:
            raise ConfigurationError(
                f"models: {name}: its {key} for Brain-Score's metadata.yaml has {len(text)} letters ({text[:40]}…): "
                f"wanted at most {MOST_LETTERS[key]}. Use a shorter name"
            )
    kind, size = source_name(entry.source), entry.input
    place = entry.source[kind]
    sections = {
        "model": {
            "display_name": name,
            # Of your own file, without its folder.
            "architecture": {"description": f"{kind}: {Path(place).name if kind == 'python' else place}"},
            "visual_degrees": VISUAL_DEGREES,
        },
        **_training(entry),
        "io": {
            "modality": "image",
            "interface": "BrainModel of the library metamers: tasks label and passive, and recordings of its stages",
            "input_format": "image",
            "output_format": "category",
        },
    }
    if {"size", "mean"} <= size.keys():  # else the publisher has not been asked yet
        resolution = {"channels": len(size["mean"]), "height": size["size"], "width": size["size"]}
        sections["model"]["input_resolution"] = resolution
    if provenance:
        sections["provenance"] = provenance
    about = f"Entry {name} of the registry of models of the run {run}, workflow metamers"
    references = {f"reference_{number}": text for number, text in enumerate(entry.references, start=1)}
    return {
        # The name of the schema for what Brain-Score's programs compute; without it they load the model to compute it.
        "legacy": {"model_family": entry.family},
        "sources": {
            "registry": {"kind": "other", "citation": about},
            **{key: {"kind": "unreviewed", "citation": text} for key, text in references.items()},
        },
        "assertions": [
            {"path": "/model/architecture", "status": STATUS, "sources": ["registry", *references]},
            *({"path": f"/{section}", "status": STATUS, "sources": ["registry"]} for section in sections),
        ],
        **sections,
    }


def _provenance(weights: Mapping[str, Any]) -> dict[str, str]:
    """Who provides weights, their file and its address, as far as the registry says it; no folder of this machine."""
    of = weights.get("pretrained") or weights
    address = of.get("url") or (f"https://huggingface.co/{of['hub']}" if "hub" in of else None)
    file = of.get("weights_name") or of.get("file") or (Path(of["path"]).name if "path" in of else address)
    texts = {
        "weights_provider": of.get("hub") or of.get("package") or of.get("archive"),
        "checkpoint": f"{file} at {of['revision']}" if "revision" in of else file,
        "source_url": address,
    }
    return {key: text for key, text in texts.items() if text}


def _training(entry: ModelEntry) -> dict[str, Any]:
    """How this workflow trains the model, or that it has random weights; empty where others have trained it."""
    if "random" in entry.weights:
        return {"training": {"process": f"none: random weights, seed {entry.weights['random']}"}}
    if entry.training is None:
        return {}
    # The frozen weights below a readout may be in a folder of this machine.
    settings = {key: value for key, value in entry.training.parameters.items() if key != "from"}
    # The schema lists names of datasets; `other` stands for all others.
    dataset = {"identifier": "other", "name": entry.training.dataset, "role": "training"}
    return {
        "training": {"process": f"trained by the workflow metamers: {json.dumps(settings)}"},
        "data": {"training_datasets": [dataset]},
    }
