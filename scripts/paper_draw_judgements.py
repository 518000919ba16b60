"""Draw what each kind of published model, and people, make of published models' metamers."""

from metamers import files
from metamers.humans import COLUMNS, read_results
from metamers.logs import log_to
from metamers.paper_brain import pooled_people
from metamers.paper_figures import judgements_figure
from metamers.report_figures import svg

log_to(snakemake.log[0])
people = pooled_people(read_results(snakemake.input.groups, COLUMNS))
drawn = svg(judgements_figure(files.load(snakemake.input.judgements), people))
files.write(snakemake.output[0], drawn)
