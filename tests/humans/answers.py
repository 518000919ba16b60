"""The design of a small experiment, and files of answers to it as its page writes them."""

import csv
import json
from pathlib import Path

from metamers.humans.design import experiment_design
from tests.configurations import practice

NATURAL_STIMULI = {f"s{n}": "ab"[n % 2] for n in range(11)}
MAIN = [f"s{n}" for n in range(9)]
CONDITIONS = {("m", "one"): 0, ("m", "two"): 1, ("k", "one"): 0}
CATEGORIES = {"a", "b"}
PRACTICE = practice(2, feedback=1, metamers=1)


def small_design():
    metamers = dict.fromkeys(MAIN, CONDITIONS)
    made = experiment_design(NATURAL_STIMULI, metamers, list(CONDITIONS), PRACTICE, ["a", "b"], 8, 0)
    return made.assign_attrs(design="d0", headphone_trials=1)


def rows_of(design, name, order, knows=lambda exhibit: True, trials=None):
    """The rows that the page writes for a participant who passes the checks."""
    own = {"participant": name, "order": order, "design": design.attrs["design"]}
    rows = [{"trial_type": "html-button-response", "rt": 5, **own}]  # an instruction
    rows += [{"step": "consent", "kind": "consent", "answer": "yes", **own}]
    rows += [{"step": "headphones-0", "kind": "headphones", "answer": "2", "target": "2", **own}]
    for trial, number in enumerate(design["shown"].values[order][:trials]):
        exhibit = design.isel(exhibit=int(number))
        category = str(exhibit["category"].item())
        answer = category if knows(exhibit) else "ab"["ba".index(category)]
        file = f"{exhibit['exhibit'].item()}.wav"
        rows.append({"step": f"trial-{trial}", "kind": "main", "exhibit": file, "answer": answer, "rt": 512.25, **own})
    return rows


def write(path: Path, rows):
    if path.suffix == ".csv":
        columns = list(dict.fromkeys(key for row in rows for key in row))
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, columns, quoting=csv.QUOTE_ALL)  # as jsPsych does
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text(json.dumps(rows), encoding="utf-8")
    return path
