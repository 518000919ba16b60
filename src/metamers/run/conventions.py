"""Attributes of the conventions CF-1.11 and ACDD-1.3, which make the files of a run readable by general tools.

CF (https://cfconventions.org) describes variables, and ACDD, the Attribute Convention for Data Discovery, describes
files. ``metamers.run.files`` adds these attributes to every file; attributes are not part of ``content_sha256``.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from metamers import __version__

CONVENTIONS = "CF-1.11, ACDD-1.3"
PROGRAM = "metamers"
PRODUCT_VERSION = f"{PROGRAM} {__version__}"
TEXT = "OUST"  # kinds of NumPy types that hold text
CREATOR_KEYS = ("name", "type", "email", "url", "institution")  # in ``creator_*`` and ``publisher_*`` attributes
# The creator of a file whose user is not named.
UNNAMED = {"name": f"{PROGRAM}, a Snakemake workflow; its user is not named", "type": "group"}
LICENSE = (
    "No license is stated by the creator. The stimuli and models that the file was computed from have terms of their "
    "own: see references and inputs."
)
KEYWORDS = "model metamers, neural networks, invariance, perception, psychophysics"


def content_type(name: Hashable, variable: xr.Variable, coordinate: bool, measured: bool) -> str:
    """The attribute ``coverage_content_type`` of a variable, a code of ISO 19115-1.

    Parameters
    ----------
    name, variable
        The variable.
    coordinate
        Whether it is a coordinate.
    measured
        Whether its file holds measurements of people instead of results of models.
    """
    name = str(name)
    if coordinate:
        return "coordinate"
    if variable.dtype.kind in f"b{TEXT}":
        return "thematicClassification"
    if name.endswith(("low", "high", "standard_error", "sem")):
        return "qualityInformation"
    if name.startswith("published_"):
        return "referenceInformation"
    return "physicalMeasurement" if measured or name in ("stimulus_value", "human_mean", "response") else "modelResult"


def flag_attributes(variable: xr.Variable) -> dict[str, Any]:
    """The meaning of the values of a boolean variable, which is stored as bytes 0 and 1 (CF-1.11, section 3.5)."""
    if variable.dtype.kind != "b":
        return {}
    return {"flag_values": np.array([0, 1], dtype=np.int8), "flag_meanings": "false true"}


def creator_attributes(creator: Mapping[str, str | None] | None) -> dict[str, str]:
    """The attributes that name the creator of a file, who is also its publisher.

    Parameters
    ----------
    creator
        Keys ``CREATOR_KEYS`` and ``license``, as in a configuration; missing or null keys are left out. Without a name,
        the creator is this program.
    """
    stated = {key: value for key, value in (creator or {}).items() if value}
    named = {"type": "person"} | stated if "name" in stated else stated | UNNAMED
    attributes = {f"creator_{key}": named[key] for key in CREATOR_KEYS if key in named}
    attributes |= {key.replace("creator", "publisher"): value for key, value in attributes.items()}
    attributes["license"] = stated.get("license", LICENSE)
    if "institution" in stated:
        attributes["institution"] = stated["institution"]
    return attributes


def discovery_attributes(
    dataset: xr.Dataset,
    *,
    title: str,
    source: str,
    step: str,
    run: str,
    path: str,
    created: str,
    content_sha256: str,
    creator: Mapping[str, str | None] | None,
) -> dict[str, str]:
    """The attributes of a file for CF-1.11 and ACDD-1.3.

    Parameters
    ----------
    dataset
        The content of the file, with the long names of the variables.
    title, source, step, run
        As for ``metamers.run.files.save``.
    path
        The file's path within the run.
    created
        Time of creation, in ISO 8601.
    content_sha256
        Hash of the content; the first half of its digits is part of ``id``, so that files with different contents have
        different identifiers.
    creator
        See ``creator_attributes``.
    """
    variables = "; ".join(f"{name}: {variable.attrs['long_name']}" for name, variable in dataset.data_vars.items())
    return {
        "Conventions": CONVENTIONS,
        "summary": f"{title}. Made from: {source}. Variables: {variables}.",
        "keywords": KEYWORDS,
        "id": f"{run}/{path}/{content_sha256[:32]}",
        "naming_authority": PROGRAM,
        "project": run,
        "processing_level": f"output of the workflow's step {step}",
        "product_version": PRODUCT_VERSION,
        "date_created": created,
        "comment": "The unit 0.1 lg(re 1) is dB in the notation of UDUNITS.",
        "acknowledgement": "The method is that of Feather et al. (2023), doi:10.1038/s41593-023-01442-0.",
        **creator_attributes(creator),
    }
