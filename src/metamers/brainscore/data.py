"""Data of a plugin for Brain-Score: human recognition of model metamers, and the images that participants saw.

The workflow copies this file into the plugin, where it needs only the packages of Brain-Score. The assemblies and the
tables of images lie beside it. The images do not: the tables have their paths below a folder and their SHA-256.
"""

import hashlib
import os
from pathlib import Path

import pandas as pd
from brainscore_core.supported_data_standards.brainio.assemblies import BehavioralAssembly
from brainscore_core.supported_data_standards.brainio.stimuli import StimulusSet

HERE = Path(__file__).resolve().parent
HOME = "METAMERS_HOME"  # the folder in which Snakemake made the run


def home() -> Path:
    """The base folder of image paths: ``METAMERS_HOME``, or the folder in which the plugin was made."""
    return Path(os.environ.get(HOME) or HERE.parents[5])


def load_assembly(identifier: str, name: str) -> BehavioralAssembly:
    """Load the proportions correct of participants.

    Parameters
    ----------
    identifier
        Of the assembly.
    name
        Of its file, without the suffix.

    Returns
    -------
    BehavioralAssembly
        (presentation, subject), 0..1. A presentation is a condition: the metamers of one stage of one model. Its
        coordinates are ``condition``, ``generation_model``, ``stage`` and ``model_class``. The attributes have the
        noise ceiling of R² with its 95% interval over participants, and the ``choices`` of participants.
    """
    assembly = BehavioralAssembly.from_files(HERE / f"{name}.nc", stimulus_set_identifier=identifier)
    del assembly.attrs["stimulus_set"]  # None; the images are loaded apart, because they may not be on this machine
    assembly.attrs["identifier"] = identifier
    return assembly


def load_stimuli(identifier: str, name: str, folder: str) -> StimulusSet:
    """Load the table of the images that participants saw, and check the images.

    Parameters
    ----------
    identifier
        Of the stimulus set. The result's identifier also has the first digits of the table's SHA-256, because caches of
        Brain-Score are found by identifiers alone.
    name
        Of the table's file, without the suffix.
    folder
        Folder of the images, relative to ``home()``.

    Returns
    -------
    StimulusSet
        A row for each image: ``stimulus_id``, ``filename``, ``truth`` (the category), ``condition``,
        ``generation_model``, ``stage``, ``stimulus`` (the natural stimulus) and ``sha256``.

    Raises
    ------
    FileNotFoundError
        When images are missing, or the table has no SHA-256 because it was made without them: says where they are.
    ValueError
        When an image has another SHA-256: names it.
    """
    path, images = HERE / f"{name}.csv", home() / folder
    table = pd.read_csv(path, keep_default_na=False)
    unknown = (table["sha256"] == "").any()
    missing = [file for file in table["filename"] if not (images / file).is_file()]
    if unknown or missing:
        raise FileNotFoundError(
            f"{identifier}: {len(missing)} of {len(table)} images are not in {images}, such as {table['filename'][0]}. "
            f"README.md of the plugin has their address. Set {HOME} if the plugin has been moved"
            + ("; the plugin was made without the images: make it again with them." if unknown else ".")
        )
    for file, sha256 in zip(table["filename"], table["sha256"], strict=True):
        if hashlib.sha256((images / file).read_bytes()).hexdigest() != sha256:
            raise ValueError(f"{images / file}: its SHA-256 is not that in {path}")
    stimuli = StimulusSet.from_files(path, images)
    stimuli.identifier = f"{identifier}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}"
    return stimuli
