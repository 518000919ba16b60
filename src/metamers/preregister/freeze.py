"""Freeze the predicted human recognizability of a run in a file of its own, before participants answer.

The file has the whole predictive distribution, a reference prediction, and the fingerprints of everything that the
prediction depends on. ``metamers.preregister.score`` compares it with the answers. The prediction itself is that of
``metamers.compare.predicted_human``.
"""

import datetime
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import betaincinv

from metamers.compare.predicted_human import GUESSING, published_relation, sampling_of
from metamers.compare.recognition_spread import NEAREST, above_chance, asked_families
from metamers.names import INPUT_STAGE
from metamers.preregister.files import FROZEN
from metamers.preregister.predictive import central_interval, count_distribution
from metamers.preregister.settings import already_frozen
from metamers.repository import ROOT
from metamers.run import files

LEVEL = 0.95  # of the interval in the file
SAMPLES = 8192  # of a predictive distribution: the log score of improbable numbers of answers needs its tails


def portable_name(path: str | Path) -> str:
    """The path relative to the working folder or to the workflow's folder, the deeper one that has it, or unchanged.

    The same file of another checkout, or of a run that was moved, has the same name.
    """
    whole = Path(os.path.abspath(path))
    bases = [base for base in {Path.cwd(), ROOT, ROOT.resolve()} if whole.is_relative_to(base)]
    return whole.relative_to(max(bases, key=lambda base: len(base.parts))).as_posix() if bases else str(path)


def portable(entry: Any) -> Any:
    """An entry of a registry with ``portable_name`` in place of absolute paths."""
    if isinstance(entry, Mapping):
        return {str(key): portable(value) for key, value in entry.items()}
    if isinstance(entry, list | tuple):
        return [portable(value) for value in entry]
    return portable_name(entry) if isinstance(entry, str) and os.path.isabs(entry) else entry


def flattened(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each key of nested settings, joined by dots, with its value as JSON."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value, sort_keys=True)


def list_items(
    paths: Mapping[str, Iterable[str | Path]],
    settings: Mapping[str, Any],
    versions: Mapping[str, Mapping[str, str]],
    entries: Mapping[str, Mapping[str, Any]],
) -> pd.DataFrame:
    """List everything that a prediction depends on, each with a fingerprint.

    Parameters
    ----------
    paths
        Kind → files or folders; files that do not exist are left out.
    settings
        The settings of the run that results depend on.
    versions
        Kind → name → version or hash; those of Python and of installed packages are added.
    entries
        Kind → name → entry of a registry.

    Returns
    -------
    pd.DataFrame
        ``item_kind``, ``item_name`` (``portable_name`` of a file), ``fingerprint``: the SHA-256 of a file or entry, the
        value of a setting, or a version.

    Raises
    ------
    TypeError
        When a kind has a path instead of a list of paths, whose letters would be taken for folders such as ``/``.
    """
    if single := [kind for kind, of_kind in paths.items() if isinstance(of_kind, str | Path)]:
        raise TypeError(f"paths: found a single path of {', '.join(single)}; wanted a list of paths for each kind")
    rows = [
        (kind, portable_name(path), files.fingerprint(path))
        for kind, of_kind in paths.items()
        for path in dict.fromkeys(map(str, of_kind))
        if Path(path).exists()
    ]
    rows += [("setting", key, value) for key, value in flattened(settings)]
    versions = {**versions, "software": {"Python": platform.python_version()} | files.software_versions()}
    rows += [(kind, name, version) for kind, of_kind in versions.items() for name, version in of_kind.items()]
    rows += [(kind, name, _sha256_of_entry(entry)) for kind, own in entries.items() for name, entry in own.items()]
    return pd.DataFrame(rows, columns=["item_kind", "item_name", "fingerprint"])


def _sha256_of_entry(entry: Any) -> str:
    return hashlib.sha256(json.dumps(portable(entry), sort_keys=True, default=str).encode()).hexdigest()


def answer_variance(table: pd.DataFrame, modality: str) -> float:
    """Compute the variance of the log odds of a correct answer between participants, at one stage of one model.

    Parameters
    ----------
    table
        Result of ``metamers.power.participants.participant_variance``, for both modalities.
    modality
        ``vision`` or ``audio``.
    """
    return float((table.loc[table["modality"] == modality, "sd"] ** 2).sum())


def rates_by_depth(points: xr.Dataset, published_depths: pd.DataFrame, depths: np.ndarray, modality: str) -> np.ndarray:
    """Compute the human rate above chance of each published model's metamers at given depths.

    It is interpolated linearly over the depth of a model's stages; before the first and after the last stage it is that
    of this stage.

    Parameters
    ----------
    points
        (point) of one modality of ``metamers.compare.humans_vs_models.humans_vs_models``.
    published_depths
        ``metamers.leaderboard.depth.DEPTH_COLUMNS`` of the published models.
    depths
        Depth of each stage, (stage,); NaN where unknown.
    modality
        ``vision`` or ``audio``.

    Returns
    -------
    np.ndarray
        (stage, published model), 0..1; NaN where the depth is.
    """
    table = points[["generation_model", "stage", "human_mean"]].to_dataframe().dropna(subset="human_mean")
    known = published_depths[published_depths["modality"] == modality]
    table = table.merge(known, on=["generation_model", "stage"]).sort_values("depth", kind="stable")
    by_model = [
        np.interp(depths, own["depth"], above_chance(own["human_mean"].to_numpy(), GUESSING[modality]).clip(0, 1))
        for _, own in table.groupby("generation_model", sort=True)
    ]
    rates = np.stack(by_model, axis=-1)
    rates[np.isnan(depths)] = np.nan
    return rates


def possible_means(mean: np.ndarray, standard_error: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Compute the quantiles (point, level) of the beta distribution with a mean and a standard error (point,)."""
    variance = np.minimum(standard_error**2, 0.9 * mean * (1 - mean))
    known = variance > 0
    total = np.where(known, mean * (1 - mean) / np.where(known, variance, 1) - 1, 1)
    shapes = (np.where(known, share * total, 1)[:, None] for share in (mean, 1 - mean))
    return np.where(known[:, None], betaincinv(*shapes, levels), mean[:, None])


def reference_proportions(rates: np.ndarray, chance: float) -> np.ndarray:
    """Compute equally probable proportions correct of participants for a new model, given those for published models.

    The rate above chance has a beta distribution with the mean of the published models and their variance times 1 +
    1/n, which includes the error of the mean of n models.

    Parameters
    ----------
    rates
        Result of ``rates_by_depth``, (stage, published model).
    chance
        Guessing rate of the run's task.

    Returns
    -------
    np.ndarray
        (stage, sample), quantiles of the distribution; NaN where the rates are.
    """
    number = rates.shape[1]
    deviation = rates.std(axis=1, ddof=min(number - 1, 1)) * np.sqrt(1 + 1 / number)
    levels = (np.arange(SAMPLES) + 0.5) / SAMPLES
    means = possible_means(np.clip(rates.mean(axis=1), NEAREST, 1 - NEAREST), deviation, levels)
    return chance + (1 - chance) * means


def frozen_prediction(
    predicted: xr.Dataset,
    recognizable: xr.Dataset,
    relation: xr.Dataset,
    variance: pd.DataFrame,
    published_depths: pd.DataFrame,
    models: Mapping[str, Mapping[str, Any]],
    expected: Mapping[str, int],
) -> xr.Dataset:
    """Make the part of the frozen file that predicts.

    Parameters
    ----------
    predicted, recognizable, relation
        Results of ``predicted_human``, ``recognizability`` and ``humans_vs_models`` (``metamers.compare``).
    variance
        Result of ``metamers.power.participants.participant_variance``, for both modalities.
    published_depths
        Result of ``metamers.leaderboard.depth.published_depths``.
    models
        Generation model → ``modality``; ``categories``, the number among which participants choose; ``depths``, stage →
        depth.
    expected
        ``participants``: the expected number; ``trials``: of each participant, model and stage.

    Returns
    -------
    xr.Dataset
        (generation_model, stage) → ``predicted`` (the median over models and stages), ``low`` and ``high`` (95%
        interval of the proportion correct with the expected numbers), ``reason`` (see ``predicted_human``),
        ``stage_number``;
        ``possible_proportion`` (…, sample): equally probable proportions correct of participants;
        ``reference_proportion`` (…, sample): result of ``reference_proportions``; ``guessing`` and
        ``log_odds_variance`` (generation_model); ``expected_participants``, ``expected_trials``. NaN where nothing is
        predicted.

    Raises
    ------
    ValueError
        When nothing is predicted.
    """
    order = ("generation_model", "stage")
    predicted = predicted.transpose(*order)
    if not predicted["predicted"].notnull().any():
        reasons = dict.fromkeys(filter(None, map(str, predicted["reason"].values.ravel())))
        raise ValueError(
            f"there is nothing to freeze: no stage has a prediction (predicted_human.nc). {' '.join(reasons)} "
            "Add stages, stimuli or recognition models. Nothing has been written."
        )
    names = [str(stage) for stage in predicted["stage"].values]
    trials = np.full(expected["participants"], expected["trials"])
    others = [
        recognizable[name].sel(stage=names).transpose(*order)
        for name in ("other_models", "other_models_standard_error")
    ]
    shape = predicted["predicted"].shape
    possible, references = np.full((*shape, SAMPLES), np.nan), []
    ends = np.full((2, *shape), np.nan)
    guessing, variances = np.empty(shape[0]), np.empty(shape[0])
    for number, model in enumerate(map(str, predicted["generation_model"].values)):
        modality, chance = models[model]["modality"], 1 / models[model]["categories"]
        guessing[number], variances[number] = chance, answer_variance(variance, modality)
        stages = np.flatnonzero(predicted["predicted"].values[number] >= 0)
        mean, error = (values.sel(generation_model=model).values[stages] for values in others)
        if len(stages):
            fitted, of_model = published_relation(relation, modality), recognizable.sel(generation_model=model)
            sampling = sampling_of(fitted, asked_families(of_model), str(of_model["generation_family"].item()))
            possible[number, stages] = fitted.expected(mean, error, chance, sampling, SAMPLES)
        for stage in stages:
            distribution = count_distribution(possible[number, stage], trials, variances[number])
            ends[:, number, stage] = np.array(central_interval(distribution, LEVEL)) / trials.sum()
        own = models[model]["depths"]
        depths = np.array([own.get(stage, 0.0 if stage == INPUT_STAGE else np.nan) for stage in names])
        depths[predicted["stage_number"].values[number] < 0] = np.nan
        rates = rates_by_depth(relation.sel(modality=modality), published_depths, depths, modality)
        references.append(reference_proportions(rates, chance))
    kept = predicted[["predicted", "reason", "stage_number"]].drop_attrs(deep=False)
    return kept.assign(
        low=(order, ends[0]),
        high=(order, ends[1]),
        possible_proportion=((*order, "sample"), possible),
        reference_proportion=((*order, "sample"), np.stack(references)),
        guessing=("generation_model", guessing),
        log_odds_variance=("generation_model", variances),
        expected_participants=expected["participants"],
        expected_trials=expected["trials"],
    )


def with_items(prediction: xr.Dataset, items: pd.DataFrame, now: datetime.datetime) -> xr.Dataset:
    """Add the items of ``list_items`` and the time at which the prediction is frozen to a prediction."""
    columns = {name: ("item", items[name].to_numpy(dtype=object).astype(str)) for name in items}
    return prediction.assign(columns).assign(frozen_at=now.astimezone(datetime.UTC).isoformat(timespec="seconds"))


def write_once(dataset: xr.Dataset, path: str | Path, **provenance: Any) -> None:
    """Write a file of ``metamers.run.files.save`` that nobody may write to, unless it exists.

    Raises
    ------
    FileExistsError
        When the file exists; it stays as it is.
    OSError
        When it cannot be written.
    """
    path = Path(path)
    if os.path.lexists(path):
        raise FileExistsError(already_frozen(path))
    staged = path.with_name(f".{path.name}.{os.getpid()}.staged")
    try:
        files.save(dataset, path, staged, FROZEN, **provenance)
        staged.chmod(0o444)
        _place(staged, path)
    except FileExistsError as error:
        raise FileExistsError(already_frozen(path)) from error
    finally:
        with suppress(OSError):  # the error that led here is the one to report
            staged.unlink(missing_ok=True)


def _place(staged: Path, path: Path) -> None:
    """Give a staged file its name, which must not exist; by a copy where the file system has no hard links."""
    try:
        os.link(staged, path)
    except FileExistsError:
        raise
    except OSError:
        with staged.open("rb") as source, path.open("xb") as target:
            try:
                shutil.copyfileobj(source, target)
                target.flush()
                os.fsync(target.fileno())
                path.chmod(0o444)
            except BaseException:  # a partial file would be taken for a frozen prediction
                with suppress(OSError):
                    path.unlink()
                raise


def frozen_stages(frozen: xr.Dataset, model: str) -> Sequence[str]:
    """Stages of a model that the frozen file predicts."""
    own = frozen["predicted"].sel(generation_model=model)
    return [str(stage) for stage in own["stage"].values[own.notnull().values]]
