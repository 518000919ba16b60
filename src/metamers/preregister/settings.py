"""Settings of preregistration, and checks of the path of the frozen prediction before the first job."""

import os
import unicodedata
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from metamers.config.fields import Settings, from_to
from metamers.names import ConfigurationError
from metamers.run.manifest import write_probe

# Snakemake reads a path with them as a pattern, a storage address or a home folder, if it reads it at all.
REFUSED = ("{", "}", "<", ">", "~", "://")
MAX_ANSWERS = 100_000  # expected answers to the metamers of a stage; the time and memory of freezing grow with them


class PreregistrationSettings(Settings):
    """the prediction of human recognition that `snakemake preregister` freezes"""

    file: Annotated[
        str | None,
        Field(
            min_length=1,
            description="path of the frozen prediction, a .nc file outside results/; null means preregistered/<run>.nc",
        ),
    ] = None
    participants: Annotated[
        int,
        from_to(
            "expected number of participants", 2, 10_000, "for the intervals in the file; scores use the actual one"
        ),
    ] = 20
    trials: Annotated[
        int,
        from_to(
            "expected number of answers of each participant, model and stage",
            1,
            1000,
            f"participants × trials is at most {MAX_ANSWERS}",
        ),
    ] = 10

    @property
    def expected(self) -> dict[str, int]:
        """The expected numbers, for the intervals in the file."""
        return {"participants": self.participants, "trials": self.trials}

    def file_of(self, run: str) -> str:
        """The path of the frozen prediction of a run."""
        return self.file or f"preregistered/{run}.nc"

    @model_validator(mode="after")
    def _check(self) -> "PreregistrationSettings":
        """Check that no run replaces or deletes the file, and the number of expected answers."""
        number = self.participants * self.trials
        if number > MAX_ANSWERS:
            raise ConfigurationError(
                f"preregistration: participants × trials is {self.participants} × {self.trials} = {number}; wanted at "
                f"most {MAX_ANSWERS} expected answers to the metamers of a stage"
            )
        if self.file is not None:
            _check_file(self.file)
        return self


def _check_file(file: str) -> None:
    refused = [part for part in REFUSED if part in file] + [
        letter for letter in file if unicodedata.category(letter) == "Cc"
    ]
    if refused:
        raise ConfigurationError(
            f"preregistration.file: {file!r} has {refused[0]!r}; wanted a path without {' '.join(REFUSED)} and control "
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


def unavailable_prediction(plan: Any) -> dict[str, str]:
    """The target `preregister`, if a run cannot freeze a prediction → why, and which configuration could."""
    if not plan.generation_models:
        reason = (
            "generation_models: there are no metamers to predict. Name models of the registry in generation_models and "
            "recognition_models."
        )
        return {"preregister": reason}
    path = plan.settings.preregistration.file_of(plan.settings.run)
    return {"preregister": already_frozen(path)} if os.path.lexists(path) else {}


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
