"""Make the report: its pages, and what they load, out of a run's files and figures."""

from pathlib import Path

import vl_convert

from metamers import files
from metamers.logs import log_to
from metamers.models import use_threads
from metamers.pages import SITE
from metamers.report import model_context, site, site_context
from metamers.report_browser import as_script
from metamers.report_charts import (
    brain_chart,
    contrasts_chart,
    match_chart,
    metamers_chart,
    published_chart,
    recognizability_chart,
)
from metamers.report_figures import svg
from metamers.report_overview import overview_figure
from metamers.report_points import (
    brain_points,
    contrast_points,
    match_points,
    published_points,
    recognizability_points,
)
from metamers.report_provenance import provenance
from metamers.report_steps import run_times, steps_figure, steps_of, steps_table, times_table

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
given, params = snakemake.input, snakemake.params
index, assets = Path(snakemake.output.pages[0]), Path(snakemake.output.assets)
compared = {Path(path).stem: files.load(path) for path in given.comparison}
relation, contrasts = compared["humans_vs_models"], compared.get("contrasts")
acceptance = {Path(path).stem: files.load(path) for path in given.acceptance}
nulls = {Path(path).stem: files.load(path) for path in given.nulls}
brain = {Path(path).stem: files.load(path) for path in given.brain}
people = {Path(path).stem: files.load(path) for path in given.people}

# Points and charts.
charts, points = {}, []
if params.models:
    points = recognizability_points(params.models, compared["recognizability"], compared["predicted_human"])
    charts["match"] = match_chart(match_points(params.models, acceptance, nulls))
    charts["metamers"] = metamers_chart()
for modality in relation["modality"].values:
    entries = {name: entry for name, entry in params.models.items() if entry["modality"] == modality}
    of_modality = [point for point in points if point["model"] in entries]
    if entries:
        chance = 1 / next(iter(entries.values()))["categories"]
        charts[f"recognizability_{modality}"] = recognizability_chart(of_modality, modality, chance)
    published = published_points(relation, modality, of_modality)
    charts[f"humans_vs_models_{modality}"] = published_chart(published, relation, modality)
if contrasts is not None:
    charts["contrasts"] = contrasts_chart(contrast_points(contrasts))
if brain:
    charts["brain"] = brain_chart(brain_points(brain, params.models))

# Figures of the whole run.
origin = provenance([path for path in given if path.endswith(".nc")])
steps, times = steps_of(origin["derived"]), run_times(params.benchmarks)
files.write(snakemake.output.steps, svg(steps_figure(steps, times)))
for path in snakemake.output.overview:
    files.write(path, svg(overview_figure(points, params.models, relation)))

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
pages = site(
    site_context(
        run=snakemake.config["run"],
        pages=[Path(path).stem for path in snakemake.output.pages],
        linked=[Path(path).stem for path in given.linked],
        models=models,
        judges=params.judges,
        relation=relation,
        anova=compared.get("anova"),
        people=people,
        people_compared=compared.get("people_vs_models"),
        contrasts=contrasts,
        power=compared["power"],
        trained={Path(path).stem: files.load(path) for path in given.training},
        unheard_voices=params.unheard_voices,
        vulnerability={Path(path).stem: files.load(path) for path in given.vulnerability},
        brain=brain,
        figures=[Path(path).stem for path in given.figures],
        charts=charts,
        captions=params.captions,
        origin=origin,
        steps={"table": steps_table(steps), "times": times_table(times)},
        configuration=params.configuration,
    )
)
for name, page in pages.items():
    files.write(index.with_name(f"{name}.html"), page)
for path in [*SITE.glob("*.js"), *SITE.glob("*.css")]:
    files.write(assets / path.name, path.read_bytes())
files.write(assets / "points.js", as_script("metamers.loadCharts", charts))
files.write(assets / "vega.js", vl_convert.javascript_bundle())
logger.info("%s: %d pages, %d charts", index, len(pages), len(charts))
