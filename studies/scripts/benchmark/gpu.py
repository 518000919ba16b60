"""Make benchmark/gpu/<model>/<stage>.nc: agreement of a graphics card with the CPU, and its speed."""

from metamers.run.job import log_to, save

import json

from metamers.models.device import use_threads
from studies.benchmark.gpu import Job, gpu_benchmark
from studies.benchmark.measure import processor
from studies.files import GPU

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.generation_model, snakemake.params
device, settings = snakemake.config["device"], dict(params.settings)
job = Job(name, dict(params.model), device, params.stage, params.number, settings)
measured = gpu_benchmark(job, params.batch)
logger.info(
    "%s, %s: %.0f stimuli × steps per second with a batch of %d, which %s",
    *(name, params.stage, measured["stimulus_steps_per_second"], measured["batch"]),
    "fitted" if measured["batch_fits"] else "did not fit at first",
)
save(
    snakemake,
    measured.assign_attrs(
        generation_model=name,
        stage=params.stage,
        stimuli=params.number,
        batch_compared=params.batch,
        settings=json.dumps(settings),
        processor=processor(),
    ),
    declared=GPU,
    title=f"Synthesis of metamers of {name} at {params.stage} on {measured.attrs['card']}",
    source="random weights; stimuli of noise; the same starts on CPU and card",
    seed=0,
    inputs=[],
)
