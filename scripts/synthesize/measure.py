"""Make metamers/<generation_model>/<stage>/<batch>.nc: synthesized metamers, their match, and the model's answers."""

from metamers.run.job import log_to, provenance

import json

import xarray as xr

from metamers.config.tables import category_classes
from metamers.modalities import sampling_of
from metamers.models.batches import forward_batch_size, in_batches, min_batch_size, repeat_to_minimum
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.model import fit_stimuli
from metamers.recognize.recognition import recognize
from metamers.run import files
from metamers.stimuli.formats import FORMATS
from metamers.stimuli.labels import select_stimuli
from metamers.synthesize.files import METAMERS
from metamers.synthesize.measure import with_measures

SYNTHESIS_ATTRIBUTES = (
    *("generation_model", "stage", "quality", "procedure", "convergence", "penalty", "settings", "model", "device"),
)

log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, stage, params = snakemake.params.name, snakemake.params.stage, snakemake.params
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli = select_stimuli(files.load(snakemake.input.stimuli), params.batch)
values, natural_sampling = stimuli["stimulus_value"].values, sampling_of(stimuli.attrs)
classes, natural_category = None, None
if model.classes:
    classes = category_classes(params.dataset, params.dataset_entry)
    natural_category = recognize(model, FORMATS[model.modality].as_exported(values), natural_sampling, classes)


def measured(part: slice) -> xr.Dataset:
    """The metamers of some stimuli with their measures."""
    places = repeat_to_minimum(part, least)  # so that a number does not depend on the batch
    called = None if natural_category is None else natural_category[places]
    made = with_measures(
        synthesis.isel(stimulus=places).load(),
        *(model, stage, fit_stimuli(model, values[places], natural_sampling), called, classes),
        json.loads(synthesis.attrs["settings"]).get("target_error"),
        2 * most,  # a rest that is less than the minimum is in the last part
    )
    labels = {key: ("stimulus", stimuli[key].values[places]) for key in ("category", "label")}
    return made.assign_coords(labels).isel(stimulus=slice(part.stop - part.start))


with (
    files.open_dataset(snakemake.input.synthesis[0]) as synthesis,
    files.save_in_pieces(
        snakemake.output[0],
        "stimulus",
        declared=METAMERS,
        title=f"Metamers of {name} at {stage}",
        source=synthesis.attrs["source"],
        **provenance(snakemake),
    ) as append,
):
    seeds = synthesis.sizes["seed"]
    least = -(-min_batch_size(model.device) // seeds)
    most = forward_batch_size(lambda shown: model(shown, stage), fit_stimuli(model, values[:1], natural_sampling))
    kept = {key: synthesis.attrs[key] for key in SYNTHESIS_ATTRIBUTES if key in synthesis.attrs} | model.sampling
    for piece in in_batches(len(params.batch), max(1, most // seeds), measured, least):
        piece.attrs = kept
        append(piece)
