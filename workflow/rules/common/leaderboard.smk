"""Input functions and parameters of the rules in leaderboard.smk."""


def builders_of(models):
    """The user's own files that build the networks of several models, each once."""
    return list(dict.fromkeys(file for model in models for file in plan.models[model].python_files))
