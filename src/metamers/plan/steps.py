"""The steps of a run, in one table: the keys of the configuration that a step has, and the files that it makes.

A step's ``settings`` and ``files`` stand in its own folder. The plan, the schema of the configuration, the references
of keys and of files, and the checks of the tests read this table. Steps that are not in it yet have their keys in
``config/config.yaml`` and ``workflow/schemas/config.schema.yaml``, and their files in ``workflow/schemas/files.yaml``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pydantic

from metamers.config.fields import Settings, schema_of
from metamers.config.read import ROOT, SCHEMAS, merge, read_schema, read_yaml, validate
from metamers.names import ConfigurationError
from metamers.null.files import ACCEPTANCE, MEASURES, NULLS
from metamers.null.settings import AcceptanceSettings, NullSettings
from metamers.preregister.files import FROZEN, SCORED
from metamers.preregister.settings import PreregistrationSettings
from metamers.run.declared import RunFile


@dataclass(frozen=True)
class Step:
    """A step of a run.

    Attributes
    ----------
    settings
        Key of the configuration → its section.
    files
        The NetCDF files that the step makes.
    """

    settings: Mapping[str, type[Settings]]
    files: Sequence[RunFile]


STEPS = {
    "null": Step({"null": NullSettings, "acceptance": AcceptanceSettings}, [NULLS, ACCEPTANCE]),
    "preregister": Step({"preregistration": PreregistrationSettings}, [FROZEN, SCORED]),
}
SETTINGS = {key: section for step in STEPS.values() for key, section in step.settings.items()}
# Variables that stand for several in workflow/schemas/files.yaml.
SEVERAL = {"<measures>": [*MEASURES, "normalized_error"]}


def default_configuration() -> dict[str, Any]:
    """The default run: ``config/config.yaml``, and the defaults of the steps."""
    defaults = {key: section().model_dump() for key, section in SETTINGS.items()}
    return read_yaml(ROOT / "config" / "config.yaml") | defaults


def merge_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a configuration with the default one, which provides the missing keys. Lists are not merged.

    Raises
    ------
    ConfigurationError
        When the default configuration cannot be read, or the configuration has too many values.
    """
    return merge(default_configuration(), config)


def configuration_schema() -> dict[str, Any]:
    """The JSON schema of a configuration: that of ``workflow/schemas``, and the sections of the steps."""
    schema = read_schema("config")
    sections = {key: schema_of(section) for key, section in SETTINGS.items()}
    return schema | {"properties": schema["properties"] | sections}


def configuration_keys() -> list[str]:
    """The keys at the top level of a configuration."""
    return list(configuration_schema()["properties"])


def read_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a configuration against its schema, and read the sections of the steps.

    Parameters
    ----------
    config
        A configuration with all keys of ``config/config.yaml``.

    Returns
    -------
    dict
        Key → its section, a ``Settings``.

    Raises
    ------
    ConfigurationError
        With the key, the value found, and the values that would do.
    """
    validate(config, configuration_schema(), "configuration")
    settings = {}
    for key, section in SETTINGS.items():
        try:
            settings[key] = section.model_validate(config.get(key, {}))
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            if isinstance(cause := first.get("ctx", {}).get("error"), ConfigurationError):
                raise cause from None  # a check of a step, whose message has all that a user needs
            place = ".".join(map(str, (key, *first["loc"])))
            raise ConfigurationError(f"configuration: {place}: {first['msg']}") from None
    return settings


def declared_files() -> dict[str, RunFile]:
    """The NetCDF files of a run: path → file."""
    of_steps = [file for step in STEPS.values() for file in step.files]
    others = [
        RunFile(path, {name: size for names, size in variables.items() for name in SEVERAL.get(names, [names])})
        for path, variables in read_yaml(SCHEMAS / "files.yaml").items()
    ]
    return {file.path: file for file in (*others, *of_steps)}
