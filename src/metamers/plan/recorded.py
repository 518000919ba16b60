"""Settings, registry entries and code versions that frozen predictions and leaderboard entries record."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from metamers import __version__
from metamers.plan.plan import Plan
from metamers.run.code_version import code_version

# Keys of the configuration. The entries of models and datasets that are used are recorded by their hashes.
RECORDED_KEYS = (
    *("run", "seed", "device", "human_data", "stimuli", "generation_models", "recognition_models", "training"),
    *("synthesis", "null", "acceptance", "recognition", "experiment"),
)
# The scripts that make what is predicted, what participants are shown, and what their answers are counted by.
RECORDED_STEPS = (
    *("stimuli/datasets", "synthesize/metamers", "synthesize/measure", "synthesize/export", "null/distribution"),
    *("null/acceptance", "recognize/natural", "recognize", "compare/recognizability", "compare/humans_vs_models"),
    *("compare/predicted_human", "experiment/folder", "humans/own_participants", "humans/answer_table"),
)


def recorded_settings(config: Mapping[str, Any], *further: str) -> dict[str, Any]:
    """The recorded settings of a configuration: those of ``RECORDED_KEYS``, and of further keys."""
    return {key: config[key] for key in (*RECORDED_KEYS, *further)}


def recorded_entries(plan: Plan, models: Iterable[str], datasets: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The recorded parts of the registries: kind → name → entry."""
    readouts = {name: {"readout": readout.parameters} for name, readout in plan.readouts.items()}
    return {
        "model": {name: plan.models[name].parameters | readouts.get(name, {}) for name in models},
        "dataset": {name: plan.datasets[name].parameters for name in datasets},
    }


def recorded_versions(
    scripts: Path, further: Iterable[str], entries: Iterable[Mapping[str, Any]] | None
) -> dict[str, dict[str, str]]:
    """The recorded versions: kind (``version`` of the program, ``code`` of steps) → name → version.

    Parameters
    ----------
    scripts
        The folder of the scripts.
    further
        Steps in addition to ``RECORDED_STEPS``.
    entries
        Entries of the models with which the steps compute, as for ``code_version``.
    """
    used = None if entries is None else list(entries)
    return {
        "version": {"metamers": __version__},
        "code": {step: code_version(scripts / f"{step}.py", used) for step in (*RECORDED_STEPS, *further)},
    }
