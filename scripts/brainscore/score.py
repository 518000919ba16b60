"""Make brainscore/scores.nc: the run's models, scored with the packages of Brain-Score on benchmarks with images."""

from metamers.run.job import log_results_to, save

import tempfile
from pathlib import Path

from metamers.brainscore.files import SCORES
from metamers.brainscore.names import PUBLISHED_STUDY, benchmark_identifier, model_identifier
from metamers.brainscore.score import prepare, score_all, scores_dataset
from metamers.models.device import use_threads

logger = log_results_to(snakemake.log[0])
use_threads(snakemake.threads)
run, params, inputs = snakemake.config["run"], snakemake.params, snakemake.input
benchmarks = {
    name: benchmark_identifier(f"metamers_{run}" if name in params.own else PUBLISHED_STUDY, name)
    for name in params.groups
}
candidates = {model: model_identifier(run, model) for model in params.models}
with tempfile.TemporaryDirectory() as folder:
    prepare(Path(inputs.plugin[0]), Path(folder))
    scores = score_all(list(benchmarks.values()), list(candidates.values()))
scored = scores_dataset(benchmarks, candidates, scores)
for (benchmark, candidate), score in scored["brainscore"].to_series().dropna().items():
    at = {"benchmark": benchmark, "candidate": candidate}
    error, r2 = (float(scored[name].sel(at)) for name in ("brainscore_error", "brainscore_r2"))
    logger.info("%s: %s: score %.3f ± %.3f (R² %.3f)", benchmark, candidate, score, error, r2)
save(
    snakemake,
    scored,
    declared=SCORES,
    title="Scores of the run's models on its benchmarks for Brain-Score",
    source="participants' and models' recognition of metamers, by the packages brainscore-core and brainscore-vision",
    inputs=[inputs.plugin[0], *inputs.models, *inputs.images, *inputs.metamers],
)
