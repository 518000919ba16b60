"""Draw all figures of one generation model: recognizability, answers, null distribution, and loss."""

from metamers.run.job import log_to

import numpy as np

from metamers.humans.summary import COLUMNS, read_results
from metamers.report.confusion import confusion, confusion_figure, shown_stages
from metamers.report.figures import errors_by_step, loss_figure, svg
from metamers.report.looks import looks_of
from metamers.report.model_figures import null_figure, recognizability_figure, recognizability_series
from metamers.run import files

log_to(snakemake.log[0])
name, model, inputs = snakemake.wildcards.generation_model, snakemake.params.model, snakemake.input
acceptance = files.load(inputs.acceptance)
accepted = acceptance["accepted"]
recognition = files.load_by_stem(inputs.recognition)
looks = looks_of(snakemake.params.model_order)
errors: dict[str, list[np.ndarray]] = {}
for path in inputs.metamers:
    with files.open_dataset(path) as batch:  # opened, not loaded: the metamers themselves are large
        loss, last = batch["loss"].values.reshape(-1, batch.sizes["step"]), batch["normalized_error"].values.ravel()
        errors.setdefault(batch.attrs["stage"], []).append(errors_by_step(loss, last))
recognizable = files.load(inputs.recognizability)
series = recognizability_series(
    name,
    recognizable,
    files.load(inputs.predicted),
    files.load(inputs.relation),
    read_results(inputs.groups, COLUMNS),
    model["modality"],
    looks,
    model["published_as"],
)
figures = {
    "recognizability": recognizability_figure(series, name, recognizable, 1 / model["categories"]),
    "confusion": svg(
        confusion_figure(
            confusion(name, recognition, accepted, shown_stages(list(map(str, accepted["stage"].values)))),
            model["modality"],
            model["category_noun"],
        )
    ),
    "null": null_figure(files.load(inputs.null), acceptance),
    "loss": svg(loss_figure({stage: np.concatenate(batches) for stage, batches in errors.items()}, looks[name].colour)),
}
for kind, figure in figures.items():
    files.write(snakemake.output[kind], figure)
