"""Measured responses to natural stimuli: reading them from a user's file, and checking them for the regression."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

SIMULATED_RESPONSE = "noiseless_response"


def check_responses(measured: xr.DataArray, stimuli: Sequence[str]) -> None:
    """Check that responses are complete and sufficient for ``metamers.brain.regression.regression``.

    Parameters
    ----------
    measured
        (stimulus, voxel, repetition), with the coordinate ``participant`` (voxel).
    stimuli
        Names of the stimuli that must have responses.

    Raises
    ------
    ValueError
        When a stimulus has no response, a value is not finite, or there are fewer than two repetitions or participants.
    """
    if missing := [str(name) for name in stimuli if name not in measured["stimulus"].values]:
        raise ValueError(
            f"responses: none to {len(missing)} of {len(stimuli)} stimuli: {', '.join(missing[:5])}; the coordinate "
            "`stimulus` must name the stimuli of the dataset (its files without folder and ending)"
        )
    if not np.isfinite(measured.values).all():
        raise ValueError("responses: a value is NaN or infinite; leave out voxels that were not measured throughout")
    if measured.sizes["repetition"] < 2:
        raise ValueError("responses: one repetition; the correction for noise needs at least two")
    if len(set(measured["participant"].values)) < 2:
        raise ValueError("responses: one participant; the choice of a stage needs at least two")


def read_responses(dataset: xr.Dataset) -> xr.DataArray:
    """Take the responses out of the Dataset of a file.

    Returns
    -------
    xarray.DataArray
        (stimulus, voxel, repetition), with the coordinate ``participant`` (voxel) and, for a simulated brain,
        ``noiseless_response`` (stimulus, voxel).

    Raises
    ------
    ValueError
        When the Dataset has no ``response`` (stimulus, voxel, repetition) with ``stimulus`` names and ``participant``
        (voxel).
    """
    actual = {name: dataset[name].dims for name in ("response", "stimulus", "participant") if name in dataset.variables}
    expected = {"response": {"stimulus", "voxel", "repetition"}, "stimulus": {"stimulus"}, "participant": {"voxel"}}
    if {name: set(dims) for name, dims in actual.items()} != expected:
        raise ValueError(
            f"responses: found {actual or 'none of the variables'}; wanted response (stimulus, voxel, repetition), and "
            "as coordinates stimulus (stimulus), their names, and participant (voxel)"
        )
    response = dataset["response"].reset_coords(drop=True).assign_coords(participant=dataset["participant"])
    if SIMULATED_RESPONSE in dataset.variables and set(dataset[SIMULATED_RESPONSE].dims) == {"stimulus", "voxel"}:
        return response.assign_coords({SIMULATED_RESPONSE: dataset[SIMULATED_RESPONSE]})
    return response
