"""Make benchmark/synthesis.nc: speedup to the same match, and recognition of the metamers of each procedure."""

from metamers.run.job import log_results_to, save

from metamers.run import files
from studies.benchmark.measure import SEPARATOR
from studies.benchmark.speed import collect

MACHINE = ("processor", "instruction_sets")  # attributes of the files of times

logger = log_results_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params
paths = iter(given.matched)
timed = dict(zip(params.models, map(files.load, given.speed), strict=True))
collected = collect(
    {name: {stage: files.load(next(paths)) for stage in stages} for name, stages in params.models.items()},
    timed,
    {name: files.load(path) for name, path in zip(params.models, given.recognized, strict=True)},
)
for reference in collected["reference"].values:
    mean, least, number = (
        collected[key].sel(reference=reference).item() for key in ("mean_speedup", "least_speedup", "stages_reached")
    )
    logger.info("%.1f times as fast as %s (geometric mean, %d stages), at least %.1f", mean, reference, number, least)
machine = {key: SEPARATOR.join(sorted({one.attrs[key] for one in timed.values()})) for key in MACHINE}
save(
    snakemake,
    collected.assign_attrs(machine),
    title="Time to the same match: one-cycle procedure, published procedure and plenoptic",
    source="same models, stimuli and starts; one CPU thread each; the procedures take turns; medians",
)
