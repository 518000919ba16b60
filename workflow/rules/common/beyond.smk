"""Input functions and parameters of the rules in beyond.smk."""


def members_of_set(name):
    """The models that a set of metamers is matched to."""
    return list(SETS[name].members)


def first_member(name):
    """The model whose input size or sampling rate a set of metamers has."""
    return members_of_set(name)[0]


def target_errors_of_set(name):
    """Member → stage → the normalized error at which synthesis ends; null for none."""
    members = SETS[name].members
    return {model: {stage: plan.target_error_of(model, stage) for stage in members[model]} for model in members}


def files_of_set(name):
    """The files that the models of a set are built from."""
    return files_of_models(members_of_set(name))


def references_of_set(name):
    """The paper that a set's method is from."""
    return REFERENCES[SETS[name].part]


def beyond_recognition_models(modality):
    """The recognition models that answer to a modality's sets."""
    return BEYOND_RECOGNITION_MODELS[modality]


def members_in(kind):
    """Parameter: the models that the set of a kind is matched to, in the modality of the wildcard."""
    return by("beyond_modality", lambda modality: members_of_set(f"{kind}_{modality}"))


def of_members(folder, kind):
    """Input function: the run's files of the models that ``members_in`` gives."""
    return collect(f"results/<run>/{folder}/{{model}}.nc", model=members_in(kind))


def recognition_in_run(models):
    """Input function: what the recognition models of the extensions answer to the run's own metamers of some models."""
    return collect(
        "results/<run>/recognition/{model}/{recognition_model}.nc",
        model=models,
        recognition_model=by("beyond_modality", beyond_recognition_models),
    )


def metamers_compared_with_starts(wildcards):
    """Input function: the run's own metamers at the stages at which those from other starts are made."""
    model = wildcards.started_model
    stages = SETS[f"starts_{model}"].members[model]
    return [file for stage in stages for file in metamers_at(model, stage_path(stage))]


def sensing_models(modality):
    """The models whose sensitivities are compared, in the order of the plan."""
    return list(SENSITIVITY[modality].stages)


def first_sensing_model(modality):
    """The model whose input size or sampling rate the distortions of a modality have."""
    return sensing_models(modality)[0]


def judges_of_distorted(modality):
    """Generation model with distortions → the other recognition models of its metamers."""
    return {model: plan.other_recognition_models(model) for model in SENSITIVITY[modality].generation_models}


def recognition_of_distorted(modality):
    """What these recognition models answer to the run's metamers, in this order."""
    return [
        f"results/<run>/recognition/{model}/{judge}.nc"
        for model, judges in judges_of_distorted(modality).items()
        for judge in judges
    ]


def length_of_distortions(modality):
    """Root mean square of exported distortions."""
    return SENSITIVITY[modality].length


def explored_sets(model):
    """Parameter: what is found about the metamer sets of a model."""
    return METAMER_SETS[model].of_model(model)


def models_of_explored(model):
    """The model whose metamer sets are explored, then the other models of its modality."""
    return list(explored_sets(model)["stages"])


def quick_settings(model):
    """Settings of the search for the two most different metamers: those of quality ``quick``, without its steps."""
    return {
        key: value for key, value in plan.synthesis_of(model, "quick").items() if key not in ("steps", "low_precision")
    }
