"""Draw the recognition of published models' metamers by each kind of published model and by participants."""

from metamers.run.job import log_to

from metamers.humans.summary import COLUMNS, read_results
from metamers.paper.brain import pooled_participants
from metamers.paper.panels import judgements_figure
from metamers.report.figures import svg
from metamers.run import files

log_to(snakemake.log[0])
participants = pooled_participants(read_results(snakemake.input.groups, COLUMNS))
drawn = svg(judgements_figure(files.load(snakemake.input.judgements), participants))
files.write(snakemake.output[0], drawn)
