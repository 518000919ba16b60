"""Make benchmark/equivalence.svg: differences in recognition from the published procedure."""

import pandas as pd

from metamers.report.equivalence import equivalence_figure
from metamers.report.figures import svg
from metamers.run import files
from metamers.run.logs import log_to

log_to(snakemake.log[0])
files.write(snakemake.output[0], svg(equivalence_figure(pd.read_csv(snakemake.input[0]))))
