"""Brain-Score: participants' recognition of metamers as benchmarks, and the run's models as models, in one plugin."""

from metamers.brainscore.metadata import model_metadata
from metamers.brainscore.targets import models_of_brainscore
from metamers.run.hashes import listing_sha256

# Participants of the benchmarks: published experiments, and own participants. Brain-Score's models look at images.
BENCHMARKS_PUBLISHED = plan.brainscore_experiments
BENCHMARKS_OWN = plan.brainscore_participants
CANDIDATES = list(models_of_brainscore(plan))


def published_images():
    """The local folders that have images of published experiments."""
    return [
        plan.published.stimuli[name].folder for name in BENCHMARKS_PUBLISHED if plan.published.stimuli[name].has_images
    ]


def published_listing(wildcards):
    """Folder of published images → SHA-256 of its list of files.

    A parameter of the rules: the modification time of a folder, as an input, does not show files in its subfolders.
    """
    return {folder: listing_sha256(folder) for folder in published_images()}


def metadata_of_models(wildcards):
    """What the plugin says of its models. A function, because a run without Brain-Score may have what it refuses."""
    return model_metadata(plan.settings.run, models_of_brainscore(plan))


def metamers_shown(name):
    """The exported metamers that a group of own participants was shown."""
    return [f"results/<run>/exported/metamers/{model}" for model in shown_to(name)]


rule brainscore_plugin:
    input:
        required("brainscore"),
        published=[f"results/<run>/humans/{name}.nc" for name in BENCHMARKS_PUBLISHED],
        own=[f"results/<run>/humans/{name}.nc" for name in BENCHMARKS_OWN],
        designs=[design_of(name) for name in BENCHMARKS_OWN],
        tables=local(
            [
                table
                for name in BENCHMARKS_PUBLISHED
                for table in (plan.published.stimuli[name].table, plan.published.stimuli[name].categories)
            ]
        ),
        categories=[categories_of(model) for model in CANDIDATES],
        images=local(published_images()),
        metamers=[folder for name in BENCHMARKS_OWN for folder in metamers_shown(name)],
    output:
        directory("results/<run>/brainscore/plugin"),
    log:
        "results/<run>/logs/brainscore_plugin.log",
    benchmark:
        "results/<run>/benchmarks/brainscore_plugin.tsv"
    params:
        **step("brainscore/plugin"),
        experiments={name: plan.published.experiments[name].parameters for name in BENCHMARKS_PUBLISHED},
        stimuli={name: plan.published.stimuli[name].parameters for name in BENCHMARKS_PUBLISHED},
        published_categories=sorted({entry.categories for entry in plan.published.stimuli.values()}),
        own_participants={
            name: {"dataset": plan.dataset_of[first_shown_to(name)], "entry": dataset_params(first_shown_to(name))}
            for name in BENCHMARKS_OWN
        },
        metamers=f"{RUN}/exported/metamers",
        published_listing=published_listing,
        models={
            model: {
                "model": architecture(model),
                "weights_file": weights_file(model),
                "dataset": plan.dataset_of[model],
                "entry": dataset_params(model),
                "vocabulary": plan.vocabulary_of(model),
            }
            for model in CANDIDATES
        },
        metadata=metadata_of_models,
    resources:
        **needs("brainscore_plugin"),
    conda:
        ENVIRONMENT
    message:
        "Writing human recognition and models as a plugin of Brain-Score"
    script:
        SCRIPTS / "brainscore/plugin.py"


def benchmarks_with_images():
    """Names of the published experiments and groups of own participants whose images are on this machine."""
    return [name for name in BENCHMARKS_PUBLISHED if plan.published.stimuli[name].has_images] + BENCHMARKS_OWN


rule brainscore_score:
    input:
        required("brainscore_score"),
        plugin=rules.brainscore_plugin.output,
        models=files_of_models(CANDIDATES),
        images=local(published_images()),
        metamers=rules.brainscore_plugin.input.metamers,
    output:
        "results/<run>/brainscore/scores.nc",
    log:
        "results/<run>/logs/brainscore_score.log",
    benchmark:
        "results/<run>/benchmarks/brainscore_score.tsv"
    params:
        **step("brainscore/score"),
        own=BENCHMARKS_OWN,
        groups=benchmarks_with_images(),
        models=CANDIDATES,
        published_listing=published_listing,
    resources:
        **needs("brainscore_score", workload.forward_passes(CANDIDATES, 1000), gpus()),
    conda:
        ENVIRONMENT
    message:
        "Scoring models with the packages of Brain-Score"
    script:
        SCRIPTS / "brainscore/score.py"


rule brainscore:
    input:
        rules.brainscore_plugin.output,
