"""Make comparison/passes.nc from the tables of published participants' recognition of metamers and natural stimuli."""

from metamers.run.job import log_to, save

from metamers.compare.passes import DIFFERENCE_COLUMNS, NATURAL_COLUMNS, passes_dataset, passes_lines
from metamers.humans.summary import read_results
from metamers.leaderboard.curves import DEPTH_COLUMNS

logger = log_to(snakemake.log[0])
tested = passes_dataset(
    read_results(snakemake.input.differences, DIFFERENCE_COLUMNS),
    read_results(snakemake.input.variance, NATURAL_COLUMNS),
    read_results(snakemake.input.depths, DEPTH_COLUMNS),
)
for line in passes_lines(tested):
    logger.debug(line)
save(
    snakemake,
    tested,
    title="Equivalence of human recognition of the published models' metamers and of natural stimuli",
    source=f"public data of the study ({snakemake.config['human_data']})",
)
