"""The files that a run can retrieve."""

from pathlib import Path
from typing import Any

from metamers.config.archives import archive_path, extra_weights_item, retrieved_item
from metamers.config.experiments import human_collections
from metamers.config.tables import read_table, stimulus_table
from metamers.plan.plan import Plan


def collections(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """The files that a run can retrieve: name of the collection (a folder) → files as ``metamers.retrieve`` takes them.

    The collections are the weights of the run's models and of the model of the model card, the files of its datasets
    that are not in a folder already, and the public data of the published human experiments. A run with
    ``human_data: summary`` does not retrieve these unless they are requested.
    """
    items_of: dict[str, list[dict[str, Any]]] = {}
    checkpoints = {f"weights/{model}": plan.models[model].weights for model in plan.dataset_of}
    checkpoints |= {f"frozen/{model}": how.frozen for model, how in plan.training.items() if how.frozen}
    for collection, weights in checkpoints.items():
        parts = [retrieved_item(weights, plan.archives), extra_weights_item(weights, plan.archives)]
        if items := [item for item in parts if item]:
            items_of[collection] = items
    for dataset in plan.used_datasets:
        entry = plan.datasets[dataset]
        files = entry.files or {}
        if "package" in files:
            items_of[f"datasets/{dataset}"] = [
                {"name": row["file"], "package": files["package"], "file": f"{files['folder']}/{row['file']}"}
                for row in {row["file"]: row for row in stimulus_table(dataset, entry.parameters)}.values()
            ]
        elif "archive" in files:
            path = archive_path(files["archive"], plan.archives)
            item = {"name": Path(files["file"]).name} if "file" in files else {}
            item |= {"archive": path} | {key: files[key] for key in ("file", "folder") if key in files}
            items_of[f"datasets/{dataset}"] = [item]
        elif "url" in files and entry.table:
            hashes = {row["file"]: row["sha256"] for row in read_table(entry.table, ["file", "sha256"])}
            items_of[f"datasets/{dataset}"] = [
                {"name": file, "url": f"{files['url']}/{file}", "sha256": sha256} for file, sha256 in hashes.items()
            ]
    return items_of | human_collections(
        plan.published.source, plan.published.experiments, plan.published.judgements, plan.published.brains
    )
