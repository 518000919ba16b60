"""The design of a small adaptive experiment, and participants whose recognition falls from stage to stage."""

from metamers.humans.design import experiment_design
from metamers.humans.stimulus_selector import adaptive_attributes

NAMES = [f"item_{number:02d}" for number in range(24)]
CATEGORIES = {name: "abcd"[number % 4] for number, name in enumerate(NAMES)}
STAGES = {"first": ["one", "two", "three"], "second": ["one", "two", "three"]}
SETTINGS = {"question": "difference", "interval": 0.8, "bayes_factor": None, "participants": 2, "trials": None}
AT_LEAST = {"headphones": 0, "practice": 1, "catch": 1}


def designed(stages=STAGES, trials=100, **changed):
    conditions = [(model, stage) for model, own in stages.items() for stage in own]
    metamers = {name: dict.fromkeys(conditions, 0) for name in NAMES}
    practice = {"feedback": 1, "trials": 2, "metamers": 1, "at_least": 1}
    design = experiment_design(CATEGORIES, metamers, conditions, practice, ["a", "b"], 3, 0, chosen=trials)
    attributes = adaptive_attributes(SETTINGS | changed, stages, 4, 0.3, AT_LEAST)
    return design.assign_attrs(attributes, design="d", headphone_trials=0)


def falling(condition):
    model, stage = condition
    return {"": 0.97, "one": 0.9, "two": 0.6 if model == "first" else 0.3, "three": 0.15}.get(stage, 0.97)
