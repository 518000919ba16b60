"""Checks of the frozen prediction of human recognition: where its file is, and whether one exists."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metamers.config.settings import preregistration_settings
from metamers.names import ConfigurationError


def check_preregistration(settings: Mapping[str, Any]) -> None:
    """Check that the path of the frozen prediction is that of a NetCDF file that no run replaces or deletes.

    Parameters
    ----------
    settings
        The configuration's ``preregistration``.

    Raises
    ------
    ConfigurationError
        When it is not.
    """
    file = settings["file"]
    if file is None:
        return
    if Path(file).suffix != ".nc" or Path(file).is_dir():
        raise ConfigurationError(f"preregistration.file: {file!r}; wanted the path of a file that ends in .nc, or null")
    if Path(file).resolve().is_relative_to(Path("results").resolve()):
        raise ConfigurationError(
            f"preregistration.file: {file!r} is in results/, where files are replaced and deleted; wanted a path "
            "outside, such as preregistered/NAME.nc, or null"
        )


def already_frozen(path: str | Path) -> str:
    """The message for a frozen prediction that exists."""
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
