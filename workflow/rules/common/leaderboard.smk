"""Input functions and parameters of the rules in leaderboard.smk."""

from metamers import __version__

# The settings on which answers and predictions depend. The entries of models and datasets that are used are recorded by
# their hashes.
RECORDED_SETTINGS = (
    *("run", "seed", "device", "human_data", "stimuli", "generation_models", "recognition_models", "training"),
    *("synthesis", "null", "acceptance", "recognition", "experiment"),
)
# The scripts that make what is predicted, what people are shown, and what their answers are counted by.
RECORDED_SCRIPTS = (
    *("stimuli/datasets", "synthesize/metamers", "synthesize/measure", "synthesize/export", "null/distribution"),
    *("null/acceptance", "recognize", "compare/recognizability", "compare/humans_vs_models", "compare/predicted_human"),
    *("experiment/folder", "humans/own_participants", "humans/answer_table"),
)
PUBLISHED_TABLES = [
    resolve_path(f"resources/published/{name}.csv")
    for name in ("group_results", "stage_depth", "natural_variance", "recognition_models")
]


def builders_of(models):
    """The user's own files that build the networks of several models, each once."""
    return list(dict.fromkeys(file for model in models for file in plan.models[model].python_files))


def models_of_entry(model):
    """A generation model, and the models that recognize its metamers."""
    return list(dict.fromkeys([model, *plan.recognition_models_of(model)]))


def people_of_entry(model):
    """The own participants who may have judged a model's metamers."""
    groups = plan.own_participants.items()
    return [f"results/<run>/humans/{name}.nc" for name, group in groups if group.modality == modality_of(model)]


def stimuli_of_entry(model):
    """The natural stimuli that a model is shown, as a list."""
    return [stimuli_of(model)]


# Kind of file → list, or input function that returns one: the files that the entry of a model is computed from.
ENTRY_FILES = {
    "stimuli": by("generation_model", stimuli_of_entry),
    "metamers": by("generation_model", metamers_of),
    "acceptance": ["results/<run>/acceptance/{generation_model}.nc"],
    "recognition": by("generation_model", recognition_of),
    "own_participants": by("generation_model", people_of_entry),
    "comparison": [
        f"results/<run>/comparison/{name}.nc" for name in ("leaderboard", "predicted_human", "recognizability")
    ],
    "published": PUBLISHED_TABLES,
    "weights": by("generation_model", files_of_models, models_of_entry),
}


def model_of_entry(model):
    """Parameter: a generation model, as its entry describes it."""
    return {
        "modality": modality_of(model),
        "stages": list(plan.models[model].stages),
        "published_as": plan.models[model].published_as,
        "categories": number_of_categories(plan.dataset_of[model]),
        "chance": 1 / number_of_categories(plan.dataset_of[model]),
    }


def registered_of_entry(model):
    """Parameter: the entries of the registries of models and datasets that the entry of a model depends on."""
    dataset = plan.dataset_of[model]
    return {
        "model": {name: architecture(name) for name in models_of_entry(model)},
        "dataset": {dataset: plan.datasets[dataset].parameters},
    }


def versions_of_entry(wildcards):
    """Parameter: the versions of the program, and of the code of the steps for the models of an entry."""
    entries = entries_of(models_of_entry(wildcards.generation_model))
    scripts = (*RECORDED_SCRIPTS, "leaderboard/ranking", "leaderboard/entry")
    return {
        "version": {"metamers": __version__},
        "code": {script: code_version(SCRIPTS / f"{script}.py", entries) for script in scripts},
    }
