"""Make comparison/passes.nc from the tables of published participants' recognition of metamers and natural stimuli."""

from metamers.run.job import log_to, save

from metamers.compare.files import PASSES
from metamers.run import files

logger = log_to(snakemake.log[0])
inputs = snakemake.input
if inputs.precomputed:
    tested = files.load(inputs.precomputed[0])
    logger.info("from %s, which was computed from the same tables", inputs.precomputed[0])
else:  # the imports take longer than the rest of a job that computes nothing
    from metamers.compare.passes import DIFFERENCE_COLUMNS, NATURAL_COLUMNS, passes_dataset, passes_lines
    from metamers.humans.summary import read_results
    from metamers.leaderboard.curves import DEPTH_COLUMNS

    tested = passes_dataset(
        read_results(inputs.differences, DIFFERENCE_COLUMNS),
        read_results(inputs.variance, NATURAL_COLUMNS),
        read_results(inputs.depths, DEPTH_COLUMNS),
    )
    for line in passes_lines(tested):
        logger.debug(line)
save(
    snakemake,
    tested,
    declared=PASSES,
    title="Equivalence of human recognition of the published models' metamers and of natural stimuli",
    source=f"public data of the study ({snakemake.config['human_data']})",
)
