"""Entry of one generation model for a leaderboard that several groups share: a file that others can check.

A file has the model's curve of human recognizability, the area under it, the test whether it passes, who made it, and
fingerprints of everything that it was computed from. All of this is in variables, so that ``content_sha256`` covers it.
What is not in the file, such as a rank among other models, follows from it. ``metamers.leaderboard.check_entry`` checks
a file, and ``metamers.report.leaderboard_site`` makes pages of many.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.stats
import xarray as xr

from metamers.compare.passes import DIFFERENCE_COLUMNS, NATURAL_COLUMNS, natural_differences, passes_dataset
from metamers.compare.predicted_human import Relation, published_relation
from metamers.compare.proportions import ENDS
from metamers.compare.recognition_spread import asked_families, read_recognition, with_spread
from metamers.humans.participants import own_stages
from metamers.humans.summary import COLUMNS, pooled_points, read_results
from metamers.leaderboard.curves import (
    DEPTH_COLUMNS,
    Curve,
    NormalizedCurve,
    depths_by_model,
    mean_natural_recognizability,
    measured_curves,
    natural_recognizability,
    normalized_curves,
)
from metamers.leaderboard.normalized_area import weighted_area
from metamers.leaderboard.own_models import OWN_PARTICIPANTS, PREDICTION, own_normalized_curve, predicted_area
from metamers.leaderboard.ranking import passed_stages
from metamers.leaderboard.texts import CREATOR_LETTERS
from metamers.names import INPUT_STAGE, without_folders
from metamers.repository import ROOT
from metamers.run import files

FORMAT = 2  # of the files; a change of the variables' meaning raises it
HASH_DIGITS = 12  # of the content's SHA-256 in the name of a file
NAME_LETTERS = 80  # of the model's name in the name of a file
SUFFIX = ".nc"
# Kinds of items (``metamers.preregister.freeze.list_items``) that are files, whose fingerprint is a SHA-256.
FILE_KINDS = ("stimuli", "metamers", "acceptance", "recognition", "own_participants", "comparison", "published")
FILE_KINDS += ("weights",)
CREATOR_VARIABLES = {
    "name": "creator_name",
    "email": "creator_email",
    "url": "creator_url",
    "institution": "creator_institution",
    "license": "entry_license",
}
OTHERS = ("other_models", "other_models_standard_error", "other_models_low", "other_models_high")
TESTED = ("natural_difference", "natural_difference_low", "natural_difference_high", "standard_error")
TESTED += ("p_equivalence", "p_worse")
AREA = {"": "normalized_area", "_low": "normalized_area_low", "_high": "normalized_area_high"}
RECOGNIZABILITY = ("recognizability", "recognizability_low", "recognizability_high")


@dataclass(frozen=True)
class EntryVariable:
    """What a variable of an entry may contain.

    Attributes
    ----------
    kind
        ``text``, ``number``, ``whole`` or ``boolean``.
    dims
        Names of its dimensions.
    low, high
        Limits of numbers; of texts, ``high`` is the largest number of letters.
    missing
        Whether numbers may be NaN, or texts empty.
    """

    kind: str
    dims: tuple[str, ...] = ()
    low: float = 0
    high: float = 1
    missing: bool = False


_STAGE, _ITEM = ("stage",), ("item",)
VARIABLES = {
    "entry_format": EntryVariable("whole", low=FORMAT, high=FORMAT),
    "generation_model": EntryVariable("text", high=100),
    "entry_modality": EntryVariable("text", high=20),
    "basis": EntryVariable("text", high=20),
    "published_as": EntryVariable("text", high=100, missing=True),
    "registry_entry": EntryVariable("text", high=50_000),
    "creator_name": EntryVariable("text", high=CREATOR_LETTERS["name"]),
    "creator_email": EntryVariable("text", high=CREATOR_LETTERS["email"], missing=True),
    "creator_url": EntryVariable("text", high=CREATOR_LETTERS["url"], missing=True),
    "creator_institution": EntryVariable("text", high=CREATOR_LETTERS["institution"], missing=True),
    "entry_license": EntryVariable("text", high=CREATOR_LETTERS["license"]),
    "categories": EntryVariable("whole", low=2, high=1_000_000),
    "natural_correct": EntryVariable("number"),
    "guessing": EntryVariable("number"),
    **dict.fromkeys(AREA.values(), EntryVariable("number")),
    "missing_depth": EntryVariable("number"),
    "passes_up_to": EntryVariable("text", high=200, missing=True),
    "passes_depth": EntryVariable("number", missing=True),
    "fails_from": EntryVariable("text", high=200, missing=True),
    "stage": EntryVariable("text", _STAGE, high=200),
    "stage_depth": EntryVariable("number", _STAGE),
    "listed": EntryVariable("boolean", _STAGE),
    **dict.fromkeys(RECOGNIZABILITY, EntryVariable("number", _STAGE, missing=True)),
    **dict.fromkeys(OTHERS, EntryVariable("number", _STAGE, missing=True)),
    "asked_families": EntryVariable("text", high=10_000),
    "generation_family": EntryVariable("text", high=200),
    "participants": EntryVariable("whole", _STAGE, high=1_000_000),
    "participants_tested": EntryVariable("whole", _STAGE, high=1_000_000),
    **dict.fromkeys(TESTED, EntryVariable("number", _STAGE, low=-2, high=2, missing=True)),
    "item_kind": EntryVariable("text", _ITEM, high=50),
    "item_name": EntryVariable("text", _ITEM, high=500),
    "fingerprint": EntryVariable("text", _ITEM, high=50_000, missing=True),
}
MAX_LENGTHS = {"stage": 1000, "item": 20_000}  # of the dimensions


class PublishedEvidence(NamedTuple):
    """What the published participants say, by which entries are placed and checked.

    Attributes
    ----------
    curves
        Result of ``metamers.leaderboard.curves.measured_curves``.
    scaled
        Result of ``metamers.leaderboard.curves.normalized_curves``.
    natural
        Result of ``metamers.leaderboard.curves.mean_natural_recognizability``.
    variance
        Result of ``metamers.compare.passes.natural_variance``.
    relations
        Modality → relation between participants and other models, by which participants are predicted.
    """

    curves: dict[tuple[str, str, str], Curve]
    scaled: dict[tuple[str, str, str], NormalizedCurve]
    natural: dict[str, float]
    variance: pd.DataFrame
    relations: dict[str, Relation]


def published_reference(
    groups: pd.DataFrame, depths: pd.DataFrame, variance: pd.DataFrame, recognition: pd.DataFrame
) -> PublishedEvidence:
    """Compute what entries are compared with.

    Parameters
    ----------
    groups
        Result of ``metamers.humans.summary.group_results``.
    depths
        Result of ``metamers.leaderboard.depth.published_depths``.
    variance
        Result of ``metamers.compare.passes.natural_variance``.
    recognition
        Result of ``metamers.compare.recognition_spread.recognition_table``.
    """
    curves, points = measured_curves(groups), pooled_points(groups)
    relations = {}
    for modality, own in points.groupby("modality", sort=False):
        columns = {name: ("point", own[name].to_numpy()) for name in own if name != "modality"}
        of_modality = xr.Dataset(columns).expand_dims(modality=[str(modality)])
        relations[str(modality)] = published_relation(with_spread(of_modality, recognition), str(modality))
    scaled = normalized_curves(curves, natural_recognizability(groups), depths_by_model(depths))
    return PublishedEvidence(curves, scaled, mean_natural_recognizability(groups), variance, relations)


def read_published(folder: str | Path = ROOT / "resources" / "published") -> PublishedEvidence:
    """Read the committed tables of published participants (``published_reference``).

    Parameters
    ----------
    folder
        Folder with ``group_results.csv``, ``stage_depth.csv``, ``natural_variance.csv`` and
        ``recognition_models.csv``.

    Raises
    ------
    OSError, ValueError
        When a table is missing, or has other columns.
    """
    folder = Path(folder)
    return published_reference(
        read_results(folder / "group_results.csv", COLUMNS),
        read_results(folder / "stage_depth.csv", DEPTH_COLUMNS),
        read_results(folder / "natural_variance.csv", NATURAL_COLUMNS),
        read_recognition(folder / "recognition_models.csv"),
    )


def measured_values(curve: Curve) -> pd.DataFrame:
    """Return the values of a measured curve with 95% intervals of Student's t over participants.

    Parameters
    ----------
    curve
        ``stage``, and ``mean``, ``sem``, ``n`` over participants.

    Returns
    -------
    pd.DataFrame
        By stage: ``value``, ``low``, ``high``, clipped to 0..1, and ``n``.
    """
    half = curve["sem"] * scipy.stats.t.ppf(ENDS[1], curve["n"] - 1)
    values = curve.assign(value=curve["mean"], low=curve["mean"] - half, high=curve["mean"] + half)
    values[["low", "high"]] = values[["low", "high"]].clip(0, 1)
    return values.set_index("stage")[["value", "low", "high", "n"]]


def predicted_values(predicted: xr.Dataset, model: str) -> pd.DataFrame:
    """Return the predictions for a model's stages after the input: by stage ``value``, ``low``, ``high``, and ``n`` 0.

    Parameters
    ----------
    predicted
        Result of ``metamers.compare.predicted_human.predicted_human``.
    model
        A generation model.
    """
    stages = [stage for stage in own_stages(predicted, model) if stage != INPUT_STAGE]
    own = predicted.sel(generation_model=model, stage=stages)
    columns = {"value": "predicted", "low": "low", "high": "high"}
    return pd.DataFrame({name: own[of].values for name, of in columns.items()}, index=stages).assign(n=0)


def equivalence_of_stages(
    own_participants: Sequence[xr.Dataset], model: str, entry: Mapping[str, Any], variance: pd.DataFrame
) -> xr.Dataset:
    """Test whether own participants recognize a model's metamers as often as natural stimuli.

    The margin is that of the published participants of the modality (``metamers.compare.passes``).

    Parameters
    ----------
    own_participants
        Results of ``metamers.humans.own_participants.own_participants_dataset`` for the participants who saw the
        model's metamers.
    model
        The generation model.
    entry
        ``modality``; ``stages``, all in processing order; ``depths``, stage → depth.
    variance
        As for ``metamers.compare.passes.passes_dataset``.

    Returns
    -------
    xr.Dataset
        Result of ``metamers.compare.passes.passes_dataset`` for the model alone.
    """
    experiments = {str(number): data.sel(generation_model=[model]) for number, data in enumerate(own_participants)}
    differences = natural_differences(experiments, dict.fromkeys(experiments, entry["modality"]))
    # Groups may have judged different stages; the test takes them in processing order.
    differences = differences.sort_values("stage", key=lambda names: names.map(list(entry["stages"]).index))
    depths = pd.DataFrame(
        [(entry["modality"], model, stage, depth) for stage, depth in entry["depths"].items()],
        columns=["modality", "generation_model", "stage", "depth"],
    )
    return passes_dataset(differences[DIFFERENCE_COLUMNS], variance, depths)


def items_without_folders(items: pd.DataFrame) -> pd.DataFrame:
    """Return items whose names have no folder of this machine: of an absolute path, only the last part is kept.

    Names that are then equal are numbered, in the order of the items.

    Parameters
    ----------
    items
        Result of ``metamers.preregister.freeze.list_items``.
    """
    short = items.assign(item_name=items["item_name"].map(without_folders))
    number = short.groupby(["item_kind", "item_name"]).cumcount()
    names = [name if not n else f"{name} ({n + 1})" for name, n in zip(short["item_name"], number, strict=True)]
    return short.assign(item_name=names)


def entry_dataset(
    row: Mapping[str, Any],
    entry: Mapping[str, Any],
    values: pd.DataFrame,
    recognizable: xr.Dataset,
    tested: xr.Dataset | None,
    creator: Mapping[str, str | None],
    items: pd.DataFrame,
) -> xr.Dataset:
    """Make the content of an entry.

    Parameters
    ----------
    row
        The model's row of ``metamers.leaderboard.ranking.entries_of``, with an area.
    entry
        ``stages`` (all stages of the model, in processing order), ``depths`` (stage → depth), ``published_as``,
        ``categories`` (the number that an observer of the run chooses from), and ``registry``, the model's entry in the
        registry.
    values
        Result of ``measured_values`` or ``predicted_values``, as ``basis`` of the row says.
    recognizable
        Result of ``metamers.compare.recognizability.recognizability``.
    tested
        Result of ``equivalence_of_stages``, or None for a prediction.
    creator
        The key ``creator`` of the configuration.
    items
        Result of ``items_without_folders`` for what the entry was computed from.

    Returns
    -------
    xr.Dataset
        The variables ``VARIABLES``. (stage): ``stage_depth``; ``listed``, whether metamers of the stage were asked
        about; ``recognizability``, human proportion correct, measured or predicted, with its 95% interval (``_low``,
        ``_high``), NaN where it is unknown; ``other_models`` with its ``_standard_error``, ``_low`` and ``_high``;
        ``asked_families``: number of these models by family;
        ``participants`` who judged the metamers, and ``participants_tested``, who judged natural stimuli, too; and,
        where own participants were tested, ``TESTED``.
    """
    model = str(row["generation_model"])
    stages = [stage for stage in entry["stages"] if stage in entry["depths"] or stage in values.index]
    values = values.reindex(stages)
    others = recognizable.sel(generation_model=model).reindex(stage=stages)
    judged, verdict = judged_columns(model, stages, values, tested)
    columns: dict[str, Any] = {
        "stage_depth": [entry["depths"].get(stage, np.nan) for stage in stages],
        "listed": values["n"].notna().to_numpy(bool),
        **{name: others[name].values for name in OTHERS},
        **judged,
    }
    scalars = {
        "entry_format": FORMAT,
        **{name: str(row[name]) for name in ("generation_model", "entry_modality", "basis")},
        "published_as": entry["published_as"] or "",
        "categories": entry["categories"],
        "asked_families": json.dumps(asked_families(recognizable.sel(generation_model=model)), sort_keys=True),
        "generation_family": str(others["generation_family"].item()),
        "registry_entry": json.dumps(entry["registry"], sort_keys=True, default=str),
        **{variable: creator.get(key) or "" for key, variable in CREATOR_VARIABLES.items()},
        **{name: float(row[name]) for name in ("natural_correct", "guessing", *AREA.values(), "missing_depth")},
        **verdict,
    }
    listed = {name: ("item", items[name].to_numpy(dtype=object).astype(str)) for name in items}
    by_stage = {name: ("stage", np.asarray(column)) for name, column in columns.items()} | listed
    return xr.Dataset(by_stage | scalars, coords={"stage": stages})


def judged_columns(
    model: str, stages: Sequence[str], values: pd.DataFrame, tested: xr.Dataset | None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what an entry says of participants.

    Parameters
    ----------
    model
        The generation model.
    stages
        Stages of the entry.
    values, tested
        As for ``entry_dataset``.

    Returns
    -------
    columns
        ``RECOGNIZABILITY``, ``participants``, ``participants_tested`` and ``TESTED``, (stage,).
    verdict
        ``passes_up_to``, ``passes_depth``, ``fails_from``.
    """
    values = values.reindex(stages)
    test, compared = dict.fromkeys(TESTED, np.full(len(stages), np.nan)), np.zeros(len(stages))
    verdict: dict[str, Any] = {"passes_up_to": "", "passes_depth": np.nan, "fails_from": ""}
    if tested is not None:
        own = tested.sel(generation_model=model).reindex(stage=stages)
        test = {name: own[name].values for name in TESTED}
        compared = own["participants"].fillna(0).values
        verdict = {name: of_model[0] for name, of_model in passed_stages(tested, [model]).items()}
    columns = dict(zip(RECOGNIZABILITY, values[["value", "low", "high"]].to_numpy(float).T, strict=True))
    columns |= {"participants": values["n"].fillna(0).to_numpy(int), "participants_tested": compared.astype(int)}
    return columns | test, verdict


def file_name(entry: xr.Dataset) -> str:
    """Return the name of an entry's file: the model and the beginning of the content's SHA-256.

    An entry with other content has another name, so files of several groups can be in one folder.
    """
    model = re.sub(r"[^A-Za-z0-9._+-]+", "_", entry["generation_model"].item()).strip("._+-")[:NAME_LETTERS]
    return f"{model or 'model'}.{files.content_sha256(entry)[:HASH_DIGITS]}{SUFFIX}"


def entry_model(entry: xr.Dataset) -> dict[str, Any]:
    """Return what ``metamers.leaderboard.own_models`` needs about the model of an entry."""
    depths = zip(entry["stage"].values.tolist(), entry["stage_depth"].values.tolist(), strict=True)
    return {
        "modality": entry["entry_modality"].item(),
        "published_as": entry["published_as"].item() or None,
        "stages": entry["stage"].values.tolist(),
        "depths": {stage: depth for stage, depth in depths if np.isfinite(depth)},
    }


def normalized_entry(entry: xr.Dataset, published: PublishedEvidence) -> tuple[NormalizedCurve, dict[str, float]]:
    """Compute an entry's curve on the shared scale and its area, from its values by stage.

    Parameters
    ----------
    entry
        Result of ``entry_dataset``.
    published
        Result of ``published_reference``.

    Returns
    -------
    curve
        The curve.
    area
        The area with the key ``""``; for a prediction, whose ends follow from the curve, also ``_low`` and ``_high``.
        Empty without an area.
    """
    model, listed = entry_model(entry), entry["stage"].values[entry["listed"].values].tolist()
    scale = entry["natural_correct"].item(), entry["guessing"].item()
    columns = dict(zip(("predicted", "low", "high"), RECOGNIZABILITY, strict=True))
    curve = pd.DataFrame({name: entry[of].values for name, of in columns.items()}, index=entry["stage"].values).dropna()
    if entry["basis"].item() == PREDICTION:
        return predicted_area(model, curve, listed, scale, published.scaled)
    own = own_normalized_curve(model, curve["predicted"].to_dict(), listed, scale, published.scaled)
    rule = own.rule
    return own, {} if rule is None else {"": float(weighted_area(rule.low, own.values))}


def has_own_participants(entry: xr.Dataset) -> bool:
    """Return whether an entry was measured with own participants; otherwise it is a prediction."""
    return bool(entry["basis"].item() == OWN_PARTICIPANTS)
