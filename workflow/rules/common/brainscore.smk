"""Input functions and parameters of the rules in brainscore.smk."""

# People of the benchmarks: published experiments, and own participants. Brain-Score's models look at images.
BENCHMARKS_PUBLISHED = plan.brainscore_experiments
BENCHMARKS_OWN = plan.brainscore_participants


def published_images():
    """The local folders of images of published experiments, where there are any."""
    return [path for name in BENCHMARKS_PUBLISHED if Path(path := plan.published_stimuli[name].folder).is_dir()]


def models_of_brainscore():
    """The models of images that metamers of the run are made of, or that recognize them."""
    used = dict.fromkeys([*plan.generation_models, *plan.recognition_models])
    return [model for model in used if MODALITIES[modality_of(model)].on_screen]


def metamers_shown(name):
    """The exported metamers that a group of own participants was shown."""
    return [f"results/<run>/exported/metamers/{model}" for model in shown_to(name)]


def benchmarks_with_images():
    """Names of the groups of people whose images are on this machine."""
    folders = published_images()
    return [name for name in BENCHMARKS_PUBLISHED if plan.published_stimuli[name].folder in folders] + BENCHMARKS_OWN
