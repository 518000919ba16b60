"""Make benchmark/synthesis.nc: ratios of steps and of their cost at the same match, and recognition of the metamers."""

from metamers.run.job import log_results_to, save

from metamers.run import files
from studies.benchmark.measure import SEPARATOR
from studies.benchmark.page import sentences
from studies.benchmark.speed import collect
from studies.files import COMPARED

MACHINE = ("processor", "instruction_sets")  # attributes of the files of times

logger = log_results_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params
paths = iter(given.matched)
timed = dict(zip(params.models, map(files.load, given.speed), strict=True))
collected = collect(
    {name: {stage: files.load(next(paths)) for stage in stages} for name, stages in params.models.items()},
    timed,
    {name: files.load(path) for name, path in zip(params.models, given.recognized, strict=True)},
    params.modalities,
)
for line in sentences(collected):
    logger.info("%s", line)
machine = {key: SEPARATOR.join(sorted({one.attrs[key] for one in timed.values()})) for key in MACHINE}
save(
    snakemake,
    collected.assign_attrs(machine),
    declared=COMPARED,
    title="Steps and their cost at the same match: qualities, published procedure and plenoptic",
    source="same models, stimuli and starts; one CPU thread; all take turns; medians",
)
