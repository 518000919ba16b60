"""Make the report, pages and their assets, from the files and figures of a run."""

from metamers.run.job import log_to

from pathlib import Path

import xarray as xr

from metamers.report.browser import as_script
from metamers.report.charts import (
    contrasts_chart,
    match_chart,
    metamers_chart,
    published_chart,
    recognizability_chart,
)
from metamers.report.example_stimuli import adversarially_trained, example, example_model, remedies, remedy
from metamers.report.figures import svg
from metamers.report.findings import findings
from metamers.report.looks import looks_of
from metamers.report.overview import overview_figure
from metamers.report.pages import model_context, site, site_context
from metamers.report.points import contrast_points, match_points, published_points, recognizability_points
from metamers.report.provenance import page_provenance
from metamers.report.steps import run_times, steps_figure, steps_of, steps_table, times_table
from metamers.report.target import target_figure
from metamers.run import files

logger = log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
looks = looks_of(params.model_order)
index = Path(snakemake.output.pages[0])
compared = files.load_by_stem(inputs.comparison)
relation, contrasts = compared["humans_vs_models"], compared.get("contrasts")
acceptance = files.load_by_stem(inputs.acceptance)
nulls = files.load_by_stem(inputs.nulls)
brain = files.load_by_stem(inputs.brain)
own_participants = files.load_by_stem(inputs.own_participants)
adaptive = files.load_by_stem(inputs.adaptive)

# Points and charts.
charts, points = {}, []
if params.models:
    points = recognizability_points(params.models, compared["recognizability"], compared["predicted_human"])
    charts["match"] = match_chart(match_points(params.models, acceptance, nulls), looks)
    charts["metamers"] = metamers_chart()
for modality in relation["modality"].values:
    entries = {name: entry for name, entry in params.models.items() if entry["modality"] == modality}
    of_modality = [point for point in points if point["model"] in entries]
    if entries:
        chance = 1 / next(iter(entries.values()))["categories"]
        charts[f"recognizability_{modality}"] = recognizability_chart(of_modality, modality, chance, looks)
    published = published_points(relation, modality, of_modality)
    charts[f"humans_vs_models_{modality}"] = published_chart(published, relation, modality, looks)
if contrasts is not None:
    charts["contrasts"] = contrasts_chart(contrast_points(contrasts))

# Examples, which need the recognition files of a few models only.
trained = files.load_by_stem(inputs.training)


def answers(model: str) -> dict[str, xr.Dataset]:
    """Recognition model → its answers to the metamers of a model."""
    return files.load_by_stem(path for path in inputs.recognition if Path(path).parent.name == model)


examples = {}
for modality in dict.fromkeys(entry["modality"] for entry in params.models.values()):
    name = example_model(params.models, modality)
    examples[modality] = example(name, modality, acceptance[name], answers(name))
shown_remedies = []
if contrasts is not None:
    for contrast in remedies(contrasts, adversarially_trained(params.models, trained, relation)):
        one = contrasts.sel(contrast=contrast)
        pair = [str(one[name].values) for name in ("model", "reference")]
        modality = params.models[pair[0]]["modality"]
        shown_remedies.append(remedy(one, modality, acceptance, {model: answers(model) for model in pair}))

# Figures of the whole run.
origin = page_provenance([path for path in inputs if path.endswith(".nc")], Path(params.benchmarks).parent)
steps, times = steps_of(origin["derived"]), run_times(params.benchmarks)
files.write(snakemake.output.steps, svg(steps_figure(steps, times)))
for path in snakemake.output.overview:
    files.write(path, svg(overview_figure(points, params.models, relation, looks)))
for path in snakemake.output.target:
    files.write(path, svg(target_figure(acceptance, params.models, looks)))

models = [
    model_context(
        model,
        entry,
        acceptance[model],
        nulls[model],
        compared["recognizability"],
        compared["predicted_human"],
    )
    for model, entry in params.models.items()
]
context = site_context(
    run=snakemake.config["run"],
    pages=[Path(path).stem for path in snakemake.output.pages],
    linked=params.linked,
    models=models,
    examples=examples,
    remedies=shown_remedies,
    recognition_models=params.recognition_models,
    relation=relation,
    recognizable=compared.get("recognizability"),
    error_consistency=compared.get("error_consistency"),
    anova=compared.get("anova"),
    own_participants=own_participants,
    adaptive=adaptive,
    own_participants_compared=compared.get("own_participants_vs_models"),
    own_participants_consistency=compared.get("own_participants_consistency"),
    preregistered=compared.get("preregistered"),
    contrasts=contrasts,
    criterion=compared.get("criterion"),
    power=compared["power"],
    trained=trained,
    unheard_voices=params.unheard_voices,
    readouts=files.load_by_stem(inputs.readouts),
    vulnerability=files.load_by_stem(inputs.vulnerability),
    brain=brain,
    similarity=files.load_by_stem(inputs.similarity),
    figures=[Path(path).stem for path in inputs.figures],
    charts=charts,
    captions=params.captions,
    origin=origin,
    steps={"table": steps_table(steps), "times": times_table(times)},
    synthesis=params.synthesis,
    configuration=params.configuration,
    left_out=params.left_out,
)
for name, page in site(context).items():
    files.write(index.with_name(f"{name}.html"), page)
compared_models = context["contrasts"]["sentences"] if context["contrasts"] else []
sentences = findings(context["results"], compared_models, context["relation"])
files.write(snakemake.output.findings, "".join(f"{sentence}\n" for sentence in sentences))
files.write(snakemake.output.points, as_script("metamers.loadCharts", charts))
logger.info("%s: %d pages, %d charts", index, len(context["pages"]), len(charts))
