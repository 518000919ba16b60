"""Provenance of a run's results, from the attributes of its files, and the configuration as text."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from metamers.run import files
from metamers.run.conventions import PRODUCT_VERSION


def page_provenance(paths: Sequence[str | Path], folder: str | Path | None = None) -> dict[str, Any]:
    """Provenance of all results on the page, from the attributes of the run's files.

    Parameters
    ----------
    paths
        NetCDF files that ``metamers.run.files.save`` wrote.
    folder
        The run's folder, as it is named in the attribute ``inputs``. NetCDF files in it that the others were made from
        count, too, where they are still there. None: no further files.

    Returns
    -------
    dict
        ``version``: that of this program; ``software``: name → versions; ``processors`` on which files were
        computed, as far as files name them; ``references``: publications to cite;
        ``inputs``: table of all input files with their SHA-256; ``files``: table of the files with the SHA-256 of
        their content; ``mixed``: inputs that were used in several versions, so that results of the run may be
        inconsistent; ``other_version``: table of the files that another version of this program made; ``derived``:
        path → the step that made it, and the paths of its inputs.
    """
    software: dict[str, set[str]] = {}
    processors: dict[str, None] = {}
    inputs: dict[str, dict[str, None]] = {}
    references: dict[str, None] = {}
    made, others, derived = [], [], {}
    read: dict[str, dict[str, Any]] = {}
    waiting = list(map(str, paths))
    while waiting:
        read |= zip(waiting, files.read_attributes(waiting), strict=True)
        named = dict.fromkeys(name for path in waiting for name in sorted(json.loads(read[path]["inputs"])))
        waiting = [name for name in named if name not in read and folder is not None and _is_netcdf_of(folder, name)]
    for path, attributes in read.items():
        for name, version in json.loads(attributes["software"]).items():
            software.setdefault(name, set()).add(version)
        for name, sha256 in json.loads(attributes["inputs"]).items():
            inputs.setdefault(name, {})[sha256] = None
        processors |= dict.fromkeys(filter(None, [attributes.get("processor")]))  # files of older versions have none
        derived[path] = attributes["step"], list(json.loads(attributes["inputs"]))
        references |= dict.fromkeys(filter(None, attributes["references"].split("; ")))
        made.append([path, attributes["title"], attributes["content_sha256"]])
        if attributes["product_version"] != PRODUCT_VERSION:
            others.append([path, attributes["product_version"]])
    return {
        "version": PRODUCT_VERSION,
        "software": {name: ", ".join(sorted(versions)) for name, versions in sorted(software.items())},
        "processors": list(processors),
        "references": list(references),
        "inputs": {
            "head": ["Computed from", "SHA-256"],
            "rows": [[name, sha256] for name in sorted(inputs) for sha256 in inputs[name]],
        },
        "mixed": sorted(name for name, versions in inputs.items() if len(versions) > 1),
        "other_version": {"head": ["File", "Made by"], "rows": sorted(others)},
        "files": {"head": ["File", "Title", "SHA-256 of its content"], "rows": sorted(made)},
        "derived": derived,
    }


def _is_netcdf_of(folder: str | Path, name: str) -> bool:
    path = Path(name)
    return path.suffix == ".nc" and path.is_relative_to(folder) and path.is_file()


def as_yaml(configuration: Mapping[str, Any]) -> str:
    """A configuration, plain data only, as YAML."""
    return yaml.safe_dump(json.loads(json.dumps(configuration)), sort_keys=False, allow_unicode=True, width=100)
