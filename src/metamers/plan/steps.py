"""The steps of a run, in one table: the keys of the configuration that a step has, and the files that it makes.

A step's ``settings`` and ``files`` stand in its own folder. The plan, the schema of the configuration, the references
of keys and of files, and the checks of the tests read this table. Steps without settings here have their keys in
``config/config.yaml`` and ``workflow/schemas/config.schema.yaml``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pydantic

from metamers.beyond import files as beyond
from metamers.brain import files as brain
from metamers.brainscore import files as brainscore
from metamers.compare import files as compare
from metamers.config.fields import Settings, schema_of
from metamers.config.read import ROOT, merge, read_schema, read_yaml, validate
from metamers.experiment import files as experiment
from metamers.humans import files as humans
from metamers.leaderboard import files as leaderboard
from metamers.model_card import files as model_card
from metamers.names import ConfigurationError
from metamers.null import files as null
from metamers.null.settings import AcceptanceSettings, NullSettings
from metamers.paper import files as paper
from metamers.power import files as power
from metamers.preregister import files as preregister
from metamers.preregister.settings import PreregistrationSettings
from metamers.recognize import files as recognize
from metamers.run.declared import RunFile, files_of
from metamers.stimuli import files as stimuli
from metamers.synthesize import files as synthesize
from metamers.train import files as train
from metamers.vulnerability import files as vulnerability


@dataclass(frozen=True)
class Step:
    """A step of a run.

    Attributes
    ----------
    settings
        Key of the configuration → its section.
    files
        Its module ``files``, which declares the NetCDF files that the step makes.
    """

    settings: Mapping[str, type[Settings]] = field(default_factory=dict)
    files: ModuleType | None = None


STEPS = {
    "retrieve": Step(),
    "stimuli": Step(files=stimuli),
    "train": Step(files=train),
    "synthesize": Step(files=synthesize),
    "null": Step(settings={"null": NullSettings, "acceptance": AcceptanceSettings}, files=null),
    "recognize": Step(files=recognize),
    "experiment": Step(files=experiment),
    "humans": Step(files=humans),
    "compare": Step(files=compare),
    "power": Step(files=power),
    "vulnerability": Step(files=vulnerability),
    "brain": Step(files=brain),
    "leaderboard": Step(files=leaderboard),
    "preregister": Step(settings={"preregistration": PreregistrationSettings}, files=preregister),
    "beyond": Step(files=beyond),
    "brainscore": Step(files=brainscore),
    "report": Step(),
    "paper": Step(files=paper),
    "model_card": Step(files=model_card),
    "verify": Step(),
}
SETTINGS = {key: section for step in STEPS.values() for key, section in step.settings.items()}


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


def declared_files(*others: ModuleType) -> dict[str, RunFile]:
    """The NetCDF files of a run: path → file.

    Parameters
    ----------
    *others
        Further modules ``files``, such as that of the studies.
    """
    modules = [*(step.files for step in STEPS.values() if step.files), *others]
    return {file.path: file for module in modules for file in files_of(module)}
