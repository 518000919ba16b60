"""Results of the published data alone that the package has computed before, for runs with the same settings.

``resources/published/precomputed/`` has these files, and what they were computed from: the settings, and the SHA-256 of
the tables. A run takes a file if its own settings and tables are the same. Otherwise it computes the result. The
version of the code does not count: ``tests/workflow/test_precomputed.py`` computes the results again.
``studies/precomputed.py`` makes the files.
"""

import json
from pathlib import Path
from typing import Any

from metamers.config.read import resolve_path
from metamers.plan.plan import Plan
from metamers.run.hashes import sha256_of

PUBLISHED_FOLDER = "resources/published"
FOLDER = "precomputed"
RECORD = "made_from.json"

# Result → the tables that it is computed from.
TABLES = {
    "humans_vs_models": ("group_results.csv", "noise_ceiling.csv", "recognition_models.csv"),
    "passes": ("natural_difference.csv", "natural_variance.csv", "stage_depth.csv"),
    "power": ("group_results.csv", "participant_variance.csv"),
}


def published_settings(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return result → the settings that it depends on, as parameters of its rule."""
    return {
        "humans_vs_models": {
            "recognition_models": {
                modality: {"public": len(entry.models), **entry.published}
                for modality, entry in plan.published.judgements.items()
            }
        },
        "passes": {},
        "power": {
            "settings": plan.settings.comparison.power.parameters,
            "permutations": plan.settings.comparison.permutations,
            "run_seed": plan.settings.seed,
        },
    }


def made_from(plan: Plan, tables: Path) -> dict[str, dict[str, Any]]:
    """Return result → ``settings``, and SHA-256 of the ``tables`` in a folder, as plain data."""
    hashes = {path.name: sha256_of(path) for path in tables.glob("*.csv")}
    made = {
        result: {"settings": settings, "tables": {name: hashes.get(name) for name in TABLES[result]}}
        for result, settings in published_settings(plan).items()
    }
    return dict(json.loads(json.dumps(made)))


def precomputed_files(plan: Plan) -> dict[str, Path]:
    """Return name → path, of the files that are what this run would compute.

    There are none with ``human_data: participants``, and none of a result with other settings or tables, or with a file
    that is missing or has changed.
    """
    folder = Path(resolve_path(PUBLISHED_FOLDER)) / FOLDER
    if plan.settings.human_data == "participants" or not (folder / RECORD).is_file():
        return {}
    recorded = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    usable: dict[str, Path] = {}
    for result, made in made_from(plan, folder.parent).items():
        files = recorded.get(result, {}).get("files", {})
        unchanged = all((folder / name).is_file() and sha256_of(folder / name) == files[name] for name in files)
        if unchanged and recorded.get(result) == made | {"files": files}:
            usable |= {name: folder / name for name in files}
    return usable
