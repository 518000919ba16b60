"""Changes of configurations and registries, for tests of settings."""

import json

import pytest
import yaml

from metamers.config import read as config_read
from metamers.names import ConfigurationError
from metamers.plan import plan as config
from metamers.plan.steps import merge_defaults

ADAPTIVE = {"question": "difference", "interval": 0.8, "bayes_factor": None, "participants": 4, "trials": None}


def practice(trials: int, feedback: int = 0, metamers: int = 0, at_least: int = 0) -> dict[str, int]:
    """``experiment.<modality>.practice``."""
    return {"feedback": feedback, "trials": trials, "metamers": metamers, "at_least": at_least}


def with_registry(settings, tmp_path, which, change):
    """The settings with one registry changed by ``change``; models that neither is about are left out, to be quick."""
    path = settings["registry"][which]
    entries, before = config_read.read_yaml(path), config_read.read_yaml(path)
    change(entries)
    if which == "models":
        named = json.dumps(settings)
        entries = {name: entry for name, entry in entries.items() if entry != before.get(name) or f'"{name}"' in named}
    path = tmp_path / f"{which}.yaml"
    path.write_text(yaml.safe_dump(entries, sort_keys=False))
    return settings | {"registry": settings["registry"] | {which: str(path)}}


def change(path, value):
    """A change of one key, as a function of the settings."""
    *folders, last = path.split(".")

    def apply(settings):
        place = settings
        for folder in folders:
            place = place[folder]
        place[last] = value

    return apply


def table(tmp_path, name, text):
    """Write a table, or the categories, of a dataset; return its path."""
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def check_refused(settings, change, message):
    """Check that the settings, changed by ``change``, are refused with this message."""
    change(settings)
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(settings)


def of_digits(root, **changes):
    """The plan of config/digits.yaml with some keys changed."""
    path = root / "config" / "digits.yaml"
    return config.make_plan(merge_defaults(config_read.read_yaml(path) | changes), [path])


def with_input_stages_only(settings):
    stages = [{"model": "efficientnet_lite0", "stages": ["input"]}]
    settings.update(generation_models=stages, recognition_models=["efficientnet_lite0", "efficientnet_lite1"])
    settings["comparison"]["contrasts"] = []
