"""The steps of a run, in one table: the keys of the configuration that a step has, and the files that it makes.

A step's ``settings`` and ``files`` stand in its own folder. The plan, the schema of the configuration, the references
of keys and of files, and the checks of the tests read this table. Keys of the run as a whole are in
``metamers.config.settings``.
"""

import copy
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pydantic

from metamers.beyond.settings import BeyondSettings
from metamers.brain.settings import BrainSettings, SimilaritySettings
from metamers.compare.settings import ComparisonSettings
from metamers.config.fields import Settings, schema_of
from metamers.config.read import ROOT, SCHEMAS, merge, read_yaml, validate
from metamers.config.settings import RunSettings
from metamers.experiment.settings import ExperimentSettings
from metamers.humans.settings import OwnParticipantsSettings
from metamers.names import ConfigurationError
from metamers.null.files import ACCEPTANCE, MEASURES, NULLS
from metamers.null.settings import AcceptanceSettings, NullSettings
from metamers.power.settings import PowerSettings
from metamers.preregister.files import FROZEN, SCORED
from metamers.preregister.settings import PreregistrationSettings
from metamers.recognize.settings import RecognitionSettings
from metamers.run.declared import RunFile
from metamers.stimuli.settings import StimuliSettings
from metamers.synthesize.settings import SynthesisSettings
from metamers.train.settings import TrainingSettings
from metamers.vulnerability.settings import VulnerabilitySettings


@dataclass(frozen=True)
class Step:
    """A step of a run.

    Attributes
    ----------
    settings
        Key of the configuration → type of its section: a ``Settings``, one or None, or a mapping of them. A key with a
        dot is in the section of another step, or in one of ``GROUPS``.
    files
        The NetCDF files that the step makes.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[RunFile] = ()


class AnalysesSettings(Settings):
    """the complementary analyses: vulnerability, brain and similarity; null leaves one out"""


GROUPS: dict[str, type[Settings]] = {"analyses": AnalysesSettings}  # sections that several steps share

STEPS = {
    "stimuli": Step({"stimuli": StimuliSettings}),
    "train": Step({"training": TrainingSettings}),
    "synthesize": Step({"synthesis": SynthesisSettings}),
    "null": Step({"null": NullSettings, "acceptance": AcceptanceSettings}, [NULLS, ACCEPTANCE]),
    "recognize": Step({"recognition": RecognitionSettings}),
    "experiment": Step({"experiment": ExperimentSettings}),
    "humans": Step({"own_participants": OwnParticipantsSettings}),
    "compare": Step({"comparison": ComparisonSettings}),
    "power": Step({"comparison.power": PowerSettings}),
    "vulnerability": Step({"analyses.vulnerability": VulnerabilitySettings | None}),
    "brain": Step({"analyses.brain": BrainSettings | None, "analyses.similarity": SimilaritySettings | None}),
    "preregister": Step({"preregistration": PreregistrationSettings}, [FROZEN, SCORED]),
    "beyond": Step({"beyond": BeyondSettings}),
}
# Variables that stand for several in workflow/schemas/files.yaml.
SEVERAL = {"<measures>": [*MEASURES, "normalized_error"]}


def _with_default(section: Any) -> tuple[Any, Any]:
    """A section and its default: that of its keys, or an empty mapping."""
    kind = section if isinstance(section, type) else typing.get_args(section)[0]
    return (section, kind()) if isinstance(kind, type) and issubclass(kind, Settings) else (section, {})


def _configuration() -> Any:
    """The type of a configuration: ``RunSettings``, and the sections of the steps."""
    sections = {key: section for step in STEPS.values() for key, section in step.settings.items()}
    whole = {key: section for key, section in sections.items() if "." not in key}
    parts: dict[str, dict[str, Any]] = {}
    for key in sections.keys() - whole.keys():
        outer, inner = key.split(".")
        parts.setdefault(outer, {})[inner] = _with_default(sections[key])
    for outer, of_outer in sorted(parts.items()):
        base = whole.get(outer) or GROUPS[outer]
        ordered = dict(sorted(of_outer.items(), key=lambda one: [*sections].index(f"{outer}.{one[0]}")))
        whole[outer] = pydantic.create_model(base.__name__, __base__=base, __doc__=base.__doc__, **ordered)
    fields: dict[str, Any] = {key: _with_default(section) for key, section in whole.items()}
    return pydantic.create_model("Configuration", __base__=RunSettings, __doc__=RunSettings.__doc__, **fields)


Configuration = _configuration()


def default_configuration() -> dict[str, Any]:
    """The default run: the defaults of all keys, and ``config/config.yaml``."""
    fields = Configuration.model_fields.items()
    defaults = {key: _as_data(one.default) for key, one in fields if not one.is_required()}
    return merge(defaults, read_yaml(ROOT / "config" / "config.yaml"))


def _as_data(default: Any) -> Any:
    return default.parameters if isinstance(default, Settings) else copy.deepcopy(default)


def merge_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a configuration with the default one, which provides the missing keys. Lists are not merged.

    Raises
    ------
    ConfigurationError
        When the default configuration cannot be read, or the configuration has too many values.
    """
    return merge(default_configuration(), config)


@cache
def configuration_schema() -> dict[str, Any]:
    """The JSON schema of a configuration; do not change the result."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Configuration of a run"} | schema_of(
        Configuration
    )


def configuration_keys() -> list[str]:
    """The keys at the top level of a configuration."""
    return list(Configuration.model_fields)


def read_settings(config: Mapping[str, Any]) -> Any:
    """Check a configuration against its schema, and read it.

    Parameters
    ----------
    config
        A configuration. Missing keys have the defaults of their steps.

    Returns
    -------
    Configuration
        Frozen: ``settings.synthesis.seeds`` is the key ``synthesis.seeds``.

    Raises
    ------
    ConfigurationError
        With the key, the value found, and the values that would do.
    """
    validate(config, configuration_schema(), "configuration")
    try:
        return Configuration.model_validate(config)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        if isinstance(cause := first.get("ctx", {}).get("error"), ConfigurationError):
            raise cause from None  # a check of a step, whose message has all that a user needs
        place = ".".join(map(str, first["loc"]))
        raise ConfigurationError(f"configuration: {place}: {first['msg']}") from None


def declared_files() -> dict[str, RunFile]:
    """The NetCDF files of a run: path → file."""
    of_steps = [file for step in STEPS.values() for file in step.files]
    others = [
        RunFile(path, {name: size for names, size in variables.items() for name in SEVERAL.get(names, [names])})
        for path, variables in read_yaml(SCHEMAS / "files.yaml").items()
    ]
    return {file.path: file for file in (*others, *of_steps)}
