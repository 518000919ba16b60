"""Make model_cards/<model>.nc and .html: whether metamers can be made of a model, and what that would take."""

from metamers.run.job import log_results_to, save

import numpy as np
import xarray as xr

from metamers.config.tables import category_classes
from metamers.modalities import MODALITIES, sampling_of
from metamers.model_card import card as model_card
from metamers.model_card.files import CARD
from metamers.models.batches import CPU_BATCH_SIZE
from metamers.models.classes import class_scores
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.model import activations, fit_dataset, fit_stimuli
from metamers.models.stability import stability_problems
from metamers.report.render import render
from metamers.report.verdicts import missing_evidence
from metamers.run import files
from metamers.stimuli.formats import FORMATS
from metamers.stimuli.labels import select_stimuli
from metamers.synthesize.metamers import starts
from metamers.train.readout import refusal

logger = log_results_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.config["model"], snakemake.params
settings, entry = params.settings | {"modality": params.model["modality"]}, params.model
absent = model_card.absent_stages(name, entry)
there = {stage: module for stage, module in entry["stages"].items() if stage not in absent}
device = choose_device(snakemake.config["device"])
model = load_model(name, entry | {"stages": there}, params.weights_file, device)
shape = model.preprocessing.signal_shape
stimuli = files.load(snakemake.input.stimuli)
exported = FORMATS[model.modality].as_exported(stimuli["stimulus_value"].values)
natural = fit_stimuli(model, exported, sampling_of(stimuli.attrs))

# Costs first, while this process has little memory of its own and has computed nothing.
batch = settings["stimuli"][:CPU_BATCH_SIZE]
own = fit_dataset(model, select_stimuli(stimuli, batch))
own = own.repeat_interleave(settings["seeds"], dim=0)
start = starts(model, batch, range(settings["seeds"]), params.run_seed)
costs = {stage: model_card.cost(model, stage, own, start) for stage in there}
place = model_card.places(model, natural[:1])
rows = []
for stage in entry["stages"]:
    row = {"place": place.get(stage, -1), "units": 0, "step_seconds": np.nan, "peak_memory": np.nan}
    row["problem"] = absent.get(stage) or model_card.stage_problem(model, stage, natural[:2])
    if not row["problem"]:
        row |= costs[stage] | {"units": activations(model, natural[:1], stage).size}
        row["problem"] = "" if row["step_seconds"] > 0 else model_card.NOT_SURVIVED
    logger.info("%s %s: %s", name, stage, row["problem"] or f"{row['step_seconds']:.3f} s a step")
    rows.append(row)

findings = [model_card.order_problem(place)] if model_card.order_problem(place) else []
differences = dict.fromkeys(("repeat_difference", "batch_difference"), np.nan)
classes = category_classes(settings["dataset"], settings["dataset_entry"])
named = {"top_1": np.nan, "forced_choice": np.nan, "categories": len(classes), "natural_stimuli": len(natural)}
try:
    differences = model_card.score_stability(model, natural[:8])
    findings += stability_problems(differences)
    if model.classes:
        named = model_card.accuracy(class_scores(model, natural), stimuli["category"].values, classes, name)
        findings += model_card.accuracy_problems(named)
except ValueError as error:
    findings.append(f"{error}.")
path = snakemake.input.get("readout")
readout = files.load(path) if path else None
if readout is not None and (reason := refusal(readout, name)):
    findings.append(f"{reason}.")
card = xr.Dataset(
    {key: ("stage", np.array([row[key] for row in rows])) for key in rows[0]}
    | {"parameters": sum(parameter.numel() for parameter in model.network.parameters()), **differences, **named},
    coords={"stage": list(entry["stages"])},
    attrs={
        "model": name,
        "category_noun": stimuli.attrs.get("category_noun", MODALITIES[model.modality].category_noun),
        "findings": "\n".join(findings),
        "batch": len(start),
        "device": str(device),
    },
)
card = card.assign(model_card.run_estimate(card, settings, len(start), int(np.prod(shape))))
for finding in findings:
    logger.info("%s: %s", name, finding)
save(
    snakemake,
    card,
    snakemake.output.netcdf,
    declared=CARD,
    title=f"Model card of {name}",
    source=f"the model, shown the natural stimuli of {settings['dataset']}",
    references="; ".join(params.references) or files.STUDY,
)
context = model_card.page_context(card, entry, settings, snakemake.config["run"], readout)
planned = model_card.planned_verdict(settings)
context |= {
    "missing": missing_evidence(planned, MODALITIES[model.modality].stimuli),
    "decides": "match" not in planned.missing,
    "quality": settings["quality"],
}
text = render("model_card.html.j2", context)
files.write(snakemake.output.page, text)
