"""Configuration files: read, laid over the default, checked against their schemas."""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from metamers.names import FILE_NAME, ConfigurationError, unknown_name

LARGEST = 1_000_000  # values of a configuration file
LARGEST_FILE = 2**22  # letters of one; the registry of the published models has 2**16
LONGEST_NUMBER = 32  # characters in a file; Python converts long ones slowly, or refuses to write them
LARGEST_INTEGER = 10**1000  # above 4300 digits Python does not write one into a message
MOST_ERRORS = 5  # that are told at once
ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "workflow" / "schemas"


class _Refused(yaml.YAMLError):
    """Valid YAML that a configuration must not have: a repeated key, or a number that is too long."""


class _UniqueKeys(yaml.SafeLoader):
    """Reads plain data; a mapping with a repeated key is an error, where PyYAML would keep the last value.

    So is a number of more than ``LONGEST_NUMBER`` characters, and text that does not fit its tag (``!!int ""``).
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            return super().construct_object(node, deep)
        tag = node.tag.removeprefix("tag:yaml.org,2002:")
        if tag in ("int", "float") and len(node.value) > LONGEST_NUMBER:
            raise _Refused(
                f"the number in line {node.start_mark.line + 1} has {len(node.value)} characters; wanted "
                f"{LONGEST_NUMBER} at most, or text in quotes"
            )
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:  # PyYAML does not check what a tag's text is
            found = f"{node.value[:50]!r} is not of the type {tag}"
            raise yaml.constructor.ConstructorError(problem=found, problem_mark=node.start_mark) from error

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        # Here, and not where values are made, because there merged mappings (<<) have been put among the keys.
        mapping = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for node, _ in mapping.value:
            key, line = (node.tag, str(node.value)), node.start_mark.line + 1
            if key in lines:
                raise _Refused(
                    f"the key {node.value!r} is in line {lines[key]} and again in line {line}; keep one of them"
                )
            lines[key] = line
        return mapping


def read_yaml(path: str | Path) -> Any:
    """Read one YAML file, plain data only.

    Raises
    ------
    ConfigurationError
        When the file is missing, too long, is not YAML, or has a repeated key or a number of more than
        ``LONGEST_NUMBER`` characters: names the file and the lines.
    """
    try:
        with Path(path).open(encoding="utf-8") as stream:
            text = stream.read(LARGEST_FILE + 1)
        if len(text) > LARGEST_FILE:
            raise ConfigurationError(f"{path}: more than {LARGEST_FILE} letters; wanted a configuration")
        data = yaml.load(text, Loader=_UniqueKeys)
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
    return data


def _yaml_error_message(error: yaml.MarkedYAMLError) -> str:
    """The line of an error and its cause, in one line."""
    place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
    advice = "; indent with spaces, not with tabs" if "\\t" in (error.problem or "") else ""
    return f"{place}{error.problem or error.context}{advice}"


def check_configuration_files(paths: Iterable[str | Path]) -> None:
    """Check that files of a configuration can be read and are mappings, each without a repeated key.

    Snakemake reads them itself, and keeps the last value of a repeated key.

    Raises
    ------
    ConfigurationError
        For the first file that cannot be used.
    """
    for path in paths:
        if not isinstance(data := read_yaml(path), dict):
            found = "nothing" if data is None else f"a {type(data).__name__}"
            raise ConfigurationError(f"{path}: found {found}; wanted keys with values, such as `run: mine`")


def check_command_line_value(text: str, source: str) -> None:
    """Check that a value of ``--config`` has no repeated key; one that is not YAML is text to Snakemake.

    Raises
    ------
    ConfigurationError
        When it has a repeated key or a number of more than ``LONGEST_NUMBER`` characters: names ``source``.
    """
    try:
        yaml.load(text, Loader=_UniqueKeys)
    except _Refused as error:
        raise ConfigurationError(f"{source}: {error}") from error
    except (yaml.YAMLError, RecursionError):
        return


def _check_size(data: Any, source: str) -> None:
    """What aliases repeat is not too much to be gone through, however small the file is, nor part of itself.

    Raises
    ------
    ConfigurationError
        When it is.
    """
    sizes: dict[int, float] = {}

    def size(part: Any) -> float:
        if not isinstance(part, dict | list):
            return 1
        if id(part) not in sizes:
            sizes[id(part)] = math.inf  # while it is being counted: then it contains itself
            sizes[id(part)] = 1 + sum(map(size, part.values() if isinstance(part, dict) else part))
        return sizes[id(part)]

    if size(data) > LARGEST:
        raise ConfigurationError(
            f"{source}: its aliases (*name) repeat parts of it until there are more than {LARGEST} values, or without "
            "end; write out what is meant"
        )


def over_default(config: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a configuration over ``config/config.yaml``: what it lacks is as there; lists are taken whole.

    Raises
    ------
    ConfigurationError
        When the default cannot be read, or the configuration is too large to be gone through.
    """

    def over(default: Any, given: Any) -> Any:
        if not (isinstance(default, Mapping) and isinstance(given, Mapping)):
            return given
        return dict(default) | {key: over(default.get(key), value) for key, value in given.items()}

    _check_size(config, "configuration")
    return over(read_yaml(ROOT / "config" / "config.yaml"), config)


def located(path: str) -> str:
    """Where a file or folder that the configuration names is: looked up from the working directory, and where it is
    not there, from the workflow's own folder. What is in neither stays as it is written.
    """
    own = ROOT / path
    return str(own) if own.exists() and not Path(path).exists() else path


def configuration_keys() -> list[str]:
    """The keys of a configuration's top level."""
    return _valid_keys(read_yaml(SCHEMAS / "config.schema.yaml"))


def validate(data: Any, schema: str, source: str) -> None:
    """Check data against ``workflow/schemas/<schema>.schema.yaml``.

    Raises
    ------
    ConfigurationError
        Naming ``source``, the key, what was found, and what the schema asks for.
    """
    _check_keys(data, source)
    _check_numbers(data, source)
    validator = jsonschema.Draft202012Validator(read_yaml(SCHEMAS / f"{schema}.schema.yaml"))
    causes = [cause for error in validator.iter_errors(data) for cause in _causes(error)]
    telling: dict[tuple, int] = {}
    for cause in causes:
        place = tuple(cause.absolute_path)
        telling[place] = min(_consequence(cause), telling.get(place, _consequence(cause)))
    causes = [cause for cause in causes if _consequence(cause) == telling[tuple(cause.absolute_path)]]
    causes.sort(key=lambda cause: (len(cause.absolute_path), str(list(cause.absolute_path))))
    if causes:
        raise ConfigurationError("\n".join(_explained(cause, source) for cause in causes[:MOST_ERRORS]))


def _causes(error: jsonschema.ValidationError) -> list[jsonschema.ValidationError]:
    """What is wrong, where a value fits none of several alternatives: the errors of the only one of its type."""
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


def _consequence(error: jsonschema.ValidationError) -> int:
    """Rank of an error among those of one mapping: an unknown key, or one without its pair, causes the others."""
    return {"additionalProperties": 0, "dependentRequired": 1}.get(error.validator, 2)


def _explained(error: jsonschema.ValidationError, source: str) -> str:
    """An error in one sentence: the key, what was found, and what the schema asks for."""
    place = ".".join(map(str, error.absolute_path))
    where = f"{source}: {place}" if place else source
    if error.validator == "additionalProperties":
        valid = _valid_keys(error.schema)
        unknown = next(key for key in error.instance if key not in valid)
        return str(unknown_name("key", unknown, valid, where))
    if error.validator == "dependentRequired":
        given, missing = next(
            (given, key)
            for given, keys in error.validator_value.items()
            for key in keys
            if given in error.instance and key not in error.instance
        )
        wanted = error.schema["properties"][missing]["description"]
        return f"{where}: {given!r} without {missing!r}. Wanted: {missing}, {wanted}"
    wanted = error.schema.get("description") if isinstance(error.schema, dict) else None
    return f"{source}: {place or '(top level)'}: {error.message}" + (f". Wanted: {wanted}" if wanted else "")


def _valid_keys(schema: Mapping[str, Any]) -> list[str]:
    """The keys that a mapping may have by its schema, those of patterns like ``^(vision|audio)$`` included."""
    patterns = (re.fullmatch(r"\^\(([\w|]+)\)\$", pattern) for pattern in schema.get("patternProperties", {}))
    named = [name for pattern in patterns if pattern for name in pattern[1].split("|")]
    return [*schema.get("properties", {}), *named]


def _check_numbers(data: Any, source: str) -> None:
    """Check that numbers are finite, which schemas do not, and short enough for a message."""
    if isinstance(data, float) and not math.isfinite(data):
        raise ConfigurationError(f"{source}: {data} is not a finite number")
    if isinstance(data, int) and abs(data) > LARGEST_INTEGER:
        raise ConfigurationError(f"{source}: found an integer of more than 1000 digits; wanted a smaller one")
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        _check_numbers(value, f"{source}: {key}")


def _check_keys(data: Any, source: str) -> None:
    """Every key is text: YAML reads an unquoted 50 or yes otherwise."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        if isinstance(data, dict) and not isinstance(key, str):
            raise ConfigurationError(f"{source}: the key {key!r} is not text; put it in quotes")
        _check_keys(value, f"{source}: {key}")


def read_registry(path: str | Path, schema: str) -> dict[str, dict]:
    """Read and check a registry: a mapping from names, which become file names, to entries."""
    entries = read_yaml(path) or {}
    validate(entries, schema, str(path))
    for name in entries:
        if not FILE_NAME.fullmatch(name):
            raise ConfigurationError(
                f"{path}: {name!r} names files, so it must be at most 100 letters, digits, '.', '_', '+' or '-', "
                "beginning with a letter or digit"
            )
    return entries
