"""The four registries of a configuration, read, checked and with resolved paths."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from metamers.config.archives import Archive, check_archives
from metamers.config.datasets import DatasetEntry, dataset_entry
from metamers.config.experiments import PublishedStudy, read_experiments
from metamers.config.model_lock import Lock, lock_path, read_lock
from metamers.config.models import ModelEntry, check_stages, model_entry
from metamers.config.pretrained import check_library, resolve_pretrained
from metamers.config.read import check_registry, read_registry, read_yaml, resolve_path
from metamers.config.stages import UNRESOLVED, Traced, automatic_stages
from metamers.names import ConfigurationError


@dataclass(frozen=True)
class Registry:
    """Everything that a configuration can name.

    Attributes
    ----------
    models, datasets, archives
        Name → entry.
    published
        The published human experiments.
    """

    models: dict[str, ModelEntry]
    datasets: dict[str, DatasetEntry]
    archives: dict[str, Archive]
    published: PublishedStudy


def inline_source(run: str, files: Iterable[str | Path]) -> str:
    """The configuration file with inline entries: the last of ``files`` with a key ``models`` or ``datasets``.

    It is ``<run>.yaml`` if no file has one, for example in a module that is given a configuration. The lock file of
    inline models is beside it.
    """
    for file in reversed([*files]):
        if (read_yaml(file) or {}).keys() & {"models", "datasets"}:
            return str(file)
    return f"{run}.yaml"


def merged(kind: str, paths: str | Sequence[str], inline: Mapping[str, Any], source: str) -> dict[str, tuple[str, Any]]:
    """The entries of several registries.

    Parameters
    ----------
    kind
        ``models``, ``datasets`` or ``archives``.
    paths
        Path of a registry, or several paths.
    inline
        Entries in the configuration itself.
    source
        Path of the configuration file, for messages and the lock file.

    Returns
    -------
    dict
        Name → path of the registry, entry.

    Raises
    ------
    ConfigurationError
        When an entry does not fit its schema, or two entries have the same name, or names that differ in upper case
        only.
    """
    entry_of: dict[str, tuple[str, Any]] = {}
    spelled: dict[str, str] = {}
    for path, entries in _registries(kind, [paths] if isinstance(paths, str) else paths, inline, source):
        for name, entry in entries.items():
            if name in entry_of:
                raise ConfigurationError(
                    f"{kind}: {name!r} is in {entry_of[name][0]} and in {path}; names are unique, so rename one of them"
                )
            if (other := spelled.setdefault(name.casefold(), name)) != name:
                raise ConfigurationError(
                    f"{kind}: {name!r} in {path} and {other!r} in {entry_of[other][0]} differ in upper case only, and "
                    "would be one file on macOS and Windows; rename one of them"
                )
            entry_of[name] = path, entry
    return entry_of


def _registries(
    kind: str, paths: Iterable[str], inline: Mapping[str, Any], source: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in dict.fromkeys(str(Path(resolve_path(path))) for path in paths):
        yield path, read_registry(path, kind)
    check_registry(inline, kind, f"{source}: {kind}")
    yield source, dict(inline)


def read_registries(config: Mapping[str, Any], files: Iterable[str | Path] = ()) -> Registry:
    """Read the registries of a configuration.

    Parameters
    ----------
    config
        A complete configuration. ``registry`` has the paths of ``models``, ``datasets`` and ``archives`` (each one path
        or several) and ``experiments``; ``models`` and ``datasets`` have further entries.
    files
        The files that the configuration was read from.

    Raises
    ------
    ConfigurationError
        For the first entry that does not fit its schema, names something that is not registered, or has the name of
        another one.
    """
    paths, source = config["registry"], inline_source(config["run"], files)
    placed = merged("models", paths["models"], config["models"], source)
    models = {name: entry for name, (_, entry) in placed.items()}
    datasets = {
        name: entry for name, (_, entry) in merged("datasets", paths["datasets"], config["datasets"], source).items()
    }
    archives = {
        name: Archive(**entry) for name, (_, entry) in merged("archives", paths["archives"], {}, source).items()
    }
    published = read_experiments(resolve_path(paths["experiments"]))
    check_archives(models, datasets, archives)
    used = named_in(config)
    entries = _with_stages(
        _with_weights(placed, archives, used, config["mirror"]),
        {name: entry["source"] for name, entry in models.items()},
        used,
    )
    check_stages(entries)
    return Registry(
        models=entries,
        datasets={name: dataset_entry(name, entry) for name, entry in datasets.items()},
        archives=archives,
        published=published,
    )


def named_in(config: Any) -> set[str]:
    """All strings in a configuration outside its registries, which include the names of the models that it uses."""
    if isinstance(config, str):
        return {config}
    if isinstance(config, Mapping):
        inner = [value for key, value in config.items() if key not in ("registry", "models", "datasets")]
    else:
        inner = [*config] if isinstance(config, list | tuple) else []
    return {text for part in inner for text in named_in(part)}


def _with_weights(
    placed: Mapping[str, tuple[str, Any]], archives: Mapping[str, Archive], used: set[str], mirror: str | None
) -> dict[str, ModelEntry]:
    """Entries of models. Published weights of used models are looked up if no lock file has them."""

    def made(names: Iterable[str]) -> dict[str, ModelEntry]:
        registries = {name: placed[name][0] for name in names}
        locks = {path: Lock(lock_path(path), read_lock(lock_path(path))) for path in set(registries.values())}
        return {
            name: model_entry(name, placed[name][1], archives, path, locks[path]) for name, path in registries.items()
        }

    entries = made(placed)
    for name in used & entries.keys():
        check_library(name, entries[name].source)
    unknown = [name for name in entries if name in used and entries[name].is_unknown]
    if unknown:
        asked = {name: (placed[name][1]["source"], lock_path(placed[name][0])) for name in unknown}
        resolve_pretrained(asked, mirror)
    return entries | made(unknown)


def _with_stages(
    entries: Mapping[str, ModelEntry], sources: Mapping[str, Mapping[str, Any]], used: set[str]
) -> dict[str, ModelEntry]:
    """Entries with the automatic stages of used models; in other entries, automatic stages are only the input."""
    automatic = {name: entry for name, entry in entries.items() if entry.automatic_stages}
    traced = automatic_stages(
        {name: entry.parameters for name, entry in automatic.items() if name in used},
        {name: entry.automatic_stages for name, entry in automatic.items()},
        sources,
        {name: entry.registry for name, entry in entries.items()},
    )
    unknown = Traced(UNRESOLVED)
    resolved = {
        name: replace(entry, stages=one.stages, traced=one)
        for name, entry in automatic.items()
        for one in [traced.get(name, unknown)]
    }
    return {**entries, **resolved}
