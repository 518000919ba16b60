"""Check an entry of a shared leaderboard: a file from outside, which may be damaged, edited or malicious.

A fault names the variable, what was found and what is wanted. Whatever follows from other values of the file or from
the published participants is computed again. A check cannot show that the values by stage were really computed: with
the run's folder, it compares them with the run's files.
"""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from metamers.compare.passes import decide, equivalence, margin_of
from metamers.compare.predicted_human import GUESSING, predict_human, sampling_of
from metamers.compare.proportions import Interval
from metamers.compare.recognition_spread import asked_families
from metamers.foreign.hdf5 import check_structure
from metamers.leaderboard.entry import (
    AREA,
    FILE_KINDS,
    MAX_LENGTHS,
    OTHERS,
    RECOGNIZABILITY,
    SUFFIX,
    TESTED,
    VARIABLES,
    EntryVariable,
    PublishedEvidence,
    entry_model,
    equivalence_of_stages,
    file_name,
    has_own_participants,
    judged_columns,
    measured_values,
    normalized_entry,
)
from metamers.leaderboard.files import ENTRY
from metamers.leaderboard.own_models import OWN_PARTICIPANTS, PREDICTION, own_participants_curves
from metamers.leaderboard.ranking import entries_of
from metamers.leaderboard.texts import is_address, is_email, misleading_form, printable, unwanted_character
from metamers.modalities import MODALITIES
from metamers.names import FILE_NAME, FILE_NAME_RULE, INPUT_STAGE, NATURAL, stage_path
from metamers.repository import ROOT
from metamers.run import files
from metamers.run.conventions import CREATOR_KEYS
from metamers.run.files import fingerprint

MAX_BYTES = 2**20  # of a file
MAX_MEMORY = 2**25  # of its variables, in bytes
TOLERANCE = 1e-6  # of values that are computed again from others by arithmetic
FITTED_TOLERANCE = 5e-3  # of values that depend on a fit, which ends a little differently on other machines
KINDS = {"number": "f", "whole": "iu", "boolean": "b", "text": "OU"}  # kinds of NumPy types
NEEDED_KINDS = ("stimuli", "metamers", "acceptance", "recognition", "comparison", "published", "setting", "model")
NEEDED_KINDS += ("version",)
INTERVALS = (RECOGNIZABILITY, tuple(AREA.values()), ("other_models", "other_models_low", "other_models_high"))
INTERVALS += (("natural_difference", "natural_difference_low", "natural_difference_high"),)
SHA256 = re.compile(r"[0-9a-f]{64}")
ENTRY_FILE_NAME = re.compile(rf"[A-Za-z0-9._+-]+{re.escape(SUFFIX)}")
MAX_DEPTH = 20  # of the registry's entry
# In the words of the creator's machine.
ITEM_VARIABLES = ("item_kind", "item_name", "fingerprint", "registry_entry", "asked_families")
# Attributes that ``metamers.run.files.save`` writes, of the file and of its variables.
ATTRIBUTES = {*("title", "source", "references", "history", "step", "path", "run", "seed", "software", "inputs")}
ATTRIBUTES |= {
    *("content_sha256", "Conventions", "summary", "keywords", "id", "naming_authority", "project", "license")
}
ATTRIBUTES |= {*("processing_level", "product_version", "date_created", "comment", "acknowledgement", "institution")}
ATTRIBUTES |= {"processor"}
ATTRIBUTES |= {f"{role}_{key}" for role in ("creator", "publisher") for key in CREATOR_KEYS}
ATTRIBUTE_LETTERS = 50_000
SHOWN_LETTERS = 60  # of a value in a message


class Fault(NamedTuple):
    """What is wrong with an entry.

    Attributes
    ----------
    variable
        Variable, attribute, or ``file``.
    found, wanted
        In words.
    """

    variable: str
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.variable}: found {self.found}; wanted {self.wanted}"


def read_entry(path: str | Path) -> xr.Dataset:
    """Read an entry from outside, whatever it contains.

    Raises
    ------
    ValueError
        When it is not a file, is larger than ``MAX_BYTES``, or cannot be read within ``MAX_MEMORY``: names the file and
        the reason.
    """
    path = Path(path)
    printed = printable(path)
    if path.is_symlink() or not path.is_file():
        raise ValueError(f"{printed}: file: found {_kind_of_path(path)}; wanted a NetCDF file")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{printed}: file: found {size} bytes; wanted at most {MAX_BYTES}")
    try:
        check_structure(path, MAX_MEMORY)
        return files.load_foreign(path)
    except (OSError, ValueError) as error:
        reason = printable(error.__cause__ or error)[:500]
        raise ValueError(
            f"{printed}: file: found something that cannot be read as NetCDF ({reason}); "
            "wanted a file that `snakemake leaderboard_entries` wrote, unchanged"
        ) from error


def _kind_of_path(path: Path) -> str:
    if path.is_symlink():
        return "a link"
    return "no regular file" if path.exists() else "nothing"


def entry_faults(entry: xr.Dataset, name: str, published: PublishedEvidence) -> list[Fault]:
    """Find what is wrong with an entry by itself.

    Parameters
    ----------
    entry
        Result of ``read_entry``.
    name
        Name of its file.
    published
        Result of ``metamers.leaderboard.entry.read_published``.

    Returns
    -------
    list of Fault
        Empty for a valid entry. Values are checked only in an entry with the right variables, and recomputed only from
        valid values.
    """
    if faults := [*_schema_faults(entry), *_attribute_faults(entry)]:
        return faults
    faults = [fault for variable, about in VARIABLES.items() for fault in _value_faults(variable, about, entry)]
    faults = faults or [*_meaning_faults(entry, published)]
    faults = faults or [*_recomputed_faults(entry, published)]
    return [*faults, *_hash_faults(entry, name)]


def _schema_faults(entry: xr.Dataset) -> Iterator[Fault]:
    """Yield faults of variables, dimensions, types and units."""
    present = set(map(str, entry.variables))
    for name in sorted(present - VARIABLES.keys()):
        yield Fault(_quoted(name)[1:-1], "an unknown variable", f"only {', '.join(VARIABLES)}")
    for name, about in VARIABLES.items():
        if name not in present:
            yield Fault(name, "no such variable", f"{about.kind} ({', '.join(about.dims)})")
            continue
        variable = entry[name].variable
        if variable.dims != about.dims:
            yield Fault(name, f"dimensions ({', '.join(map(str, variable.dims))})", f"({', '.join(about.dims)})")
        texts = variable.dtype.kind != "O" or all(isinstance(value, str) for value in variable.values.ravel())
        if variable.dtype.kind not in KINDS[about.kind] or not texts:
            yield Fault(name, f"type {variable.dtype}", about.kind)
        units = ENTRY.described[name][1]
        if not _is_text(stated := variable.attrs.get("units", ""), units):
            yield Fault(name, f"units {_quoted(stated)}", repr(units))
    for dimension, most in MAX_LENGTHS.items():
        if not 0 < entry.sizes.get(dimension, 1) <= most:
            yield Fault(dimension, f"length {entry.sizes[dimension]}", f"1 to {most}")


def _attribute_faults(entry: xr.Dataset) -> Iterator[Fault]:
    """Yield faults of attributes, which ``content_sha256`` does not cover: only those that a run writes are allowed."""
    own = {name: variable.attrs for name, variable in entry.variables.items()}
    for owner, attributes, known in [
        ("", entry.attrs, ATTRIBUTES),
        *((f"{n}.", a, files.DESCRIBED) for n, a in own.items()),
    ]:
        for name, value in attributes.items():
            label = f"{owner}{_quoted(name)[1:-1]}"
            if name not in known:
                yield Fault(label, "an unknown attribute", f"only {', '.join(sorted(known))}")
            elif isinstance(value, str):
                if len(value) > ATTRIBUTE_LETTERS or unwanted_character(value) is not None:
                    expected = f"at most {ATTRIBUTE_LETTERS} letters, without <, > and control characters"
                    yield Fault(label, _quoted(value), expected)
            elif name not in ("seed", "flag_values", "units", "content_sha256"):
                yield Fault(label, _quoted(value), "a text")
            elif np.size(value) > 2:
                yield Fault(label, f"{np.size(value)} values", "one, or two")


def _is_text(value: Any, expected: str) -> bool:
    """Whether an attribute is a text, and this one; an attribute of a foreign file may be an array."""
    return isinstance(value, str) and value == expected


def _value_faults(name: str, about: EntryVariable, entry: xr.Dataset) -> Iterator[Fault]:
    """Yield the first value of a variable that is out of its range, or the first bad text."""
    values = entry[name].values.ravel()
    if about.kind == "text":
        yield from _text_faults(name, map(str, values), about)
    elif about.kind != "boolean":
        missing = np.isnan(values) if about.kind == "number" else np.zeros(len(values), bool)
        if missing.any() and not about.missing:
            yield Fault(name, f"a missing value{_place(entry, name, missing)}", "a number")
        outside = ~missing & ~((values >= about.low) & (values <= about.high))
        if outside.any():
            expected = f"{about.low:g} to {about.high:g}"
            yield Fault(name, f"{values[outside][0]:g}{_place(entry, name, outside)}", expected)


def _text_faults(name: str, values: Iterable[str], about: EntryVariable) -> Iterator[Fault]:
    for value in values:
        if not value.strip() and not about.missing:
            yield Fault(name, "an empty text", "a text")
            return
        if len(value) > about.high:
            yield Fault(name, f"{len(value)} letters: {_quoted(value)}", f"at most {about.high:g}")
            return
        if (bad := unwanted_character(value)) is not None:
            expected = "text without <, >, control characters and invisible characters"
            yield Fault(name, f"the character {bad!a} in {_quoted(value)}", expected)
            return
        if name not in ITEM_VARIABLES and (reason := misleading_form(value)):
            yield Fault(name, f"{reason} in {_quoted(value)}", "text that does not look like another")
            return


def _meaning_faults(entry: xr.Dataset, published: PublishedEvidence) -> Iterator[Fault]:
    """Yield faults of values that do not fit each other."""
    text = {name: entry[name].item() for name, about in VARIABLES.items() if about.kind == "text" and not about.dims}
    for name, valid in (("entry_modality", [*MODALITIES]), ("basis", [OWN_PARTICIPANTS, PREDICTION])):
        if text[name] not in valid:
            yield Fault(name, _quoted(text[name]), " or ".join(valid))
            return
    known = [model for modality, model, _ in published.scaled if modality == text["entry_modality"]]
    if text["published_as"] and text["published_as"] not in known:
        yield Fault(
            "published_as", _quoted(text["published_as"]), "a published model of the modality, or an empty text"
        )
    yield from _name_faults(text, known)
    yield from _creator_faults(text)
    yield from _asked_faults(entry)
    yield from _item_faults(entry)
    yield from _stage_faults(entry)
    for value, low, high in INTERVALS:
        yield from _interval_faults(entry, value, low, high)
    alone = entry["other_models"].notnull().values & entry["other_models_standard_error"].isnull().values
    if alone.any():
        problem = f"a missing value{_place(entry, 'other_models', alone)}"
        yield Fault("other_models_standard_error", problem, "a number where other_models has one")
    if not entry["natural_correct"].item() > entry["guessing"].item():
        yield Fault("natural_correct", f"{entry['natural_correct'].item():g}", "more than guessing")


def _name_faults(text: Mapping[str, str], known: Iterable[str]) -> Iterator[Fault]:
    """Yield a fault of a model's name that no registry has, or that could be taken for that of a published model.

    Names that differ only in upper case, as ``resnet50`` and ``ResNet50`` do, are allowed for a version of this model.
    """
    name = text["generation_model"]
    if not FILE_NAME.fullmatch(name):
        yield Fault("generation_model", _quoted(name), FILE_NAME_RULE)
    for published in known:
        same, other = name == published, text["published_as"] != published
        if same or (other and name.casefold() == published.casefold()):
            expected = f"another name than that of the published model {published}"
            yield Fault("generation_model", _quoted(name), expected)


def _creator_faults(text: Mapping[str, str]) -> Iterator[Fault]:
    if not (text["creator_email"] or text["creator_url"]):
        yield Fault("creator_email", "neither an email nor a url", "one of them, for questions about the entry")
    if text["creator_email"] and not is_email(text["creator_email"]):
        yield Fault("creator_email", _quoted(text["creator_email"]), "NAME@HOST")
    if text["creator_url"] and not is_address(text["creator_url"]):
        yield Fault(
            "creator_url",
            _quoted(text["creator_url"]),
            "an address that begins with https:// or http://, with a host in ASCII, without a user",
        )


def items_of(entry: xr.Dataset) -> dict[tuple[str, str], str]:
    """Return (kind, name) → fingerprint of what an entry was computed from."""
    columns = (entry[name].values.tolist() for name in ("item_kind", "item_name", "fingerprint"))
    return {(kind, name): value for kind, name, value in zip(*columns, strict=True)}


def asked_of(entry: xr.Dataset) -> dict[str, int]:
    """Return the number of recognition models of each family that an entry states.

    Raises
    ------
    ValueError
        When the text is not such an object in JSON.
    """
    asked = json.loads(entry["asked_families"].item())
    valid = isinstance(asked, dict) and all(type(number) is int and 0 < number <= 1000 for number in asked.values())
    if not valid:
        raise ValueError("no object of numbers")
    return asked


def _asked_faults(entry: xr.Dataset) -> Iterator[Fault]:
    """Yield a fault where the numbers of recognition models by family are not JSON as a run writes it."""
    try:
        asked_of(entry)
    except (ValueError, RecursionError):
        expected = 'an object in JSON with the number of recognition models of each family, such as {"resnet": 2}'
        yield Fault("asked_families", _quoted(entry["asked_families"].item()), expected)


def _item_faults(entry: xr.Dataset) -> Iterator[Fault]:
    """Yield faults of the fingerprints, and of the registry's entry, whose fingerprint is among them."""
    items = items_of(entry)
    if len(items) < entry.sizes["item"]:
        yield Fault("item_name", "an item with two fingerprints", "each item once")
    needed = (*NEEDED_KINDS, *(["own_participants"] if has_own_participants(entry) else []))
    if absent := [kind for kind in needed if kind not in {kind for kind, _ in items}]:
        yield Fault("item_kind", f"no item of kind {', '.join(absent)}", f"items of the kinds {', '.join(needed)}")
    if bad := next((item for item in items if not _is_item_name(*item)), None):
        expected = f"names of the registry, in paths of the run's files, too: {FILE_NAME_RULE}"
        yield Fault("item_name", f"{_quoted(bad[1])} of {_quoted(bad[0])}", expected)
    for (kind, name), value in items.items():
        if kind in (*FILE_KINDS, "model", "dataset") and not SHA256.fullmatch(value):
            yield Fault(
                "fingerprint", f"{_quoted(value)} of {kind} {_quoted(name)}", "a SHA-256, 64 hexadecimal digits"
            )
            return
    registry, model = entry["registry_entry"].item(), entry["generation_model"].item()
    yield from _registry_faults(registry)
    own = hashlib.sha256(registry.encode()).hexdigest()
    if items.get(("model", model)) != own:
        problem = (
            f"SHA-256 {own}, but the fingerprint of model {_quoted(model)} is {_quoted(items.get(('model', model)))}"
        )
        yield Fault("registry_entry", problem, "the entry with this fingerprint")


def _is_item_name(kind: str, name: str) -> bool:
    """Return whether a run could give an item this name; names of files outside the run may have other letters."""
    if kind in FILE_KINDS:
        parts = name.split("/")
        return ".." not in parts and (parts[0] != "results" or all(map(FILE_NAME.fullmatch, parts)))
    return bool(FILE_NAME.fullmatch(kind) and (kind not in ("model", "dataset") or FILE_NAME.fullmatch(name)))


def _registry_faults(registry: str) -> Iterator[Fault]:
    """Yield a fault where the registry's entry is not JSON as a run writes it, or has texts that a page cannot show."""
    try:
        content = json.loads(registry)
        written = json.dumps(content, sort_keys=True)
    except (ValueError, RecursionError):
        content = written = None
    if not isinstance(content, dict):
        yield Fault("registry_entry", _quoted(registry), "the model's entry in the registry, as a JSON object")
        return
    level: list[Any] = [content]
    for _ in range(MAX_DEPTH):
        texts = [one for one in level if isinstance(one, str)] + [
            key for one in level if isinstance(one, dict) for key in one
        ]
        if bad := next((sign for text in texts if (sign := unwanted_character(text)) is not None), None):
            expected = "text without <, >, control characters and invisible characters"
            yield Fault("registry_entry", f"the character {bad!a} in a text", expected)
            return
        level = [value for one in level if isinstance(one, dict | list) for value in _values_of(one)]
    if level:
        yield Fault("registry_entry", f"more than {MAX_DEPTH} levels", f"at most {MAX_DEPTH}")
    elif written != registry:
        yield Fault("registry_entry", _quoted(registry), "JSON with sorted keys, as a run writes it")


def _values_of(one: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return one.values() if isinstance(one, dict) else one


def _stage_faults(entry: xr.Dataset) -> Iterator[Fault]:
    """Yield faults of stages, their depths, and which of them have values."""
    stages, depth = entry["stage"].values.tolist(), entry["stage_depth"].values
    if bad := next((stage for stage in stages if not FILE_NAME.fullmatch(stage_path(stage))), None):
        yield Fault("stage", _quoted(bad), f"{FILE_NAME_RULE}; also '/' and spaces after it")
    if len(set(stages)) < len(stages) or {NATURAL, INPUT_STAGE} & set(stages):
        yield Fault("stage", _quoted(", ".join(stages)), f"stages after the input, each once, without {NATURAL}")
    if (falling := np.append(False, np.diff(depth) < 0)).any():
        yield Fault("stage_depth", f"a decrease{_place(entry, 'stage_depth', falling)}", "depths that do not decrease")
    known, listed = entry["recognizability"].notnull().values, entry["listed"].values
    if (known & ~listed).any():
        problem = f"a value of a stage that is not listed{_place(entry, 'stage', known & ~listed)}"
        yield Fault("recognizability", problem, "values of listed stages only")
    if known.sum() < 2:
        yield Fault("recognizability", f"{known.sum()} stages with a value", "two or more, for an area")
    participants, own = entry["participants"].values, has_own_participants(entry)
    if own and (few := known & (participants < 2)).any():
        problem = f"{participants[few][0]}{_place(entry, 'stage', few)}"
        yield Fault("participants", problem, "two or more for each measured stage")
    asked = participants if not own else np.where(known, 0, participants)
    if (more := (asked > 0) | (entry["participants_tested"].values > participants)).any():
        problem = f"{participants[more][0]}, of whom {entry['participants_tested'].values[more][0]} are tested"
        expected = "participants of measured stages only, of whom as many or fewer are tested"
        yield Fault("participants", f"{problem}{_place(entry, 'stage', more)}", expected)


def _interval_faults(entry: xr.Dataset, *names: str) -> Iterator[Fault]:
    """Yield a fault where an interval does not contain its value, or only one of the two is missing."""
    value, low, high = (np.atleast_1d(entry[name].values) for name in names)
    known = np.isfinite([value, low, high])
    partly = known.any(axis=0) & ~known.all(axis=0)
    if partly.any():
        yield Fault(names[0], f"a part of value and interval{_place(entry, names[0], partly)}", "all three or none")
    wrong = known.all(axis=0) & ~((low <= value + TOLERANCE) & (value <= high + TOLERANCE))
    if wrong.any():
        problem = f"{value[wrong][0]:g} with the interval {low[wrong][0]:g} to {high[wrong][0]:g}"
        yield Fault(names[0], f"{problem}{_place(entry, names[0], wrong)}", "an interval that contains the value")


def _recomputed_faults(entry: xr.Dataset, published: PublishedEvidence) -> Iterator[Fault]:
    """Yield faults of values that follow from others: prediction, area, missing depth, test, and verdicts."""
    modality = entry["entry_modality"].item()
    chance = 1 / entry["categories"].item()
    if has_own_participants(entry):
        yield from _value_differs(entry, "guessing", chance, "one over categories")
        yield from _test_faults(entry, published)
        yield from _natural_faults(entry, published)
    else:
        yield from _value_differs(entry, "guessing", GUESSING[modality], "guessing in the published experiments")
        why = "that of the published participants"
        yield from _value_differs(entry, "natural_correct", published.natural[modality], why)
        others, relation = Interval(*(entry[name].values for name in OTHERS)), published.relations[modality]
        sampling = sampling_of(relation, asked_of(entry), entry["generation_family"].item())
        expected = np.full((entry.sizes["stage"], 3), np.nan)
        if sampling is not None:
            expected = predict_human(others, relation, chance, sampling)
        for name, column in zip(RECOGNIZABILITY, expected.T, strict=True):
            yield from _value_differs(entry, name, column, "predicted from other_models", FITTED_TOLERANCE)
        for name in (*TESTED, "passes_depth"):
            yield from _value_differs(entry, name, np.full(entry[name].shape, np.nan), "missing for a prediction")
        yield from _text_differs(entry, {"passes_up_to": "", "fails_from": ""}, "empty for a prediction")
    curve, area = normalized_entry(entry, published)
    if curve.rule is None:
        yield Fault("stage_depth", "a curve without an area", "two stages with values, and the depth of every stage")
        return
    for end, value in area.items():
        yield from _value_differs(entry, AREA[end], value, "computed from the curve")
    yield from _value_differs(entry, "missing_depth", curve.rule.missing, "computed from the curve")


def _test_faults(entry: xr.Dataset, published: PublishedEvidence) -> Iterator[Fault]:
    """Yield faults of the test of own participants against natural stimuli."""
    modality, tested = entry["entry_modality"].item(), entry["participants_tested"].values
    row = published.variance.set_index("modality").loc[modality]
    margin = margin_of(float(row["variance"]), float(row["standard_error"]))
    difference, error = entry["natural_difference"].values, entry["standard_error"].values
    tests = equivalence(difference, error, tested, *margin)
    why = "computed from natural_difference, standard_error and participants_tested"
    for name, expected in {
        "natural_difference_low": tests.low,
        "natural_difference_high": tests.high,
        "p_equivalence": tests.p_equivalence,
        "p_worse": tests.p_worse,
    }.items():
        yield from _value_differs(entry, name, expected, why)
    judged = entry["participants"].values > 0
    stages = entry["stage"].values[judged].tolist()
    decided = decide(type(tests)(*(values[judged] for values in tests)), stages)
    passes, up_to = decided["passes"]
    yield from _text_differs(entry, {"passes_up_to": up_to, "fails_from": decided["fails"][1]}, "decided by p")
    depth = entry["stage_depth"].values[judged]
    expected = np.nan if np.isnan(tests.p_equivalence[judged]).all() else depth[passes].max(initial=0)
    yield from _value_differs(entry, "passes_depth", expected, "depth of passes_up_to")


def _natural_faults(entry: xr.Dataset, published: PublishedEvidence) -> Iterator[Fault]:
    """Yield faults of recognizability, differences and ``natural_correct``, which have the same participants.

    ``natural_correct`` is the mean of all participants if each met natural stimuli, so that at every stage all
    participants are tested, and otherwise that of the published participants
    (``metamers.leaderboard.own_models.own_participants_entries``). A difference is the mean over those who are tested.
    """
    known = entry["recognizability"].notnull().values
    difference, participants, tested = (
        entry[name].values for name in ("natural_difference", "participants", "participants_tested")
    )
    for name, least in (("natural_difference", 1), ("standard_error", 2)):
        wrong = (tested >= least) != np.isfinite(entry[name].values)
        if wrong.any():
            problem = f"{entry[name].values[wrong][0]:.6g}{_place(entry, name, wrong)}"
            yield Fault(name, problem, f"a number where {least} or more participants are tested, and nowhere else")
            return
    recognized, n, number = entry["recognizability"].values[known], participants[known], tested[known]
    if (number < n).any():
        expected = published.natural[entry["entry_modality"].item()]
        why = "that of the published participants, because not all participants met natural stimuli"
        yield from _value_differs(entry, "natural_correct", expected, why)
    # Means over those who are tested, of metamers and of natural stimuli, are proportions too.
    with np.errstate(invalid="ignore", divide="ignore"):
        low = np.maximum((n * recognized - (n - number)) / number, 0) - difference[known]
        high = np.minimum(n * recognized / number, 1) - difference[known]
    outside = np.zeros(len(known), bool)
    outside[known] = (low > 1 + TOLERANCE) | (high < -TOLERANCE)
    if outside.any():
        problem = f"{difference[outside][0]:.6g}{_place(entry, 'natural_difference', outside)}"
        yield Fault("natural_difference", problem, "recognizability minus a proportion between 0 and 1")
    elif (number == n).all():
        yield from _pooled_faults(entry, recognized - difference[known], n)


def _pooled_faults(entry: xr.Dataset, natural: np.ndarray, n: np.ndarray) -> Iterator[Fault]:
    """Yield a fault where ``natural_correct`` is not the mean of the participants whom the stages have.

    Parameters
    ----------
    entry
        A measured entry, all of whose participants are tested.
    natural
        Mean proportion correct for natural stimuli of the participants of each stage with a value.
    n
        Numbers of these participants.
    """
    stated, groups = entry["natural_correct"].item(), entry["item_kind"].values.tolist().count("own_participants")
    if groups == 1:  # every participant met every stage
        low = high = natural
    else:  # other groups, which did not judge the stage, have any proportion
        most = groups * n.max()
        low, high = natural * n / most, 1 - (1 - natural) * n / most
    if (wrong := (stated < low - TOLERANCE) | (stated > high + TOLERANCE)).any():
        ends = f"{low[wrong][0]:.6g}" if groups == 1 else f"{low[wrong][0]:.6g} to {high[wrong][0]:.6g}"
        yield Fault("natural_correct", f"{stated:.6g}", f"{ends}, recognizability minus natural_difference")


def _value_differs(
    entry: xr.Dataset, name: str, expected: Any, why: str, tolerance: float = TOLERANCE
) -> Iterator[Fault]:
    values, expected = np.atleast_1d(entry[name].values), np.atleast_1d(expected)
    apart = ~np.isclose(values, expected, rtol=0, atol=tolerance, equal_nan=True)
    if apart.any():
        yield Fault(name, f"{values[apart][0]:.6g}{_place(entry, name, apart)}", f"{expected[apart][0]:.6g}, {why}")


def _text_differs(entry: xr.Dataset, expected: Mapping[str, str], why: str) -> Iterator[Fault]:
    for name, text in expected.items():
        if (stated := entry[name].item()) != text:
            yield Fault(name, _quoted(stated), f"{text!r}, {why}")


def _hash_faults(entry: xr.Dataset, name: str) -> Iterator[Fault]:
    """Yield faults of the content's hash, which the file states in an attribute and in its name."""
    computed, own = files.content_sha256(entry), entry.attrs.get("content_sha256")
    if not _is_text(own, computed):
        yield Fault("content_sha256", _quoted(own), f"{computed}, computed from the variables: the entry was edited")
    if (expected := file_name(entry)) != name:
        yield Fault("file", f"the name {_quoted(name)}", f"{expected}, which follows from the content")


def _place(entry: xr.Dataset, name: str, chosen: np.ndarray) -> str:
    """Where the first chosen value of a variable is, in words."""
    if entry[name].dims != ("stage",):
        return ""
    return f" at stage {_quoted(entry['stage'].values[np.flatnonzero(chosen)[0]])}"


def _quoted(value: Any) -> str:
    """A value from outside for a message: on one line, in ASCII, and not too long."""
    text = ascii(str(value))
    return text if len(text) <= SHOWN_LETTERS else f"{text[:SHOWN_LETTERS]}…"


def duplicate_faults(entry: xr.Dataset, others: Mapping[str, xr.Dataset]) -> list[Fault]:
    """Find other entries that say the same: of one or more of the same metamers, on the same basis.

    Parameters
    ----------
    entry
        A valid entry.
    others
        Name of a file → another entry of the leaderboard.
    """

    def metamers_of(one: xr.Dataset) -> set[str]:
        return {value for (kind, _), value in items_of(one).items() if kind == "metamers"}

    own, basis = metamers_of(entry), entry["basis"].item()
    return [
        Fault("fingerprint", f"metamers of {name}, on the same basis", "metamers or a basis that no other entry has")
        for name, other in others.items()
        if other["basis"].item() == basis and metamers_of(other) & own
    ]


def without_duplicates(entries: Mapping[str, xr.Dataset]) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Leave out each entry that says the same as an earlier one, in the order of the names of the files.

    Two pull requests with the same metamers can both pass the check, which sees only what was merged before.

    Parameters
    ----------
    entries
        Result of ``read_entries``.

    Returns
    -------
    kept
        Name of the file → entry.
    left_out
        One line for each other file.
    """
    kept: dict[str, xr.Dataset] = {}
    left_out = []
    for name in sorted(entries):
        if faults := duplicate_faults(entries[name], kept):
            left_out.append(f"{printable(name)}: {faults[0]}")
        else:
            kept[name] = entries[name]
    return kept, left_out


def read_entries(folder: str | Path, published: PublishedEvidence, without: str | None = None) -> dict[str, xr.Dataset]:
    """Read all entries of a leaderboard.

    Parameters
    ----------
    folder
        Their folder.
    published
        As for ``entry_faults``.
    without
        Name of a file that is passed over.

    Returns
    -------
    dict
        Name of the file → entry; two may say the same (``without_duplicates``).

    Raises
    ------
    ValueError
        When the folder is missing, or an entry is not valid: names every fault.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: found {_kind_of_path(folder)}; wanted the folder of the entries")
    entries, faults = {}, []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if path.name == without:
            continue
        try:
            entry = read_entry(path)
        except ValueError as error:
            faults.append(str(error))
            continue
        own = entry_faults(entry, path.name, published)
        faults += [f"{printable(path)}: {fault}" for fault in own]
        if not own:
            entries[path.name] = entry
    if faults:
        raise ValueError("\n".join(faults))
    return entries


def check_entry(
    path: str | Path, among: str | Path | None, published: PublishedEvidence
) -> tuple[xr.Dataset | None, list[str]]:
    """Check one file.

    Parameters
    ----------
    path
        The file.
    among
        Folder of the leaderboard's entries, in which the file may be; None: duplicates are not looked for.
    published
        As for ``entry_faults``.

    Returns
    -------
    entry
        The entry, or None if it cannot be read.
    faults
        One line for each fault, with the file's name; empty for a valid entry.
    """
    path = Path(path)
    try:
        entry = read_entry(path)
        faults = entry_faults(entry, path.name, published)
        if among is not None and not faults:
            faults = duplicate_faults(entry, read_entries(among, published, without=path.name))
    except ValueError as error:
        return None, str(error).splitlines()
    return entry, [f"{printable(path)}: {fault}" for fault in faults]


def added_entry(base: str, folder: str | Path) -> Path:
    """Find the entry that the commits of a Git repository since an earlier one add, and nothing else.

    Parameters
    ----------
    base
        A commit, such as that of the branch that a pull request is made to.
    folder
        Folder of the entries, in the repository.

    Raises
    ------
    ValueError
        When Git cannot compare the two, or the changes are not one new file in the folder: names the changes.
    """
    folder = Path(folder).resolve()

    def git(*arguments: str) -> str:
        ran = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
        if ran.returncode:
            said = ran.stderr.decode(errors="replace").strip()
            raise ValueError(
                f"{base}: Git cannot compare it with HEAD ({said or 'no such commit'}); wanted a commit of {folder}"
            )
        return ran.stdout.decode(errors="surrogateescape")

    if not folder.is_dir():
        raise ValueError(f"{folder}: found {_kind_of_path(folder)}; wanted the folder of the entries")
    git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    top = Path(git("rev-parse", "--show-toplevel").rstrip("\n")).resolve()
    said = git("diff", "--name-status", "--no-renames", "-z", "--end-of-options", f"{base}...HEAD", "--", str(top))
    parts = said.split("\0")[:-1]
    changes = list(zip(parts[::2], parts[1::2], strict=True))
    place = folder.relative_to(top)
    if len(changes) == 1 and changes[0][0] == "A":
        added = Path(changes[0][1])
        if added.parent == place and ENTRY_FILE_NAME.fullmatch(added.name):
            return top / added
    listed = ", ".join(f"{status} {_quoted(path)}" for status, path in changes[:10]) or "no changes"
    raise ValueError(
        f"the changes since {base}: found {len(changes)} ({listed}); wanted one new file {place}/NAME{SUFFIX} with "
        "the name that the run gave it, and no other change"
    )


def run_faults(entry: xr.Dataset, run: str | Path, published: PublishedEvidence) -> tuple[list[Fault], list[str]]:
    """Compare an entry with the files of the run that it comes from.

    Parameters
    ----------
    entry
        A valid entry.
    run
        The run's folder, which may have been moved, and may come from outside.
    published
        As for ``entry_faults``.

    Returns
    -------
    faults
        Files of the run that are missing, cannot be read or have another fingerprint, and values that differ from those
        in ``comparison/`` or from those that follow from the answers of own participants.
    unchecked
        Files outside the run's folder that are not on this machine.
    """
    run, faults, unchecked, answer_files = Path(run), [], [], []
    items = items_of(entry)
    own = f"results/{items.get(('setting', 'run'), '').strip(chr(34))}/"  # the setting is JSON
    for (kind, name), expected in items.items():
        if kind not in FILE_KINDS:
            continue
        inside = name.startswith(own)
        places = [(run, name.removeprefix(own))] if inside else [(Path.cwd(), name), (ROOT, name)]
        path = next((path for folder, part in places if (path := _path_within(folder, part))), None)
        if path is None and inside:
            faults.append(Fault("fingerprint", f"no file {_quoted(name.removeprefix(own))} in {run}", kind))
            continue
        if path is None:
            unchecked.append(name)
            continue
        try:
            if path.suffix == ".nc":
                files.check_foreign(path)
            sha256 = fingerprint(path)
        except (OSError, ValueError) as error:
            faults.append(
                Fault("fingerprint", f"{_quoted(name)} cannot be read ({_quoted(error)})", f"{kind}, readable")
            )
            continue
        if sha256 != expected:
            faults.append(Fault("fingerprint", _quoted(expected), f"{sha256}, that of {printable(path)}"))
        elif kind == "own_participants":
            answer_files.append(path)
    try:
        faults += _run_value_faults(entry, run, answer_files, published)
    except (OSError, ValueError, KeyError, IndexError) as error:  # files of a run that may come from outside
        faults.append(Fault("file", f"results in {run} that cannot be compared ({_quoted(error)})", "those of a run"))
    return faults, unchecked


def _path_within(folder: Path, name: str) -> Path | None:
    """Find a file or folder by a name from outside; None if it is missing, or not within ``folder``."""
    if not name or os.path.isabs(name) or ".." in Path(name).parts or not Path(name).parts:
        return None
    try:
        path = (folder / name).resolve()
        within = path.is_relative_to(folder.resolve()) and (path.is_file() or path.is_dir())
    except (OSError, ValueError):  # a name that is too long, or with a null character
        return None
    return path if within else None


def _run_value_faults(
    entry: xr.Dataset, run: Path, answer_files: Sequence[Path], published: PublishedEvidence
) -> Iterator[Fault]:
    """Yield values of an entry that differ from the run's own results, or from those of its answers."""
    board = entries_of(files.load_foreign(run / "comparison/leaderboard.nc"))
    model, stages = entry["generation_model"].item(), entry["stage"].values
    rows = board[(board["generation_model"] == model) & (board["basis"] == entry["basis"].item())]
    if len(rows) != 1:
        yield Fault("generation_model", _quoted(model), f"a model of {run}/comparison/leaderboard.nc")
        return
    for name in (*AREA.values(), "missing_depth", "natural_correct", "guessing"):
        yield from _value_differs(entry, name, rows[name].iloc[0], f"the value in {run}/comparison/leaderboard.nc")
    of_model = files.load_foreign(run / "comparison/recognizability.nc").sel(generation_model=model)
    others = of_model.reindex(stage=stages)
    of_run = {"generation_family": str(others["generation_family"].item())}
    of_run["asked_families"] = json.dumps(asked_families(of_model), sort_keys=True)
    yield from _text_differs(entry, of_run, f"the value in {run}/comparison/recognizability.nc")
    for name in OTHERS:
        yield from _value_differs(entry, name, others[name].values, f"the value in {run}/comparison/recognizability.nc")
    if has_own_participants(entry):
        yield from _answer_faults(entry, [files.load_foreign(path) for path in answer_files], published)
        return
    predicted = files.load_foreign(run / "comparison/predicted_human.nc").sel(generation_model=model)
    predicted = predicted.reindex(stage=stages)
    for name, of in zip(RECOGNIZABILITY, ("predicted", "low", "high"), strict=True):
        yield from _value_differs(
            entry, name, predicted[of].values, f"the value in {run}/comparison/predicted_human.nc"
        )


def _answer_faults(
    entry: xr.Dataset, participants: Sequence[xr.Dataset], published: PublishedEvidence
) -> Iterator[Fault]:
    """Yield values of a measured entry that differ from those that follow from the participants' answers."""
    model, about = entry["generation_model"].item(), entry_model(entry)
    judged = own_participants_curves({about["modality"]: participants}, {model: about})
    if model not in judged:
        yield Fault("basis", _quoted(entry["basis"].item()), "answers to two stages or more, in files of the run")
        return
    curve, asked = judged[model]
    tested = equivalence_of_stages(asked, model, about, published.variance)
    columns, verdict = judged_columns(model, about["stages"], measured_values(curve), tested)
    why = "computed from the answers of own participants"
    for name, expected in columns.items():
        yield from _value_differs(entry, name, expected, why)
    yield from _value_differs(entry, "passes_depth", verdict.pop("passes_depth"), why)
    yield from _text_differs(entry, verdict, why)
