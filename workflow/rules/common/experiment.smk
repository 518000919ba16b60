"""Input functions and parameters of the rules in experiment.smk."""


def icon_files():
    """Files in the folder of icons, if the online experiment has one."""
    folder = plan.experiment.icons
    return sorted(map(str, Path(resolve_path(folder)).glob("*.*"))) if folder else []


def first_shown(modality):
    """The first generation model of an experiment, whose dataset the experiment shows."""
    return next(iter(plan.experiment_stages[modality]))


def every_experiment(_wildcards):
    """Input function: the experiments of the run, at least one."""
    plan.check_target("experiment")
    return EXPERIMENT
