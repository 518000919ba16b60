"""Configuration files: reading, merging with the default configuration, and validation against the schemas."""

import copy
import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from metamers.config.sources import source_schema
from metamers.names import FILE_NAME, FILE_NAME_RULE, SURROGATE, ConfigurationError, unknown_name
from metamers.repository import ROOT

MAX_VALUES = 1_000_000  # in a configuration file
MAX_FILE_LENGTH = 2**22  # characters; the registry of the published models has 2**16
MAX_NUMBER_LENGTH = 32  # characters; Python converts long numbers slowly, or refuses to convert them to text
MAX_INTEGER = 10**1000  # Python does not convert integers of more than 4300 digits to text
MAX_ERRORS = 5  # in one message
KEY_COMBINATIONS = ("not", "oneOf", "anyOf", "minProperties", "maxProperties")
RENAMED_KEYS = {
    "people": "own_participants",
    "besides": "extra_weights",
    "procedure": "quality",
    "one_cycle": "quick",
}
STUDIES_KEY = "benchmark"  # settings of the studies, which take it out of the configuration
SCHEMAS = ROOT / "workflow" / "schemas"


class _Refused(yaml.YAMLError):
    """Valid YAML that a configuration must not contain: a repeated key, or a number that is too long."""


class _UniqueKeys(yaml.constructor.SafeConstructor):
    """Reads plain data. A repeated key of a mapping is an error; PyYAML would keep the last value.

    A number of more than ``MAX_NUMBER_LENGTH`` characters is an error too, as is text that does not fit its tag
    (``!!int ""``) or has a lone surrogate.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            return super().construct_object(node, deep)
        tag = node.tag.removeprefix("tag:yaml.org,2002:")
        if tag in ("int", "float") and len(node.value) > MAX_NUMBER_LENGTH:
            raise _Refused(
                f"the number in line {node.start_mark.line + 1} has {len(node.value)} characters; wanted "
                f"{MAX_NUMBER_LENGTH} at most, or text in quotes"
            )
        try:
            value = super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:  # PyYAML does not check the text of a tag
            problem = f"{node.value[:50]!r} is not of the type {tag}"
            raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark) from error
        if isinstance(value, str) and (half := SURROGATE.search(value)):
            raise _Refused(
                f"the text in line {node.start_mark.line + 1} has {half[0]!a}, half of a character (a lone surrogate), "
                "which no file can have; write the character itself"
            )
        return value

    def construct_document(self, node: yaml.Node) -> Any:
        _check_unique_keys(node, set())
        return super().construct_document(node)


def _check_unique_keys(node: yaml.Node, seen: set[int]) -> None:
    """Refuse repeated keys, before PyYAML adds those of merged mappings (<<)."""
    if isinstance(node, yaml.ScalarNode) or id(node) in seen:  # an alias has the node of its anchor
        return
    seen.add(id(node))
    lines: dict[tuple[str, str], int] = {}
    for child in node.value:
        if isinstance(node, yaml.SequenceNode):
            _check_unique_keys(child, seen)
            continue
        name, value = child
        key, line = (name.tag, str(name.value)), name.start_mark.line + 1
        if key in lines:
            raise _Refused(f"the key {name.value!r} is in line {lines[key]} and again in line {line}; keep one of them")
        lines[key] = line
        _check_unique_keys(name, seen)
        _check_unique_keys(value, seen)


class _Loader(_UniqueKeys, yaml.SafeLoader):
    """Says what is wrong in which line."""


class _FastLoader(_UniqueKeys, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """With libyaml, where PyYAML has it: takes an eighth of the time, and says less about errors."""


@lru_cache(maxsize=32)
def _loaded(text: str) -> Any:
    """Plain data from YAML. A text that was read before is not parsed again."""
    if "\t" not in text:  # libyaml accepts tabs where PyYAML, and so Snakemake, does not
        with suppress(yaml.YAMLError):
            return yaml.load(text, Loader=_FastLoader)
    return yaml.load(text, Loader=_Loader)


def read_yaml(path: str | Path) -> Any:
    """Read one YAML file, plain data only.

    Raises
    ------
    ConfigurationError
        When the file is missing or too long, is not YAML, or has a repeated key or a number of more than
        ``MAX_NUMBER_LENGTH`` characters. The message has the file and the lines.
    """
    return _read(path)[1]


def _read(path: str | Path) -> tuple[str, Any]:
    """The text of a YAML file, and its data."""
    try:
        with Path(path).open(encoding="utf-8") as stream:
            text = stream.read(MAX_FILE_LENGTH + 1)
        if len(text) > MAX_FILE_LENGTH:
            raise ConfigurationError(f"{path}: more than {MAX_FILE_LENGTH} characters; wanted a configuration")
        data = copy.deepcopy(_loaded(text))
    except OSError as error:
        raise ConfigurationError(f"{path}: there is no such file that can be read ({error.strerror})") from error
    except RecursionError as error:
        raise ConfigurationError(f"{path}: nested too deeply") from error
    except _Refused as error:
        raise ConfigurationError(f"{path}: {error}") from error
    except (UnicodeDecodeError, yaml.reader.ReaderError) as error:
        raise ConfigurationError(f"{path}: not valid YAML: it is not text in UTF-8") from error
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError(f"{path}: not valid YAML: {_yaml_error_message(error)}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from error
    _check_size(data, str(path))
    return text, data


def _yaml_error_message(error: yaml.MarkedYAMLError) -> str:
    """The line and the cause of an error, as one line of text."""
    place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
    advice = "; indent with spaces, not with tabs" if "\\t" in (error.problem or "") else ""
    return f"{place}{error.problem or error.context}{advice}"


def check_configuration_files(paths: Iterable[str | Path]) -> None:
    """Check that configuration files can be read, and are mappings without a repeated key.

    Snakemake reads these files too, and keeps the last value of a repeated key.

    Raises
    ------
    ConfigurationError
        For the first file that cannot be used.
    """
    for path in paths:
        if not isinstance(data := read_yaml(path), dict):
            kind = "nothing" if data is None else f"a {type(data).__name__}"
            raise ConfigurationError(f"{path}: found {kind}; wanted keys with values, such as `run: mine`")


def check_command_line_value(text: str, source: str) -> None:
    """Check that a value of ``--config`` has no repeated key. Snakemake takes a value that is not YAML as text.

    Raises
    ------
    ConfigurationError
        When it has a repeated key or a number of more than ``MAX_NUMBER_LENGTH`` characters. The message begins with
        ``source``.
    """
    try:
        _loaded(text)
    except _Refused as error:
        raise ConfigurationError(f"{source}: {error}") from error
    except (yaml.YAMLError, RecursionError):
        return


def _check_size(data: Any, source: str) -> None:
    """Check that aliases do not expand to more than ``MAX_VALUES`` values, and that none contains itself.

    Raises
    ------
    ConfigurationError
        When one does.
    """
    sizes: dict[int, float] = {}

    def size(part: Any) -> float:
        if not isinstance(part, dict | list):
            return 1
        if id(part) not in sizes:
            sizes[id(part)] = math.inf  # if this is read while the part is being counted, the part contains itself
            sizes[id(part)] = 1 + sum(map(size, part.values() if isinstance(part, dict) else part))
        return sizes[id(part)]

    if size(data) > MAX_VALUES:
        raise ConfigurationError(
            f"{source}: its aliases (*name) expand to more than {MAX_VALUES} values, or without end; write the values "
            "without aliases"
        )


def merge(default: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a configuration with one that provides the missing keys. Lists are not merged.

    Raises
    ------
    ConfigurationError
        When the configuration has too many values.
    """

    def merged(default: Any, own: Any) -> Any:
        if not (isinstance(default, Mapping) and isinstance(own, Mapping)):
            return own
        return dict(default) | {key: merged(default.get(key), value) for key, value in own.items()}

    _check_size(config, "configuration")
    return merged(default, config)


def resolve_path(path: str) -> str:
    """Path of a file or folder that the configuration names.

    The path is relative to the working directory, or, if it does not exist there, to the workflow's folder. A path that
    exists in neither is returned unchanged.
    """
    own = ROOT / path
    return str(own) if own.exists() and not Path(path).exists() else path


def resolve_function(place: str) -> str:
    """``FILE.py:FUNCTION`` with the resolved path of the file."""
    file, function = place.rsplit(":", 1)
    return f"{resolve_path(file)}:{function}"


@cache
def read_schema(name: str) -> dict[str, Any]:
    """A schema, ``workflow/schemas/<name>.schema.yaml``, read once for each process; do not change the result.

    That of models has the sources of ``metamers.config.sources``.
    """
    schema = read_yaml(SCHEMAS / f"{name}.schema.yaml")
    if name == "models":
        schema["additionalProperties"]["properties"]["source"] = source_schema()
    return schema


def validate(data: Any, schema: str | Mapping[str, Any], source: str) -> None:
    """Check data against a schema, or against ``workflow/schemas/<schema>.schema.yaml``.

    Raises
    ------
    ConfigurationError
        With ``source``, the key, the value found, and the values that the schema allows.
    """
    _check_keys(data, source)
    _check_numbers(data, source)
    validator = jsonschema.Draft202012Validator(read_schema(schema) if isinstance(schema, str) else schema)
    causes = [cause for error in validator.iter_errors(data) for cause in _causes(error)]
    lowest_rank: dict[tuple[Any, ...], int] = {}
    for cause in causes:
        place = tuple(cause.absolute_path)
        lowest_rank[place] = min(_rank(cause), lowest_rank.get(place, _rank(cause)))
    causes = [cause for cause in causes if _rank(cause) == lowest_rank[tuple(cause.absolute_path)]]
    causes.sort(key=lambda cause: (len(cause.absolute_path), str(list(cause.absolute_path))))
    if causes:
        raise ConfigurationError("\n".join(_message(cause, source) for cause in causes[:MAX_ERRORS]))


def _causes(error: jsonschema.ValidationError) -> list[jsonschema.ValidationError]:
    """The causes of an error: if only one of several alternatives has the value's type, the errors of that one."""
    if not error.context:
        return [error]
    alternatives: dict[Any, list[jsonschema.ValidationError]] = {}
    for inner in error.context:
        alternatives.setdefault(inner.relative_schema_path[0], []).append(inner)
    meant = [
        errors
        for errors in alternatives.values()
        if not any(one.validator in ("type", "const") and not one.relative_path for one in errors)
    ]
    if len(meant) != 1:
        return [jsonschema.exceptions.best_match([error])]
    return [cause for inner in meant[0] for cause in _causes(inner)]


def _rank(error: jsonschema.ValidationError) -> int:
    """Rank of an error of a mapping: an unknown key (0), or a key whose companion is missing (1), causes the others."""
    return {"additionalProperties": 0, "dependentRequired": 1}.get(error.validator, 2)


def _message(error: jsonschema.ValidationError, source: str) -> str:
    """An error in one sentence: the key, the value found, and the values that the schema allows."""
    place = ".".join(map(str, error.absolute_path))
    where = f"{source}: {place}" if place else source
    if error.validator == "additionalProperties":
        valid = _valid_keys(error.schema)
        unknown = next(key for key in error.instance if key not in valid)
        return str(unknown_key(unknown, valid, where))
    if error.validator == "dependentRequired":
        present, missing = next(
            (present, key)
            for present, keys in error.validator_value.items()
            for key in keys
            if present in error.instance and key not in error.instance
        )
        expected = error.schema["properties"][missing]["description"]
        return f"{where}: {present!r} without {missing!r}. Wanted: {missing}, {expected}"
    expected = error.schema.get("description") if isinstance(error.schema, dict) else None
    if error.validator == "type" and expected:
        keys = _valid_keys(error.schema)
        expected = (
            expected if all(key in expected for key in keys) else f"a mapping with {', '.join(keys)} ({expected})"
        )
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance and repr(key) in error.message)
        expected = error.schema.get("properties", {}).get(missing, {}).get("description", expected)
    about_keys = error.validator in KEY_COMBINATIONS and isinstance(error.instance, dict)
    problem = f"found {', '.join(error.instance) or 'nothing'}" if about_keys else error.message
    return f"{source}: {place or '(top level)'}: {problem}" + (f". Wanted: {expected}" if expected else "")


def unknown_key(key: str, valid: Iterable[str], where: str) -> ConfigurationError:
    """The error for a key that a mapping must not have, with the new name of a renamed key."""
    valid = list(valid)
    if (new := RENAMED_KEYS.get(key)) in valid:
        return ConfigurationError(f"{where}: {key}: is now called {new}")
    if key == STUDIES_KEY:
        return ConfigurationError(
            f"{where}: {key}: a key of the studies, whose rules are in studies/Snakefile: add "
            "`--snakefile studies/Snakefile`, or leave the key out"
        )
    return unknown_name("key", key, valid, where)


def _valid_keys(schema: Mapping[str, Any]) -> list[str]:
    """The keys that a mapping may have according to its schema, also by patterns such as ``^(vision|audio)$``."""
    patterns = (re.fullmatch(r"\^\(([\w|]+)\)\$", pattern) for pattern in schema.get("patternProperties", {}))
    named = [name for pattern in patterns if pattern for name in pattern[1].split("|")]
    return [*schema.get("properties", {}), *named]


def _check_numbers(data: Any, source: str) -> None:
    """Check that numbers are finite, which JSON Schema cannot, and short enough for a message."""
    if isinstance(data, float) and not math.isfinite(data):
        raise ConfigurationError(f"{source}: {data} is not a finite number")
    if isinstance(data, int) and abs(data) > MAX_INTEGER:
        raise ConfigurationError(f"{source}: found an integer of more than 1000 digits; wanted a smaller one")
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        _check_numbers(value, f"{source}: {key}")


def _check_keys(data: Any, source: str) -> None:
    """Check that every key is text. YAML reads an unquoted 50 as a number, and an unquoted yes as true."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        if isinstance(data, dict) and not isinstance(key, str):
            raise ConfigurationError(f"{source}: the key {key!r} is not text; put it in quotes")
        _check_keys(value, f"{source}: {key}")


def read_registry(path: str | Path, schema: str) -> dict[str, dict[str, Any]]:
    """Read a registry, a mapping from names to entries, and check it against its schema. Names become file names.

    Raises
    ------
    ConfigurationError
        When the file cannot be read, an entry does not fit the schema, or a name cannot be a file name.
    """
    text, entries = _read(path)
    _check_registry_text(text, schema, str(path))
    return entries or {}


@lru_cache(maxsize=8)
def _check_registry_text(text: str, schema: str, source: str) -> None:
    """Check a registry from its text, which a process checks only once: it takes as long as reading it."""
    check_registry(_loaded(text) or {}, schema, source)


def check_registry(entries: Any, schema: str, source: str) -> None:
    """Check the entries of a registry; ``source`` begins the message of the error.

    Raises
    ------
    ConfigurationError
        When an entry does not fit the schema, or a name cannot be a file name.
    """
    validate(entries, schema, source)
    for name in entries:
        if not FILE_NAME.fullmatch(name):
            raise ConfigurationError(f"{source}: {name!r} names files, so it must be {FILE_NAME_RULE}")
