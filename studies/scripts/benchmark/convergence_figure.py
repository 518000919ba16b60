"""Make benchmark/convergence.svg: recognition of metamers against their match."""

from metamers.run.job import log_to

import pandas as pd

from metamers.report.figures import svg
from metamers.run import files
from studies.benchmark.convergence_figure import convergence_figure

log_to(snakemake.log[0])
table = pd.read_csv(snakemake.input[0], keep_default_na=False, na_values=[""])
files.write(snakemake.output[0], svg(convergence_figure(table)))
