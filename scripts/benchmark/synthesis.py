"""Make benchmark/synthesis.nc: speedup to the same match, and recognition of the metamers of each procedure."""

from metamers.benchmark.speed import collect
from metamers.run import files
from metamers.run.logs import log_to

logger = log_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params
paths = iter(given.matched)
timed = dict(zip(params.models, map(files.load, given.speed), strict=True))
collected = collect(
    {name: {stage: files.load(next(paths)) for stage in stages} for name, stages in params.models.items()},
    timed,
    {name: files.load(path) for name, path in zip(params.models, given.recognized, strict=True)},
)
for reference, mean, least in zip(
    collected["reference"].values, collected["mean_speedup"].values, collected["least_speedup"].values, strict=True
):
    logger.info("%.1f times as fast as %s (geometric mean), at least %.1f times", mean, reference, least)
files.save(
    collected.assign_attrs(processor="; ".join({one.attrs["processor"] for one in timed.values()})),
    snakemake.output[0],
    title="Time to the same match: default procedure, published procedure and plenoptic",
    source="same models, stimuli and starts; one CPU thread each; the procedures take turns; medians",
    step=snakemake.params.step,
    run=snakemake.config["run"],
    creator=snakemake.config["creator"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
