"""Make comparison/passes.nc from the tables of published participants' recognition of metamers and natural stimuli."""

from metamers.run.job import log_to

from metamers.compare.passes import DIFFERENCE_COLUMNS, NATURAL_COLUMNS, passes_dataset, passes_lines
from metamers.humans.summary import read_results
from metamers.leaderboard.curves import DEPTH_COLUMNS
from metamers.run import files

logger = log_to(snakemake.log[0])
tested = passes_dataset(
    read_results(snakemake.input.differences, DIFFERENCE_COLUMNS),
    read_results(snakemake.input.variance, NATURAL_COLUMNS),
    read_results(snakemake.input.depths, DEPTH_COLUMNS),
)
for line in passes_lines(tested):
    logger.debug(line)
files.save(
    tested,
    snakemake.output[0],
    title="Equivalence of human recognition of the published models' metamers and of natural stimuli",
    source=f"public data of the study ({snakemake.config['human_data']})",
    step=snakemake.params.step,
    run=snakemake.config["run"],
    creator=snakemake.config["creator"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
