"""Make benchmark/gpu.csv: the measurements on a graphics card, stage by stage."""

from metamers.run.job import log_results_to

from metamers.run import files
from studies.benchmark.gpu import disagreeing, gpu_table

logger = log_results_to(snakemake.log[0])
params = snakemake.params
pairs = [(model, stage) for model, stages in params.stages.items() for stage in stages]
measured = dict(zip(pairs, map(files.load, snakemake.input.measured), strict=True))
table = gpu_table(measured, params.batch)
files.write(snakemake.output[0], table.to_csv(index=False, float_format="%.4g").encode())
for stage in disagreeing(measured):
    logger.warning("%s: card and CPU differ by more than the tolerances", stage)
logger.info("%d of %d stages agree with the CPU", len(measured) - len(disagreeing(measured)), len(measured))
