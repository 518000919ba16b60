"""Make comparison/anova.nc out of the participants' answers of every published experiment."""

from pathlib import Path

from metamers import files
from metamers.anova import human_against_model
from metamers.logs import log_to

logger = log_to(snakemake.log[0])
tested = human_against_model(
    {Path(path).stem: files.load(path) for path in snakemake.input},
    snakemake.params.permutations,
    snakemake.params.run_seed,
)
for (test, effect), row in tested.to_dataframe().iterrows():
    logger.info(
        "%s: %s: F(%d,%d) = %.2f, p = %.4f", test, effect, row.df_effect, row.df_error, row.f, row.p_permutation
    )
files.save(
    tested,
    snakemake.output[0],
    title="Mixed analysis of variance, human against model, for every model of every published experiment",
    source="public participant-level data of the study",
    step="compare_anova",
    run=snakemake.config["run"],
    seed=snakemake.params.run_seed,
    inputs=snakemake.input,
)
