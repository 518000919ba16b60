"""Checks of the frozen prediction of human recognition: its path, its expected numbers, and whether one exists."""

import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metamers.config.settings import preregistration_settings
from metamers.names import ConfigurationError
from metamers.run.manifest import write_probe

# Snakemake reads a path with them as a pattern, a storage address or a home folder, if it reads it at all.
REFUSED = ("{", "}", "<", ">", "~", "://")
MAX_ANSWERS = 100_000  # expected answers to the metamers of a stage; the time and memory of freezing grow with them


def check_preregistration(settings: Mapping[str, Any]) -> None:
    """Check that the path is that of a NetCDF file that no run replaces or deletes, and the number of expected answers.

    Parameters
    ----------
    settings
        The configuration's ``preregistration``.

    Raises
    ------
    ConfigurationError
        When it is not.
    """
    participants, trials, file = (settings[key] for key in ("participants", "trials", "file"))
    if participants * trials > MAX_ANSWERS:
        raise ConfigurationError(
            f"preregistration: participants × trials is {participants} × {trials} = {participants * trials}; wanted at "
            f"most {MAX_ANSWERS} expected answers to the metamers of a stage"
        )
    if file is None:
        return
    found = [part for part in REFUSED if part in file] + [
        letter for letter in file if unicodedata.category(letter) == "Cc"
    ]
    if found:
        raise ConfigurationError(
            f"preregistration.file: {file!r} has {found[0]!r}; wanted a path without {' '.join(REFUSED)} and control "
            "characters, such as preregistered/NAME.nc, or null"
        )
    if os.path.isdir(file):
        raise ConfigurationError(already_frozen(file))
    if Path(file).suffix != ".nc":
        raise ConfigurationError(f"preregistration.file: {file!r}; wanted the path of a file that ends in .nc, or null")
    if Path(file).resolve().is_relative_to(Path("results").resolve()):
        raise ConfigurationError(
            f"preregistration.file: {file!r} is in results/, where files are replaced and deleted; wanted a path "
            "outside, such as preregistered/NAME.nc, or null"
        )


def already_frozen(path: str | Path) -> str:
    """The message for a path that exists: a frozen prediction, or a folder or link that is in its place."""
    if os.path.isdir(path):
        return (
            f"preregistration.file: {path} is a folder; wanted the path of a file. Name another path in "
            "preregistration.file, or move the folder away. Nothing has been changed."
        )
    if os.path.islink(path) and not os.path.exists(path):
        return (
            f"preregistration.file: {path} is a link to {os.readlink(path)}, which does not exist. If a prediction was "
            "frozen there, restore it; otherwise delete the link, or name another path in preregistration.file. "
            "Nothing has been changed."
        )
    return (
        f"preregistration.file: {path} exists, and a frozen prediction is never overwritten. Keep it: `snakemake "
        "report` scores it when there are answers. For another prediction, name another file in preregistration.file. "
        "Nothing has been changed."
    )


def no_prediction(config: Mapping[str, Any]) -> str | None:
    """Describe why a configuration cannot freeze a prediction; None if it can."""
    if not config["generation_models"]:
        return (
            "generation_models: there are no metamers to predict. Name models of the registry in generation_models and "
            "recognition_models."
        )
    path = preregistration_settings(config["preregistration"], config["run"]).file
    return already_frozen(path) if os.path.lexists(path) else None


def check_frozen_folder(path: str | Path) -> None:
    """Check, before the first job, that the frozen prediction, and its folder, can be written.

    Raises
    ------
    OSError
        When it cannot.
    """
    folder = next(folder for folder in Path(path).absolute().parents if os.path.lexists(folder))
    try:
        write_probe(folder)
    except OSError as error:
        raise OSError(
            f"preregistration.file: {path} cannot be written ({error.strerror}). Wanted: a folder that you may write "
            "to, on a disk with free space that is mounted for writing. Nothing has been run."
        ) from error
