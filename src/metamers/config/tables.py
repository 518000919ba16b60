"""Tables of datasets: the stimuli, and the classes of a model that belong to each category."""

import csv
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from functools import lru_cache, wraps
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, TypeVar

import numpy as np

from metamers.config.speech import speech_table
from metamers.modalities import MODALITIES
from metamers.names import FILE_NAME, FILE_NAME_RULE, NULL_CLASS, ConfigurationError, for_each, listed, unknown_name

MAX_BYTES = 2**27
MAX_ROWS, MAX_COLUMNS = 2**21, 1000  # the table of ImageNet's training images has 1.3 million rows
MAX_CELLS = 2**24

CATEGORY = "category"
SPLITS = ("train", "validation", "test")
MAX_KEPT = 32  # datasets whose tables are kept in memory

Content = TypeVar("Content")


def _reader(stream: TextIO, path: Path) -> "csv.DictReader[str]":
    return csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ",")


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
        if (size := path.stat().st_size) > MAX_BYTES:
            raise ConfigurationError(f"{path}: a table of {size} bytes, wanted at most {MAX_BYTES}")
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = _reader(stream, path)
            header = reader.fieldnames or []
            if len(header) > MAX_COLUMNS:
                raise ConfigurationError(f"{path}: a table of {len(header)} columns, wanted at most {MAX_COLUMNS}")
            most = min(MAX_ROWS, MAX_CELLS // max(len(header), 1))
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
    _check_filled(path, rows, columns)
    return rows


def _check_filled(path: Path, rows: Iterable[Mapping[str, str]], columns: Iterable[str]) -> None:
    """Check that every row of a table has a value in some columns."""
    columns = list(columns)
    empty = [
        f"{path}: line {number}: no {column}"
        for number, row in enumerate(rows, start=2)
        for column in columns
        if not (row[column] or "").strip()
    ]
    if empty:
        raise ConfigurationError(listed(empty))


def _file_versions(entry: Mapping[str, Any]) -> tuple[tuple[Any, ...], ...]:
    """The files and folders from which the stimuli and categories of a dataset are read, as they are now."""
    paths = [entry.get("table"), entry.get("categories")]
    if "draw" in entry:
        paths += [entry["draw"].get("exclude"), *Path(entry["files"]["folder"]).glob("*")]
    versions: list[tuple[Any, ...]] = []
    for path in filter(None, paths):
        try:
            state = os.stat(path)
        except OSError:
            versions.append((str(path),))
        else:
            versions.append((str(path), state.st_mtime_ns, state.st_size, state.st_dev, state.st_ino))
    return tuple(versions)


def _read_once(function: Callable[[str, Mapping[str, Any]], Content]) -> Callable[[str, Mapping[str, Any]], Content]:
    """Keep what a function reads of a dataset (its name and entry) until the entry or one of its files changes.

    Results share their rows, which must not be changed.
    """

    @lru_cache(MAX_KEPT)
    def read(dataset: str, entry: str, _versions: tuple[tuple[Any, ...], ...]) -> Content:
        return function(dataset, json.loads(entry))

    @wraps(function)
    def kept(dataset: str, entry: Mapping[str, Any]) -> Content:
        return copy(read(dataset, json.dumps(entry, default=str), _file_versions(entry)))

    return kept


def category_noun(entry: Mapping[str, Any]) -> str:
    """What a category of a dataset is called: its key ``category_noun``, or else ``word`` for words, else ``category``.

    The categories of sounds are words unless their table has a column ``category`` instead of ``word``.
    """
    if "category_noun" in entry:
        return str(entry["category_noun"])
    noun = MODALITIES[entry["modality"]].category_noun
    if "table" not in entry:
        return noun
    path = Path(entry["table"])
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return noun if noun in (_reader(stream, path).fieldnames or []) else CATEGORY


def _category_column(entry: Mapping[str, Any], rows: Sequence[Mapping[str, str]]) -> str:
    """The column of a dataset's table that holds the category.

    It is ``category``, or what the dataset calls a category, or ``word`` for sounds.

    Raises
    ------
    ConfigurationError
        When the table has no such column.
    """
    nouns = [entry.get("category_noun"), MODALITIES[entry["modality"]].category_noun, CATEGORY]
    valid = list(dict.fromkeys(noun for noun in nouns if noun))
    column_name = next((column for column in valid if column in rows[0]), None)
    if column_name is None:
        raise ConfigurationError(f"{entry['table']}: no column {' or '.join(valid)}; found {', '.join(rows[0])}")
    _check_filled(Path(entry["table"]), rows, [column_name])
    return column_name


def drawn_images(dataset: str, entry: Mapping[str, Any]) -> list[dict[str, str]]:
    """Draw the same number of ImageNet images from each category: ``file``, ``category`` and ``label`` (WordNet id).

    Categories are in alphabetical order. The images of all classes of a category are sorted and randomly permuted, and
    the first that are not excluded are taken. The permutation depends only on the seed, the category and its images, so
    excluding an image replaces only that image.

    The study drew its images in the same way (Feather et al. 2023), but obtained other images: its list had another
    order and it used another random generator, left out greyscale images and images smaller than 224 pixels, and
    excluded further images by hand (``input_helpers.py`` in its repository). ``draw.exclude``, a text file with the
    name of a file in each line, replaces this screening.

    Raises
    ------
    ConfigurationError
        When the folder or the folder of a class is missing, a category has too few images, or the file of names to
        exclude cannot be read or has the name of no image.
    """
    key, folder, draw = f"datasets: {dataset}", Path(entry["files"]["folder"]), entry["draw"]
    expected = "wanted ImageNet's images as FOLDER/<wnid>/*.JPEG"
    if not folder.is_dir():
        raise ConfigurationError(f"{key}.files.folder: there is no folder {folder}; {expected}")
    images: dict[str, set[str]] = {}
    for row in read_table(entry["categories"], ["wnid", "category"]):
        try:
            names = [path.name for path in (folder / row["wnid"]).iterdir()]
        except OSError as error:
            raise ConfigurationError(
                f"{key}.files.folder: {folder} has no folder {row['wnid']}, a class of {row['category']!r} "
                f"({error.strerror}); {expected}"
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
                f"in {folder} that are not excluded; {expected}"
            )
        chosen = left[: draw["per_category"]]
        drawn += [{"file": file, "category": category, "label": Path(file).parent.name} for file in chosen]
    return drawn


def _excluded(path: str, images: Mapping[str, set[str]], key: str) -> set[str]:
    """The names in a text file, one in each line; each must be the name of an image."""
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


def stimulus_name(stem: str) -> str:
    """The name of a stimulus from that of its file: without accents, and ``_`` for other signs that paths avoid.

    ``Brücke im Nebel`` becomes ``Brucke_im_Nebel``. A name that cannot be written with the letters a to z comes out
    empty.
    """
    letters = unicodedata.normalize("NFKD", stem.replace("ß", "ss"))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", plain).strip("_")


def pixel_table(categories: Sequence[str], pixels: Mapping[str, Any], key: str) -> list[dict[str, str]]:
    """The images of a file with an image in each line, as rows of ``stimulus_table``, without reading the file.

    The first images of each category in the file are of the split ``train``, the next ones of ``validation`` and
    ``test``. An image is named by its category and its position in the category. The categories of a split take turns,
    so that its first images are of different categories.

    Parameters
    ----------
    categories
        Names.
    pixels
        ``file``, and ``per_category``: split → number of images of each category.
    key
        Of the dataset, for messages.

    Raises
    ------
    ConfigurationError
        When the file is outside its folder, or two categories would give one name, or none, to a stimulus.
    """
    if Path(pixels["file"]).is_absolute() or ".." in Path(pixels["file"]).parts:
        raise ConfigurationError(f"{key}.pixels.file: {pixels['file']!r} must lie in the dataset's folder")
    numbers = Counter(map(stimulus_name, categories))
    if unusable := [name for name, number in numbers.items() if not FILE_NAME.fullmatch(name) or number > 1]:
        raise ConfigurationError(
            f"{key}.categories: stimuli are named by their category, but {unusable[0]!r} is the name of several "
            "categories or none; wanted different names of letters a to z and digits"
        )
    rows, first = [], 0
    for split in SPLITS:
        number = pixels["per_category"].get(split, 0)
        for place in range(first, first + number):
            for category in categories:
                row = {"stimulus": f"{stimulus_name(category)}_{place:04d}", "file": pixels["file"]}
                rows.append(row | {"category": category, "label": category, "speaker": "", "split": split})
        first += number
    return rows


def _computed_table(dataset: str, entry: Mapping[str, Any]) -> list[dict[str, str]] | None:
    """The rows of ``stimulus_table`` of a dataset whose stimuli are not files in a table; None for other datasets."""
    key = f"datasets: {dataset}"
    if "speech" in entry:
        return speech_table(stimulus_categories(dataset, entry), entry["speech"], f"{key}.speech")
    if "pixels" in entry:
        return pixel_table(list(category_classes(dataset, entry)), entry["pixels"], key)
    if "excerpts" in entry:
        unknown = {"file": "", "category": "", "label": "", "speaker": "", "split": "test"}
        return [{"stimulus": f"{number:03d}"} | unknown for number in range(entry["excerpts"])]
    return None


@_read_once
def stimulus_table(dataset: str, entry: Mapping[str, Any]) -> list[dict[str, str]]:
    """The stimuli of a dataset in its table's order.

    Each row has ``stimulus`` (the name), ``file``, ``category``, ``label``, ``speaker`` and ``split``. The name of a
    stimulus is in the column ``stimulus``; without the column, it is ``stimulus_name`` of the file's name without
    folder and ending. In an archive, the name of a file may contain ``*`` for an unknown part. Before excerpts are
    read, only their names are known. The label is the category unless the table has a column ``label``. The column of
    the category is ``category``, or has the name that the dataset's ``category_noun`` gives (by default ``word`` for
    sounds). Without a column ``split``, all stimuli are of the split ``test``, for which metamers are made. ``file`` is
    empty for synthetic speech. ``drawn_images`` replaces the table if the entry has ``draw``.

    Raises
    ------
    ConfigurationError
        When the table cannot be read, a file is outside its folder, two stimuli have the same name, a split is not in
        ``SPLITS``, or a category has no classes in the dataset's ``categories`` table.
    """
    key = f"datasets: {dataset}"
    if (without_table := _computed_table(dataset, entry)) is not None:
        return without_table
    source = f"{key}: {entry['table']}" if "table" in entry else f"{key}.draw"
    table_rows = read_table(entry["table"], ["file"]) if "table" in entry else drawn_images(dataset, entry)
    named = _category_column(entry, table_rows) if "table" in entry else CATEGORY
    rows = for_each(lambda row: _stimulus_row(row, named, source, "archive" in entry.get("files", {})), table_rows)
    numbers = Counter(row["stimulus"] for row in rows)
    if double := sorted(name for name, number in numbers.items() if number > 1):
        files = [row["file"] for row in rows if row["stimulus"] == double[0]]
        raise ConfigurationError(
            f"{source}: several files would be stimulus {', '.join(double)} (such as {' and '.join(files[:2])}); give "
            "each a name of its own in a column `stimulus` of the table"
        )
    if "vocabulary" in entry and not Path(entry["categories"]).is_file():
        return rows  # the step that reads the stimuli checks the categories, after they have been retrieved
    known = dict.fromkeys(stimulus_categories(dataset, entry))
    unknown = [
        f"{key}: {named} {row['category']!r} of {row['file']} has no classes in {entry['categories']}"
        for row in rows
        if row["category"] not in known
    ]
    if unknown:
        raise ConfigurationError(f"{listed(unknown)}; it has {', '.join(known)}")
    return rows


def _stimulus_row(row: Mapping[str, str], named: str, source: str, in_archive: bool) -> dict[str, str]:
    """A row of ``stimulus_table`` from a row of the file."""
    file = Path(row["file"])
    if file.is_absolute() or ".." in file.parts:
        raise ConfigurationError(f"{source}: {row['file']!r} must lie in the dataset's folder")
    name = row.get("stimulus") or stimulus_name(file.stem)
    if not FILE_NAME.fullmatch(name):
        advice = "" if row.get("stimulus") else "; give it such a name in a column `stimulus` of the table"
        raise ConfigurationError(
            f"{source}: {(row.get('stimulus') or row['file'])!r} names a stimulus, so it must be "
            f"{FILE_NAME_RULE}{advice}"
        )
    if "*" in row["file"] and not in_archive:
        raise ConfigurationError(f"{source}: {row['file']!r}: '*' stands for a part of a name in an archive only")
    split = row.get("split", "test")
    if not (split or "").strip():
        raise ConfigurationError(f"{source}: no split of {row['file']}; wanted {', '.join(SPLITS)}")
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS, f"{source}: {row['file']}")
    return {
        "stimulus": name,
        "file": row["file"],
        "category": row[named],
        "label": row.get("label") or row[named],
        "speaker": row.get("speaker") or "",
        "split": split,
    }


@_read_once
def category_classes(dataset: str, entry: Mapping[str, Any]) -> dict[str, list[int]]:
    """The class indices of a model that belong to each category of a dataset; categories in the table's order.

    Recognition models answer with any of these, also with ``metamers.names.NULL_CLASS``.

    Raises
    ------
    ConfigurationError
        When an index is not a whole number, or a class belongs to two categories.
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


def stimulus_categories(dataset: str, entry: Mapping[str, Any]) -> list[str]:
    """The categories that a stimulus can have and a participant can answer: all but ``metamers.names.NULL_CLASS``.

    Raises
    ------
    ConfigurationError
        As ``category_classes``.
    """
    return [category for category in category_classes(dataset, entry) if category != NULL_CLASS]
