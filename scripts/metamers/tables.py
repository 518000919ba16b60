"""Tables of datasets: which stimuli there are, and which of a model's classes belong to each category."""

import csv
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from metamers.names import FILE_NAME, ConfigurationError, unknown_name
from metamers.speech import speech_table

LARGEST = 2**27  # bytes of a table
MOST_ROWS, MOST_COLUMNS = 2**21, 1000  # the table of ImageNet's training images has 1.3 million rows
MOST_CELLS = 2**24

SPLITS = ("train", "validation", "test")


def read_table(path: str | Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """Read a table (``.tsv``, else comma-separated) whose header has at least ``columns``.

    Raises
    ------
    ConfigurationError
        When the file is missing or too large, has no rows, lacks a column, or a row lacks a value in one of
        ``columns``.
    """
    path = Path(path)
    columns = list(columns)
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise ConfigurationError(f"{path}: a table of {size} bytes, wanted at most {LARGEST}")
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ",")
            header = reader.fieldnames or []
            if len(header) > MOST_COLUMNS:
                raise ConfigurationError(f"{path}: a table of {len(header)} columns, wanted at most {MOST_COLUMNS}")
            most = min(MOST_ROWS, MOST_CELLS // max(len(header), 1))
            rows = list(islice(reader, most + 1))
            if len(rows) > most:
                raise ConfigurationError(f"{path}: a table of {len(header)} columns and more than {most} rows")
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


def drawn_images(dataset: str, entry: Mapping[str, Any]) -> list[dict[str, str]]:
    """Draw equally many of ImageNet's images of each category: ``file``, ``category`` and ``label`` (WordNet id).

    Categories come in alphabetical order. The images of all classes of one are sorted, then permuted at random, and
    the first that are not excluded are taken. The permutation depends on nothing but the seed, the category and its
    images: whoever excludes an image replaces that one only.

    The study chose its images in this way (Feather et al. 2023), but others: it went through a list in an order of its
    own with another generator, passed over greyscale images and those smaller than 224 pixels, and sorted out others
    by hand (``input_helpers.py`` in its repository). ``draw.exclude``, a text file with a file's name in each line,
    takes over such a screening.

    Raises
    ------
    ConfigurationError
        When the folder or that of a class is missing, a category has too few images, or the file of names to exclude
        cannot be read or has one that no image has.
    """
    key, folder, draw = f"datasets: {dataset}", Path(entry["files"]["folder"]), entry["draw"]
    wanted = "wanted ImageNet's images as FOLDER/<wnid>/*.JPEG"
    if not folder.is_dir():
        raise ConfigurationError(f"{key}.files.folder: there is no folder {folder}; {wanted}")
    images: dict[str, set[str]] = {}
    for row in read_table(entry["categories"], ["wnid", "category"]):
        try:
            names = [path.name for path in (folder / row["wnid"]).iterdir()]
        except OSError as error:
            raise ConfigurationError(
                f"{key}.files.folder: {folder} has no folder {row['wnid']}, a class of {row['category']!r} "
                f"({error.strerror}); {wanted}"
            ) from error
        files = {f"{row['wnid']}/{name}" for name in names if name.endswith(".JPEG") and not name.startswith(".")}
        images.setdefault(row["category"], set()).update(files)
    excluded = _excluded(draw["exclude"], images, key) if "exclude" in draw else set()
    drawn = []
    for category in sorted(images):
        order = np.random.default_rng([draw["seed"], *category.encode()]).permutation(sorted(images[category]))
        left = [str(file) for file in order if Path(file).name not in excluded]
        if len(left) < draw["per_category"]:
            raise ConfigurationError(
                f"{key}.draw.per_category: {draw['per_category']}, but category {category!r} has {len(left)} images "
                f"in {folder} that are not excluded; {wanted}"
            )
        chosen = left[: draw["per_category"]]
        drawn += [{"file": file, "category": category, "label": Path(file).parent.name} for file in chosen]
    return drawn


def _excluded(path: str, images: Mapping[str, set[str]], key: str) -> set[str]:
    """The names in a text file, one in each line, all of which are names of images."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{key}.draw.exclude: {path} cannot be read ({error}); wanted a text file, a file's name in each line"
        ) from error
    excluded = {line.strip() for line in lines if line.strip()}
    if unknown := sorted(excluded - {Path(file).name for files in images.values() for file in files}):
        raise ConfigurationError(
            f"{key}.draw.exclude: {path}: {unknown[0]!r} is the name of no image that could be drawn; wanted names of "
            "files, with ending and without folder"
        )
    return excluded


def stimulus_table(dataset: str, entry: Mapping[str, Any]) -> list[dict[str, str]]:
    """The stimuli of a dataset in its table's order.

    Each is ``stimulus`` (its name), ``file``, ``category``, ``label``, ``speaker`` and ``split``. A stimulus has the
    name in the column ``stimulus``, else that of its file, without folder and ending. Of a file in an archive the table
    may know a part of the name only: ``*`` stands for the rest. Of excerpts only the names are known before they are
    read. The label is the table's, else the category; in a table of sounds the
    category is the ``word``. Without a column ``split`` all are of the split ``test``, of which metamers are made.
    Of a dataset of synthetic speech, ``file`` is empty. In place of a table there may be a draw, as ``drawn_images``
    makes it.

    Raises
    ------
    ConfigurationError
        When the table is broken, a file leads out of its folder, two stimuli have one name, a split has another name
        than ``SPLITS``, or a category has no classes in the dataset's ``categories`` table.
    """
    key = f"datasets: {dataset}"
    if "speech" in entry:
        return speech_table(list(category_classes(dataset, entry)), entry["speech"], f"{key}.speech")
    if "excerpts" in entry:
        unknown = {"file": "", "category": "", "label": "", "speaker": "", "split": "test"}
        return [{"stimulus": f"{number:03d}"} | unknown for number in range(entry["excerpts"])]
    named = "word" if entry["modality"] == "audio" else "category"
    source = f"{key}: {entry['table']}" if "table" in entry else f"{key}.draw"
    given = read_table(entry["table"], ["file", named]) if "table" in entry else drawn_images(dataset, entry)
    rows = []
    for row in given:
        file = Path(row["file"])
        if file.is_absolute() or ".." in file.parts:
            raise ConfigurationError(f"{source}: {row['file']!r} must lie in the dataset's folder")
        name = row.get("stimulus") or file.stem
        if not FILE_NAME.fullmatch(name):
            raise ConfigurationError(
                f"{source}: {(row.get('stimulus') or row['file'])!r} names a stimulus, so it must be "
                "at most 100 letters, digits, '.', '_', '+' or '-', beginning with a letter or digit"
            )
        if "*" in row["file"] and "archive" not in entry["files"]:
            raise ConfigurationError(f"{source}: {row['file']!r}: '*' stands for a part of a name in an archive only")
        split = row.get("split", "test")
        if not (split or "").strip():
            raise ConfigurationError(f"{source}: no split of {row['file']}; wanted {', '.join(SPLITS)}")
        if split not in SPLITS:
            raise unknown_name("split", split, SPLITS, f"{source}: {row['file']}")
        rows.append(
            {
                "stimulus": name,
                "file": row["file"],
                "category": row[named],
                "label": row.get("label") or row[named],
                "speaker": row.get("speaker") or "",
                "split": split,
            }
        )
    names = [row["stimulus"] for row in rows]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"{source}: several files would be stimulus {', '.join(double)}")
    if "vocabulary" in entry and not Path(entry["categories"]).is_file():
        return rows  # checked by the step that reads the stimuli, when the categories have been retrieved
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
