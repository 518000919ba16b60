"""Make benchmark/workflow.nc: how much of the time of a finished run's jobs was starting, loading and writing."""

from pathlib import Path

from metamers import files
from metamers.benchmark_workflow import rule_of, workflow_cost
from metamers.logs import log_to

logger = log_to(snakemake.log[0])
folder = Path(snakemake.params.logs)
texts = {}
for log in sorted(folder.rglob("*.log")):
    if not (rule := rule_of(log, folder)).startswith("benchmark"):
        texts.setdefault(rule, []).append(log.read_text(encoding="utf-8", errors="replace"))
cost = workflow_cost(texts)
logger.info("starting, loading and writing: %.1f%% of the jobs' time", 100 * float(cost["overhead_share"]))
files.save(
    cost,
    snakemake.output[0],
    title="What the workflow itself costs: starting, loading and writing of a run's jobs",
    source="the last line of each job's log; wall time",
    step="benchmark_workflow",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=[],
)
