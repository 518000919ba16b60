"""Vocabularies: what the class indices of networks and of tables of categories mean.

A class index means something in one vocabulary only: a named one, or the user's own table. An entry of a registry
declares its vocabulary, or it comes with the publisher's weights. It never follows from the number of classes.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metamers.config.read import resolve_path
from metamers.config.tables import category_classes
from metamers.names import ConfigurationError
from metamers.repository import ROOT

IMAGENET = "imagenet_1k"
PUBLISHED_WORDS = "published_words"
VOCABULARIES = {
    IMAGENET: "the 1,000 classes of ImageNet (ILSVRC 2012), in alphabetical order of their WordNet identifiers",
    PUBLISHED_WORDS: "the words of Feather et al. (2023), in the order of their file of encodings",
}
IMAGENET_TABLE = ROOT / "resources" / "datasets" / "imagenet_classes.tsv"
MIN_SHARED_NAMES = 990  # lists of ImageNet's class names differ in a few names, such as that of the maillot


def resolve_vocabulary(vocabulary: str) -> str:
    """A named vocabulary as it is; of a table, the path, from the working directory if it is in there."""
    if vocabulary in VOCABULARIES:
        return vocabulary
    path = Path(resolve_path(vocabulary)).resolve()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def check_vocabulary_exists(vocabulary: str, key: str) -> None:
    """Check that a vocabulary is a named one or the path of a table of classes.

    Parameters
    ----------
    vocabulary
        As of ``resolve_vocabulary``.
    key
        The key that has it, for the message.

    Raises
    ------
    ConfigurationError
        When it is neither, or the table cannot be read.
    """
    if vocabulary in VOCABULARIES:
        return
    if not Path(vocabulary).is_file():
        raise ConfigurationError(
            f"{key}: there is no file {vocabulary}; expected {', '.join(VOCABULARIES)}, or the path of a table with "
            "the columns class_index and category"
        )
    category_classes(vocabulary, {"categories": vocabulary})


def class_names(table: str | Path) -> list[str]:
    """The name of each class in a table of a vocabulary, in the order of class indices.

    Raises
    ------
    ConfigurationError
        When the table cannot be read, or its class indices are not 0, 1, 2 and so on.
    """
    categories = category_classes(str(table), {"categories": str(table)})
    name_of = {index: category for category, indices in categories.items() for index in indices}
    if missing := [index for index in range(len(name_of)) if index not in name_of]:
        raise ConfigurationError(f"{table}: no row of class {missing[0]}; expected a row of each class, from 0 on")
    return [name_of[index] for index in range(len(name_of))]


def vocabulary_of_names(names: Sequence[str]) -> str | None:
    """The named vocabulary that a publisher's list of class names is.

    Parameters
    ----------
    names
        Name of each class, in the order of class indices. Of several names, separated by commas, the first one counts.

    Returns
    -------
    str or None
        ``imagenet_1k`` if at least 990 of its 1,000 names are at their places; None for another vocabulary.
    """
    expected = class_names(IMAGENET_TABLE)
    if len(names) != len(expected):
        return None
    shared = sum(_first_name(name) == _first_name(other) for name, other in zip(names, expected, strict=True))
    return IMAGENET if shared >= MIN_SHARED_NAMES else None


def vocabulary_of_tag(cfg: Mapping[str, Any]) -> str | None:
    """The named vocabulary that timm's description of published weights states.

    The tag of weights names the datasets of their training, the last one at the end, before the size of the images.

    Parameters
    ----------
    cfg
        ``tag``, ``num_classes`` (0 without the layer of classes) and ``label_names``, as timm's ``PretrainedCfg``.

    Returns
    -------
    str or None
        ``imagenet_1k`` if the tag ends with ``in1k`` and the weights have its classes under no other names.
    """
    if cfg.get("label_names") or cfg.get("num_classes") != len(class_names(IMAGENET_TABLE)):
        return None
    return IMAGENET if re.search(r"(^|_)in1k(_\d+)?$", cfg.get("tag") or "") else None


def _first_name(names: str) -> str:
    return names.split(",", 1)[0].strip().casefold()
