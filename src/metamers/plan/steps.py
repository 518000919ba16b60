"""The steps of a run, in one table: the keys of the configuration that a step has, and the files that it makes.

A step's ``settings`` and ``files`` stand in its own folder. The plan, the schema of the configuration, the references
of keys and of files, and the checks of the tests read this table. Keys of the run as a whole are in
``metamers.config.settings``.
"""

import copy
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

import pydantic

from metamers.beyond import files as beyond
from metamers.beyond.chosen import unavailable_extensions
from metamers.beyond.settings import BeyondSettings
from metamers.brain import files as brain
from metamers.brain.settings import BrainSettings, SimilaritySettings
from metamers.brainscore import files as brainscore
from metamers.brainscore.targets import unavailable_brainscore
from metamers.compare import files as compare
from metamers.compare.settings import ComparisonSettings
from metamers.config.fields import Settings, schema_of, section_config
from metamers.config.read import ROOT, merge, read_yaml, validate
from metamers.config.settings import RunSettings
from metamers.experiment import files as experiment
from metamers.experiment.settings import ExperimentSettings, unavailable_experiments
from metamers.humans import files as humans
from metamers.humans.settings import OwnParticipantsSettings, unavailable_bids
from metamers.leaderboard import files as leaderboard
from metamers.leaderboard.creator import unavailable_entries
from metamers.model_card import files as model_card
from metamers.names import ConfigurationError
from metamers.null import files as null
from metamers.null.settings import AcceptanceSettings, NullSettings
from metamers.paper import files as paper
from metamers.power import files as power
from metamers.power.settings import PowerSettings
from metamers.preregister import files as preregister
from metamers.preregister.settings import PreregistrationSettings, unavailable_prediction
from metamers.recognize import files as recognize
from metamers.recognize.settings import RecognitionSettings
from metamers.run.declared import Page, RunFile, files_of
from metamers.stimuli import files as stimuli
from metamers.stimuli.settings import StimuliSettings
from metamers.synthesize import files as synthesize
from metamers.synthesize.settings import SynthesisSettings
from metamers.train import files as train
from metamers.train.settings import TrainingSettings
from metamers.vulnerability import files as vulnerability
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
        Its module ``files``, which declares the NetCDF files that the step makes, and its pages.
    unavailable
        From the plan, the targets that a run cannot make → why, and which configuration could.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    files: ModuleType | None = None
    unavailable: Callable[[Any], Mapping[str, str]] | None = None

    @property
    def pages(self) -> dict[str, Page]:
        """Name → page of the report that a rule of the step writes."""
        return getattr(self.files, "PAGES", {})

    @property
    def answers_of_participants(self) -> tuple[str, ...]:
        """Beginnings of the paths of its files that may have answers of own participants."""
        return getattr(self.files, "ANSWERS_OF_PARTICIPANTS", ())


class AnalysesSettings(Settings):
    """the complementary analyses: vulnerability, brain and similarity; null leaves one out"""

    model_config = section_config("[Complementary analyses](../docs/explanation/analyses.md) explains them.")


GROUPS: dict[str, type[Settings]] = {"analyses": AnalysesSettings}  # sections that several steps share

STEPS = {
    "retrieve": Step(),
    "stimuli": Step({"stimuli": StimuliSettings}, stimuli),
    "train": Step({"training": TrainingSettings}, train),
    "synthesize": Step({"synthesis": SynthesisSettings}, synthesize),
    "null": Step({"null": NullSettings, "acceptance": AcceptanceSettings}, null),
    "recognize": Step({"recognition": RecognitionSettings}, recognize),
    "experiment": Step({"experiment": ExperimentSettings}, experiment, unavailable_experiments),
    "humans": Step({"own_participants": OwnParticipantsSettings}, humans, unavailable_bids),
    "compare": Step({"comparison": ComparisonSettings}, compare),
    "power": Step({"comparison.power": PowerSettings}, power),
    "vulnerability": Step({"analyses.vulnerability": VulnerabilitySettings | None}, vulnerability),
    "brain": Step({"analyses.brain": BrainSettings | None, "analyses.similarity": SimilaritySettings | None}, brain),
    "preregister": Step({"preregistration": PreregistrationSettings}, preregister, unavailable_prediction),
    "beyond": Step({"beyond": BeyondSettings}, beyond, unavailable_extensions),
    "brainscore": Step(files=brainscore, unavailable=unavailable_brainscore),
    "report": Step(),
    "paper": Step(files=paper),
    "leaderboard": Step(files=leaderboard, unavailable=unavailable_entries),
    "model_card": Step(files=model_card),
    "verify": Step(),
}


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


def declared_files(*others: ModuleType) -> dict[str, RunFile]:
    """The NetCDF files of a run: path → file.

    Parameters
    ----------
    *others
        Further modules ``files``, such as that of the studies.
    """
    modules = [*(step.files for step in STEPS.values() if step.files), *others]
    return {file.path: file for module in modules for file in files_of(module)}


def linked_pages(plan: Any) -> dict[str, str]:
    """The pages of a run that rules of steps other than the report write: name → title, in the order of the steps."""
    pages = {name: page for step in STEPS.values() for name, page in step.pages.items()}
    return {name: page.title for name, page in pages.items() if page.is_made(plan)}
