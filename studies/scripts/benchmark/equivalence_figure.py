"""Make benchmark/equivalence.svg: differences in recognition from the published procedure."""

from metamers.run.job import log_to

import pandas as pd

from metamers.report.figures import svg
from metamers.run import files
from studies.benchmark.equivalence_figure import equivalence_figure

log_to(snakemake.log[0])
files.write(snakemake.output[0], svg(equivalence_figure(pd.read_csv(snakemake.input[0]))))
