"""The registry of datasets: its entries, and checks of the entries that a run uses."""

import difflib
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from metamers.config.archives import RETRIEVED, check_package_files
from metamers.config.read import resolve_path
from metamers.config.tables import category_classes, stimulus_table
from metamers.config.unreadable import sound_file_problem
from metamers.config.vocabularies import PUBLISHED_WORDS, check_vocabulary_exists, resolve_vocabulary
from metamers.names import MAX_PROBLEMS, ConfigurationError, listed


@dataclass(frozen=True)
class Encodings:
    """Categories that are read from the published encodings of words.

    Attributes
    ----------
    archive
        Name of the encodings in the registry of archives.
    classes
        Number of classes of the models that were trained with them.
    """

    archive: str
    classes: int


@dataclass(frozen=True, kw_only=True)
class DatasetEntry:
    """An entry of the registry of datasets, with resolved paths.

    Exactly one of ``table``, ``draw``, ``pixels``, ``excerpts`` and ``speech`` says which stimuli the dataset has.

    Attributes
    ----------
    modality
        ``vision`` or ``audio``.
    files
        Where the files are: ``package``, ``archive``, ``folder``, ``url`` or ``file``; None for synthetic speech.
    table
        Path of the table of stimuli.
    draw
        How images are drawn from a folder: ``per_category``, ``seed`` and ``exclude``.
    pixels
        A file with an image in each line: ``file``, and ``per_category``, the number of images in each split.
    excerpts
        Number of sounds in the published file of excerpts.
    speech
        Settings of synthetic speech.
    categories
        Path of the table with the classes of each category.
    vocabulary
        What the class indices of ``categories`` mean (``metamers.config.vocabularies``); by default, the table itself.
    other_vocabularies
        Vocabulary → path of a table with its classes of each category.
    category_noun
        What a category is called on pages and in the experiment; None for the default of
        ``metamers.config.tables.category_noun``.
    size
        Rows and columns of images, in pixels.
    sampling_rate_hz, duration_s
        Of sounds.
    references
        Publications to cite.
    encodings
        What the table of categories is made from; None if the user or the repository provides the table.
    """

    modality: str
    files: dict[str, str] | None = None
    table: str | None = None
    draw: dict[str, Any] | None = None
    pixels: dict[str, Any] | None = None
    excerpts: int | None = None
    speech: dict[str, Any] | None = None
    categories: str
    vocabulary: str
    other_vocabularies: dict[str, str] | None = None
    category_noun: str | None = None
    size: int | None = None
    sampling_rate_hz: int | None = None
    duration_s: float | None = None
    references: list[str] | None = None
    encodings: Encodings | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The keys on which the stimuli depend, as jobs and ``metamers.stimuli.datasets`` take them.

        Jobs have the encodings as ``vocabulary``, so that results of earlier versions stay valid.
        """
        keys = asdict(self) | {"vocabulary": self.encodings and asdict(self.encodings)}
        excluded = ("encodings", "other_vocabularies")
        return {key: value for key, value in keys.items() if value is not None and key not in excluded}

    @property
    def tables(self) -> dict[str, str]:
        """Vocabulary → path of the table with its classes of each category."""
        return {self.vocabulary: self.categories} | (self.other_vocabularies or {})

    def table_for(self, vocabulary: str | None) -> str:
        """Path of the table with the classes of a vocabulary; for another or unknown one, that of ``categories``."""
        return self.tables.get(vocabulary or "", self.categories)

    @property
    def folder(self) -> str | None:
        """Folder of the files: the user's own, or one in a package or an archive."""
        return (self.files or {}).get("folder")

    @property
    def voices_differ(self) -> bool:
        """Whether no voice of synthetic speech is in both the training and the test split."""
        splits = (self.speech or {}).get("splits")
        return splits is not None and not set(splits["train"]["voices"]) & set(splits["test"]["voices"])


def dataset_entry(name: str, entry: Mapping[str, Any]) -> DatasetEntry:
    """Make the entry of a dataset from the registry's file: resolve its paths and choose that of a retrieved table."""
    settings = dict(entry)
    if not isinstance(entry["categories"], str):
        settings["encodings"] = Encodings(**entry["categories"])
        settings["categories"] = f"{RETRIEVED}/categories/{name}.tsv"
    settings |= {key: resolve_path(settings[key]) for key in ("table", "categories") if key in settings}
    default = PUBLISHED_WORDS if "encodings" in settings else settings["categories"]
    settings["vocabulary"] = resolve_vocabulary(entry.get("vocabulary", default))
    tables: dict[str, str] = {}
    for vocabulary, table in entry.get("other_vocabularies", {}).items():
        if (resolved := resolve_vocabulary(vocabulary)) in (settings["vocabulary"], *tables):
            raise ConfigurationError(
                f"datasets: {name}.other_vocabularies: {vocabulary} is the vocabulary of another table of this "
                "dataset; expected one table for each vocabulary"
            )
        tables[resolved] = resolve_path(table)
    if tables:
        settings["other_vocabularies"] = tables
    files = entry.get("files", {})
    if "folder" in files and "package" not in files and "archive" not in files:
        settings["files"] = files | {"folder": resolve_path(files["folder"])}
    if "exclude" in entry.get("draw", {}):
        settings["draw"] = entry["draw"] | {"exclude": resolve_path(entry["draw"]["exclude"])}
    return DatasetEntry(**settings)


def stimuli_of_test_split(name: str, entry: DatasetEntry) -> list[dict[str, str]]:
    """The rows of a dataset's split ``test``, from which metamers are made."""
    return [row for row in stimulus_table(name, entry.parameters) if row["split"] == "test"]


def check_files_of_dataset(name: str, entry: DatasetEntry) -> None:
    """Check that the files of a dataset that are not retrieved exist, and that sounds have a header with their length.

    Raises
    ------
    ConfigurationError
        When files are missing or cannot be read; the message has all of them.
    """
    files = entry.files or {}
    rows = stimulus_table(name, entry.parameters)
    if package := files.get("package"):
        check_package_files(package, [f"{entry.folder}/{row['file']}" for row in rows], f"datasets: {name}.files")
    elif "folder" in files and "archive" not in files:
        paths = [Path(files["folder"]) / row["file"] for row in rows]
        missing = [path for path in paths if not path.is_file()]
        problems = [
            f"datasets: {name}: {entry.table or 'draw'} names {path}, which is not there{_similar_file(path)}"
            for path in missing[:MAX_PROBLEMS]
        ]
        if problems:
            raise ConfigurationError(listed([*problems, *map(str, missing[MAX_PROBLEMS:])]))
        if entry.sampling_rate_hz is not None:
            problems = [f"datasets: {name}: {path}: {why}" for path in paths if (why := sound_file_problem(path))]
            if problems:
                raise ConfigurationError(listed(problems))


def check_vocabularies_of_dataset(name: str, entry: DatasetEntry) -> None:
    """Check that the vocabularies of a dataset exist, and that its tables for them have the same categories.

    Raises
    ------
    ConfigurationError
        For the first vocabulary that is not known, and the first table that cannot be read or has other categories.
    """
    check_vocabulary_exists(entry.vocabulary, f"datasets: {name}.vocabulary")
    for vocabulary, table in (entry.other_vocabularies or {}).items():
        key = f"datasets: {name}.other_vocabularies"
        check_vocabulary_exists(vocabulary, key)
        categories = category_classes(name, {"categories": table})
        expected = category_classes(name, entry.parameters) if Path(entry.categories).is_file() else categories
        if differing := sorted(categories.keys() ^ expected.keys()):
            raise ConfigurationError(
                f"{key}: {table} and {entry.categories} differ in the categories {', '.join(differing[:5])}; expected "
                "the same categories in both"
            )


def _similar_file(path: Path) -> str:
    """A hint at a file of nearly the same name in the same folder, if there is one.

    An accented letter has two forms in Unicode, and a program that copies files may change one into the other.
    """

    def form(name: str) -> str:
        return unicodedata.normalize("NFKC", name).casefold()

    names = {form(other.name): other.name for other in path.parent.glob("*")}
    near = difflib.get_close_matches(form(path.name), names, n=1)
    return f". Did you mean {names[near[0]]!r}?" if near else ""
