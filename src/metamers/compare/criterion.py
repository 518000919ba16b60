"""Whether the conclusions of a run depend on how strict acceptance is, and on the seed of training.

The published rule accepts a metamer whose match is at least the largest of the null distribution. Where that one is
poor, a metamer with more error than signal passes. So every conclusion is drawn a second time, from the accepted
metamers that also meet ``stricter``. Networks that differ by the seed of their training only are compared one by one.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from metamers.compare.contrasts import contrasts
from metamers.compare.verdict import (
    FIRST_MINUS_LAST,
    LATER_STAGES,
    compared_stages,
    contrast_evidence,
    first_minus_last,
    read_evidence,
    verdict,
)

MIN_SNR_DB = 0.0  # as much signal as error
MIN_ABOVE_NULL_DB = 3.0  # half the power of the error of the best match of two different natural stimuli
OF_RUN, STRICTER = "acceptance of the run", "stricter acceptance"
SNR = "snr_db"


def stricter(acceptance: xr.Dataset) -> xr.Dataset:
    """Accept fewer metamers: those whose signal-to-noise ratio is at least 0 dB, and 3 dB above the null's largest.

    Parameters
    ----------
    acceptance
        (stage, stimulus, seed) → ``accepted``, ``snr_db``; (stage, measure) → ``largest``, in dB for ``snr_db``. Where
        it is undefined (NaN), the ratio must be at least ``MIN_SNR_DB`` only.

    Returns
    -------
    xr.Dataset
        The same, with fewer ``accepted``.
    """
    null = acceptance["largest"].sel(measure=SNR, drop=True) + MIN_ABOVE_NULL_DB
    least = null.fillna(MIN_SNR_DB).clip(min=MIN_SNR_DB)
    return acceptance.assign(accepted=acceptance["accepted"].astype(bool) & (acceptance[SNR] >= least))


def _conclusion(name: str, evidence: xr.Dataset, prefix: str, number: int) -> dict[str, str | float]:
    """One conclusion: its difference with interval, number of stimuli, verdict, and number of accepted metamers."""
    concluded = verdict(read_evidence(evidence, prefix))
    of_stimuli = concluded.evidence
    ends = {end: float(getattr(of_stimuli, end)) for end in ("difference", "low", "high")}
    return {"conclusion": name, **ends, "n": of_stimuli.n, "accepted_metamers": number, "degree": concluded.degree}


def _accepted(acceptance: xr.Dataset, stages: Sequence[str]) -> int:
    return int(acceptance["accepted"].sel(stage=list(stages)).sum())


def conclusions(
    recognition: Mapping[str, Mapping[str, xr.Dataset]],
    acceptance: Mapping[str, xr.Dataset],
    families: Mapping[str, str],
    modalities: Mapping[str, str],
    targets: Mapping[str, Mapping[str, float]],
    sides: Sequence[tuple[Sequence[str], Sequence[str]]],
    retrained: Sequence[str],
) -> xr.Dataset:
    """Draw every conclusion of a run with its acceptance, and with a stricter one.

    Parameters
    ----------
    recognition, acceptance, families, modalities, targets
        As for ``metamers.compare.verdict.first_minus_last``; ``acceptance`` also as for ``stricter``.
    sides
        As for ``metamers.compare.contrasts.contrasts``; may be empty.
    retrained
        Generation models of which others differ by the seed of their training only.

    Returns
    -------
    xr.Dataset
        (conclusion, criterion) → ``difference``, ``low``, ``high``, ``n``, ``degree`` of the verdict, and
        ``accepted_metamers``, of the compared models and stages. The conclusions are the first stage minus the last one
        for each modality and for each network of ``retrained``, and the later stages of each contrast.
    """
    groups = {
        modality: [model for model, of_model in modalities.items() if of_model == modality]
        for modality in dict.fromkeys(modalities.values())
    }
    groups |= {f"{modalities[model]}, {model}": [model] for model in retrained}
    of_criteria = []
    for change in (lambda unchanged: unchanged, stricter):
        accepted = {model: change(one) for model, one in acceptance.items()}
        rows = []
        for name, models in groups.items():
            modality = modalities[models[0]]
            compared = first_minus_last(recognition, accepted, families, dict.fromkeys(models, modality), targets)
            stages = (compared_stages(list(map(str, accepted[model]["stage"].values))) for model in models)
            number = sum(_accepted(accepted[model], of_model) for model, of_model in zip(models, stages, strict=True))
            rows.append(
                _conclusion(
                    f"{name}: first minus last stage", compared.sel(modality=modality), FIRST_MINUS_LAST, number
                )
            )
        if sides:
            differences = contrasts(sides, recognition, accepted, families)
            differences = differences.merge(contrast_evidence(differences, sides, accepted, families, targets))
            for place, pair in enumerate(sides):
                one = differences.isel(contrast=place)
                late = str(one["late_stages"].values).split(", ")
                number = sum(_accepted(accepted[model], late) for side in pair for model in side)
                rows.append(_conclusion(f"{one['contrast'].item()}: later stages", one, LATER_STAGES, number))
        names = [row.pop("conclusion") for row in rows]
        columns = {key: ("conclusion", np.array([row[key] for row in rows])) for key in rows[0]}
        of_criteria.append(xr.Dataset(columns, coords={"conclusion": names}))
    return xr.concat(of_criteria, xr.DataArray([OF_RUN, STRICTER], dims="criterion", name="criterion")).transpose(
        "conclusion", "criterion"
    )
