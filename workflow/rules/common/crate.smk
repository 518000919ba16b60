"""Parameters of the rule in crate.smk."""


def answers_of_participants():
    """Beginnings of the paths of files with answers of own participants, relative to the run's folder."""
    return [place for name in plan.own_participants for place in (f"humans/{name}.nc", f"humans/bids/{name}/")]
