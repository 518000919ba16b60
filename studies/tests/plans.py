"""The plan of a run of a study, and of the study, from its committed configuration."""

from pathlib import Path
from typing import Any

from metamers.config.read import read_yaml
from metamers.plan.plan import Plan, make_plan
from metamers.plan.steps import merge_defaults
from studies.plan import Studies, plan_studies


def planned(root: Path, name: str, settings: Any = None, **changed: Any) -> tuple[Plan, Studies]:
    """Both plans of ``studies/config/<name>.yaml``, with other settings of the studies or other keys."""
    path = root / "studies" / "config" / f"{name}.yaml"
    given = {**read_yaml(path), **changed}
    of_studies = given.pop("benchmark", {}) if settings is None else settings
    config = merge_defaults(given)
    return plan_studies(of_studies, make_plan(config, [path]))
