"""Measures of the metamers of the extensions: their match with every member, and what the members call them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from metamers.beyond.sets import OTHER, OWN
from metamers.beyond.synthesize import fit_to
from metamers.match import match_each
from metamers.models.model import Model, activations
from metamers.recognize.recognition import recognize
from metamers.stimuli.formats import FORMATS
from metamers.synthesize.measure import measure


def natural_categories(
    members: Mapping[str, Model],
    matched: Mapping[str, Mapping[str, str]],
    natural: Mapping[str, torch.Tensor],
    sampling: Mapping[str, Any],
    classes: Mapping[str, Sequence[int]],
) -> xr.DataArray:
    """The category, right or wrong, that each member gives to the natural stimulus that it matches.

    Parameters
    ----------
    members
        Models of one modality by name.
    matched
        Case → member → ``own`` or ``other``.
    natural
        ``own`` and ``other`` → stimuli (stimulus, …signal), in the first member's size or rate. The members get them as
        they would be exported.
    sampling
        How these stimuli are sampled (``metamers.modalities.sampling_of``).
    classes
        Category → class indices.

    Returns
    -------
    xarray.DataArray
        (stimulus, case, member), text.
    """
    as_exported = FORMATS[next(iter(members.values())).modality].as_exported
    exported = {which: as_exported(stimuli.cpu().numpy()) for which, stimuli in natural.items()}
    answered = {
        name: {which: recognize(model, images, sampling, classes) for which, images in exported.items()}
        for name, model in members.items()
    }
    by_case = [[answered[name][which] for name, which in of_case.items()] for of_case in matched.values()]
    return xr.DataArray(np.moveaxis(np.array(by_case), -1, 0), dims=("stimulus", "case", "member"))


def measured_case(
    members: Mapping[str, Model],
    stages: Mapping[str, str],
    matched: Mapping[str, str],
    natural: Mapping[str, torch.Tensor],
    metamers: np.ndarray,
    classes: Mapping[str, Sequence[int]],
    sampling: Mapping[str, Any],
    target_errors: Mapping[str, float | None] | None = None,
) -> xr.Dataset:
    """Measures of the metamers of one case at one position, for each member.

    Parameters
    ----------
    members, stages, matched, natural, sampling, target_errors
        As for ``metamers.beyond.synthesize.case_metamers``.
    metamers
        (stimulus, …signal), in the first member's size or rate.
    classes
        Category → class indices.

    Returns
    -------
    xarray.Dataset
        (stimulus, member) → the measures of match with the stimulus that the member matches, ``other_error``, the
        normalized error to the other one, ``predicted_category`` of the exported metamer, and ``converged``, whether
        the member's error has reached its target, if there is one.

    Raises
    ------
    ValueError
        As ``metamers.synthesize.measure.measure``.
    """
    errors, of_members = target_errors or {}, []
    for name, model in members.items():
        fit = fit_to(model, sampling)
        synthetic = torch.from_numpy(metamers).to(natural[OWN].device)
        other = OWN if matched[name] == OTHER else OTHER
        targets, reached, not_wanted = (
            activations(model, fit(stimuli), stages[name])
            for stimuli in (natural[matched[name]], synthetic, natural[other])
        )
        exported = FORMATS[model.modality].as_exported(metamers)
        measures = measure(model, targets, reached, exported, sampling, classes, errors.get(name))
        measures["other_error"] = match_each(not_wanted, reached)["normalized_error"]
        of_members.append(xr.Dataset({key: ("stimulus", values) for key, values in measures.items()}))
    return xr.concat(of_members, xr.DataArray(list(members), dims="member", name="member")).transpose("stimulus", ...)
