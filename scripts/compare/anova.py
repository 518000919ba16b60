"""Make comparison/anova.nc from the answers of published and own participants in every experiment."""

from metamers.run.job import log_to, save

import numpy as np

from metamers.compare.anova import published_tests
from metamers.compare.files import ANOVA
from metamers.run import files

logger = log_to(snakemake.log[0])
tested = published_tests(
    files.load_by_stem(snakemake.input),
    snakemake.params.comparisons,
    snakemake.params.stage_effects,
    snakemake.params.permutations,
    snakemake.params.run_seed,
    snakemake.params.own,
)
for (test, effect), row in tested.to_dataframe().iterrows():
    if np.isfinite(row.f):
        by_permutation = f"p by permutation {row.p_permutation:.4f}, (b + 1)/(P + 1) {row.p_permutation_plus_one:.2g}, "
        logger.info(
            "%s: %s: F(%d,%.4g) = %.2f, %safter Holm %.2g; Greenhouse-Geisser epsilon %.2f, p %.2g; for %s",
            *(test, effect, row.df_effect, row.df_error, row.f, by_permutation if row.p_permutation > 0 else ""),
            *(row.p_holm, row.epsilon, row.p_greenhouse_geisser, row.generalizes_to),
        )
save(
    snakemake,
    tested,
    declared=ANOVA,
    title="Analyses of variance of human experiments: human against model, between models, between stages",
    source="answers of participants: public data of the study, and own participants if the run has any",
)
