"""Input functions and parameters of the rules in brainscore.smk."""

from metamers.run.hashes import listing_sha256

# People of the benchmarks: published experiments, and own participants. Brain-Score's models look at images.
BENCHMARKS_PUBLISHED = plan.brainscore_experiments
BENCHMARKS_OWN = plan.brainscore_participants


def published_images():
    """The local folders that have images of published experiments."""
    return [
        plan.published_stimuli[name].folder for name in BENCHMARKS_PUBLISHED if plan.published_stimuli[name].has_images
    ]


def published_listing(wildcards):
    """Folder of published images → SHA-256 of its list of files.

    A parameter of the rules: the modification time of a folder, as an input, does not show files in its subfolders.
    """
    return {folder: listing_sha256(folder) for folder in published_images()}


def models_of_brainscore():
    """The models of images that metamers of the run are made of, or that recognize them."""
    used = dict.fromkeys([*plan.generation_models, *plan.recognition_models])
    return [model for model in used if MODALITIES[modality_of(model)].on_screen]


def metamers_shown(name):
    """The exported metamers that a group of own participants was shown."""
    return [f"results/<run>/exported/metamers/{model}" for model in shown_to(name)]


def benchmarks_with_images():
    """Names of the published experiments and groups of own participants whose images are on this machine."""
    return [name for name in BENCHMARKS_PUBLISHED if plan.published_stimuli[name].has_images] + BENCHMARKS_OWN
