"""What a step declares of its files: paths, variables with dimensions, and the meaning of its own variables."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """A variable or coordinate that only the files of one step have; ``descriptions.yaml`` has those of several.

    Attributes
    ----------
    dimensions
        Names, joined by ", "; empty for a single value.
    long_name
        What its values are.
    units
        Unit of UDUNITS: "1" for a number without unit, "" for text.
    """

    dimensions: str
    long_name: str
    units: str = "1"


@dataclass(frozen=True)
class RunFile:
    """A NetCDF file of a run.

    Attributes
    ----------
    path
        Relative to the run's folder (a frozen prediction: to the working directory); names in angle brackets stand for
        any name.
    variables
        Name, with ``?`` where it may be missing → a variable of the step, or the dimensions of a variable that several
        steps have.
    """

    path: str
    variables: Mapping[str, Variable | str]

    @property
    def dimensions(self) -> dict[str, str]:
        """Variable, with ``?`` where it may be missing → dimensions, joined by ", "."""
        return {name: one if isinstance(one, str) else one.dimensions for name, one in self.variables.items()}

    @property
    def own(self) -> dict[str, tuple[str, str]]:
        """Variable of the step → its long name and unit."""
        own = {name.removesuffix("?"): one for name, one in self.variables.items() if isinstance(one, Variable)}
        return {name: (one.long_name, one.units) for name, one in own.items()}
