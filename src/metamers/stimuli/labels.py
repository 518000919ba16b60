"""Labels: stimuli together with their labels as one Dataset, the same for every modality and source.

The values and labels come from the readers: ``metamers.stimuli.images``, ``sounds``, ``excerpts`` and ``speech``.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from metamers.modalities import MODALITIES

LABELS = ("category", "label", "speaker", "split")


def labelled_stimuli(modality: str, values: np.ndarray, rows: Sequence[Mapping[str, str]]) -> xr.Dataset:
    """Stimuli with their labels: the content of ``stimuli/<dataset>.nc``.

    Parameters
    ----------
    modality
        A name from ``metamers.modalities.MODALITIES``.
    values
        (stimulus, …signal), float32.
    rows
        ``stimulus``, ``category`` and ``label`` of each stimulus; ``speaker`` and ``split`` where it has them.

    Returns
    -------
    xarray.Dataset
        ``stimulus_value`` (stimulus, …signal), with ``category``, ``label``, ``speaker`` and ``split``; text is empty
        where a row has none.
    """
    return xr.Dataset(
        {"stimulus_value": (("stimulus", *MODALITIES[modality].dims), values)},
        coords={"stimulus": [row["stimulus"] for row in rows]}
        | {label: ("stimulus", [row.get(label) or "" for row in rows]) for label in LABELS},
    )
