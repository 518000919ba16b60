"""Configuration files: read, laid over the default, checked against their schemas."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from metamers.names import FILE_NAME, ConfigurationError

LARGEST = 1_000_000  # values of a configuration file
ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "workflow" / "schemas"


def read_yaml(path: str | Path) -> Any:
    """Read one YAML file, plain data only.

    Raises
    ------
    ConfigurationError
        When the file is missing or is not YAML.
    """
    try:
        with Path(path).open(encoding="utf-8") as stream:
            data = yaml.safe_load(stream)
    except OSError as error:
        raise ConfigurationError(f"{path}: there is no such file that can be read ({error.strerror})") from error
    except RecursionError as error:
        raise ConfigurationError(f"{path}: nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError of what is no text, or no date
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from error
    _check_size(data, str(path))
    return data


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


def validate(data: Any, schema: str, source: str) -> None:
    """Check data against ``workflow/schemas/<schema>.schema.yaml``.

    Raises
    ------
    ConfigurationError
        Naming ``source``, the key, what was found, and what the schema asks for.
    """
    _check_finite(data, source)
    validator = jsonschema.Draft202012Validator(read_yaml(SCHEMAS / f"{schema}.schema.yaml"))
    errors = sorted(validator.iter_errors(data), key=lambda e: (len(e.absolute_path), str(list(e.absolute_path))))
    if errors:
        lines = []
        for error in errors[:5]:
            best = jsonschema.exceptions.best_match([error])
            key = ".".join(str(part) for part in best.absolute_path) or "(top level)"
            wanted = best.schema.get("description") if isinstance(best.schema, dict) else None
            lines.append(f"{source}: {key}: {best.message}" + (f" Wanted: {wanted}" if wanted else ""))
        raise ConfigurationError("\n".join(lines))


def _check_finite(data: Any, source: str) -> None:
    """No number is NaN or infinite, which a schema's limits would let pass."""
    if isinstance(data, float) and not math.isfinite(data):
        raise ConfigurationError(f"{source}: {data} is not a finite number")
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        _check_finite(value, f"{source}: {key}")


def _check_keys(data: Any, source: str) -> None:
    """Every key is text: YAML reads an unquoted 50 or yes otherwise."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        if isinstance(data, dict) and not isinstance(key, str):
            raise ConfigurationError(f"{source}: the key {key!r} is not text; put it in quotes")
        _check_keys(value, f"{source}: {key}")


def read_registry(path: str | Path, schema: str) -> dict[str, dict]:
    """Read and check a registry: a mapping from names, which become file names, to entries."""
    entries = read_yaml(path) or {}
    _check_keys(entries, str(path))
    validate(entries, schema, str(path))
    for name in entries:
        if not FILE_NAME.fullmatch(name):
            raise ConfigurationError(
                f"{path}: {name!r} names files, so it must be at most 100 letters, digits, '.', '_', '+' or '-', "
                "beginning with a letter or digit"
            )
    return entries
