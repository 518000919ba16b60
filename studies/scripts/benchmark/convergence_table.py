"""Make benchmark/convergence.csv: recognition of metamers at each match, compared with that at the closest one."""

from metamers.run.job import log_results_to

from metamers.run import files
from studies.benchmark.convergence import Compared, convergence_table
from studies.benchmark.equivalence import ALL

logger = log_results_to(snakemake.log[0])
params = snakemake.params
compared = []
for (model, stage), metamers, recognized in zip(
    params.stages, snakemake.input.metamers, snakemake.input.recognized, strict=True
):
    with files.open_dataset(metamers) as opened:  # opened, not loaded: the metamers themselves are large
        measured = opened.drop_vars("metamer").reset_coords("natural_category").load()
    correct = files.load(recognized)["correct"].isel(stage=0, drop=True)
    compared.append(Compared(params.modalities[model], model, stage, measured, correct))
nulls = dict(zip(params.modalities, map(files.load, snakemake.input.nulls), strict=True))
table = convergence_table(compared, nulls, params.measures, params.margin)
files.write(snakemake.output[0], table.to_csv(index=False, float_format="%.4g").encode())
for row in table[table["model"] == ALL].itertuples():
    logger.info(
        "%s, match %s, %d stages: %.3f more than at the closest match (90%% interval %.3f to %.3f): %s",
        *(row.modality, row.match, row.stages, row.difference, row.low, row.high, row.decision),
    )
