"""The registry of archives, and the files that a run retrieves: their names and where they are stored."""

import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metamers.names import ConfigurationError, unknown_name
from metamers.run.packages import package_file

RETRIEVED = "resources/retrieved"


@dataclass(frozen=True)
class Archive:
    """A file that several models or datasets may share, such as a tar file of weights.

    Attributes
    ----------
    url
        Address of the file.
    sha256
        All or the first hexadecimal digits of its SHA-256; None until the user has confirmed it.
    bytes
        Approximate size.
    """

    url: str
    sha256: str | None
    bytes: int | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The entry as the job that retrieves the file takes it."""
        return {"url": self.url, "sha256": self.sha256} | ({} if self.bytes is None else {"bytes": self.bytes})


def archive_path(name: str, archives: Mapping[str, Archive]) -> str:
    """Path to which a file of the registry of archives is retrieved."""
    return f"{RETRIEVED}/archives/{name}{Path(_file_name(archives[name].url)).suffix}"


def _file_name(url: str) -> str:
    """The last part of an address, without a query (``?download=true``)."""
    return urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1]


def retrieved_item(weights: Mapping[str, Any], archives: Mapping[str, Archive]) -> dict[str, Any] | None:
    """The file of weights as ``metamers.retrieve`` takes it; None if it is not retrieved."""
    if published := weights.get("pretrained"):
        return {"name": Path(published.get("file") or _file_name(published["url"])).name, **published}
    stated = {key: weights[key] for key in ("package", "file", "url", "sha256") if key in weights}
    if "package" in weights or "url" in weights:
        return {"name": Path(weights["file"]).name if "file" in weights else _file_name(weights["url"]), **stated}
    if "archive" in weights:
        # Without `file` the archive is the file itself.
        name = Path(weights["file"]).name if "file" in weights else _file_name(archives[weights["archive"]].url)
        return {"name": name, "archive": archive_path(weights["archive"], archives), **stated}
    return None


def extra_weights_item(weights: Mapping[str, Any], archives: Mapping[str, Archive]) -> dict[str, Any] | None:
    """As ``retrieved_item``, for ``extra_weights``; in a separate folder, because both files may have the same name."""
    item = retrieved_item(weights.get("extra_weights", {}), archives)
    return item and item | {"name": f"extra_weights/{item['name']}"}


def check_archives(
    models: Mapping[str, Mapping[str, Any]],
    datasets: Mapping[str, Mapping[str, Any]],
    archives: Mapping[str, Archive],
) -> None:
    """Check that each ``archive`` of the registries is registered, and that the path inside it is relative.

    Parameters
    ----------
    models, datasets
        Entries as they are in the registries' files.
    archives
        The registry of archives.

    Raises
    ------
    ConfigurationError
        For the first entry that names an unknown archive, or a path with ``..`` or with a slash at an end.
    """
    weights = {
        f"models: {name}.weights": model["weights"]
        for name, model in models.items()
        if isinstance(model["weights"], Mapping)  # not `pretrained` or `builder`
    }
    places = dict(weights)
    places |= {f"{key}.extra_weights": place.get("extra_weights", {}) for key, place in weights.items()}
    places |= {f"{key}.train.from": place.get("train", {}).get("from") or {} for key, place in weights.items()}
    for name, dataset in datasets.items():
        places[f"datasets: {name}.files"] = dataset.get("files", {})
        places[f"datasets: {name}.categories"] = dataset["categories"]
    for key, place in places.items():
        if not isinstance(place, Mapping) or "archive" not in place:
            continue
        if place["archive"] not in archives:
            raise unknown_name("archive", place["archive"], archives, f"{key}.archive")
        inside = place.get("file") or place.get("folder") or "."
        if inside.startswith("/") or inside.endswith("/") or ".." in Path(inside).parts:
            raise ConfigurationError(f"{key}: {inside!r} must be a path inside the archive, without '..'")


def check_package_files(package: str, files: Iterable[str], key: str) -> None:
    """Check that a package is installed and has the files; ``key`` begins the message of the error."""
    try:
        for file in files:
            package_file(package, file)
    except FileNotFoundError as error:
        raise ConfigurationError(f"{key}: {error}") from error
