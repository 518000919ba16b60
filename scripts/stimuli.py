"""Make stimuli/<dataset>.nc out of a dataset's files."""

from metamers import files
from metamers.logs import log_to
from metamers.stimuli import image_dataset
from metamers.tables import stimulus_table

log_to(snakemake.log[0])
name, entry = snakemake.wildcards.dataset, snakemake.params.entry
files.save(
    image_dataset(stimulus_table(name, entry), snakemake.params.folder, entry["size"]),
    snakemake.output[0],
    title=f"Natural stimuli of {name}",
    source=f"files of the dataset {name}, the central square resampled",
    references="; ".join(entry.get("references", [])),
    step="stimuli",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
