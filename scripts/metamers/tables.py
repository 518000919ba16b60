"""Tables of datasets: which stimuli there are, and which of a model's classes belong to each category."""

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from metamers.names import FILE_NAME, ConfigurationError, unknown_name
from metamers.speech import speech_table

SPLITS = ("train", "validation", "test")


def read_table(path: str | Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """Read a table (``.tsv``, else comma-separated) whose header has at least ``columns``.

    Raises
    ------
    ConfigurationError
        When the file is missing, has no rows, lacks a column, or a row lacks a value in one of ``columns``.
    """
    path = Path(path)
    columns = list(columns)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ",")
            rows = list(reader)
            header = reader.fieldnames or []
    except OSError as error:
        raise ConfigurationError(
            f"{path}: there is no such table that can be read ({error.strerror}); wanted columns {', '.join(columns)}"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path}: not a table in UTF-8: {error}") from error
    if missing := [column for column in columns if column not in header]:
        raise ConfigurationError(f"{path}: no column {', '.join(missing)}; found {', '.join(header) or 'no header'}")
    if not rows:
        raise ConfigurationError(f"{path}: the table has a header but no rows")
    for number, row in enumerate(rows, start=2):
        for column in columns:
            if not (row[column] or "").strip():
                raise ConfigurationError(f"{path}: line {number}: no {column}")
    return rows


def stimulus_table(dataset: str, entry: Mapping[str, Any]) -> list[dict[str, str]]:
    """The stimuli of a dataset in its table's order.

    Each is ``stimulus`` (its name), ``file``, ``category``, ``label``, ``speaker`` and ``split``. A stimulus is named
    after its file, without folder and ending. The label is the table's, else the category; in a table of sounds the
    category is the ``word``. Without a column ``split`` all are of the split ``test``, of which metamers are made.
    Of a dataset of synthetic speech, ``file`` is empty.

    Raises
    ------
    ConfigurationError
        When the table is broken, a file leads out of its folder, two stimuli have one name, a split has another name
        than ``SPLITS``, or a category has no classes in the dataset's ``categories`` table.
    """
    key = f"datasets: {dataset}"
    if "speech" in entry:
        return speech_table(list(category_classes(dataset, entry)), entry["speech"], f"{key}.speech")
    named = "word" if entry["modality"] == "audio" else "category"
    rows = []
    for row in read_table(entry["table"], ["file", named]):
        file = Path(row["file"])
        if file.is_absolute() or ".." in file.parts:
            raise ConfigurationError(f"{key}: {entry['table']}: {row['file']!r} must lie in the dataset's folder")
        if not FILE_NAME.fullmatch(file.stem):
            raise ConfigurationError(
                f"{key}: {entry['table']}: {row['file']!r} names a stimulus, so it must be at most 100 letters, "
                "digits, '.', '_', '+' or '-', beginning with a letter or digit"
            )
        split = row.get("split", "test")
        if not (split or "").strip():
            raise ConfigurationError(f"{key}: {entry['table']}: no split of {row['file']}; wanted {', '.join(SPLITS)}")
        if split not in SPLITS:
            raise unknown_name("split", split, SPLITS, f"{key}: {entry['table']}: {row['file']}")
        rows.append(
            {
                "stimulus": file.stem,
                "file": row["file"],
                "category": row[named],
                "label": row.get("label") or row[named],
                "speaker": row.get("speaker") or "",
                "split": split,
            }
        )
    names = [row["stimulus"] for row in rows]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"{key}: {entry['table']}: several files would be stimulus {', '.join(double)}")
    known = category_classes(dataset, entry)
    for row in rows:
        if row["category"] not in known:
            raise ConfigurationError(
                f"{key}: {named} {row['category']!r} of {row['file']} has no classes in {entry['categories']}; "
                f"it has {', '.join(known)}"
            )
    return rows


def category_classes(dataset: str, entry: Mapping[str, Any]) -> dict[str, list[int]]:
    """Which class indices of a model belong to each category of a dataset, categories in the table's order.

    Raises
    ------
    ConfigurationError
        When an index is not a whole number, or one class belongs to two categories.
    """
    table = entry["categories"]
    classes: dict[str, list[int]] = {}
    owner: dict[int, str] = {}
    for row in read_table(table, ["class_index", "category"]):
        if not re.fullmatch(r"[0-9]{1,9}", row["class_index"].strip()):
            raise ConfigurationError(f"datasets: {dataset}: {table}: class_index {row['class_index']!r} is no index")
        index, category = int(row["class_index"]), row["category"]
        if owner.setdefault(index, category) != category:
            raise ConfigurationError(
                f"datasets: {dataset}: {table}: class {index} belongs to both {owner[index]!r} and {category!r}"
            )
        classes.setdefault(category, []).append(index)
    return classes
