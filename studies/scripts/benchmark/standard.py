"""Make benchmark/standard/<model>/<stage>.nc: match of the quality `standard` and of the published procedure."""

from metamers.run.job import log_to, save

from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.run import files
from studies.benchmark.measure import first_stimuli
from studies.benchmark.standard import standard_match
from studies.files import STANDARD

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.generation_model, snakemake.params
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli = files.load(snakemake.input.stimuli).isel(stimulus=slice(params.number))
names, natural, start = first_stimuli(model, stimuli, params.run_seed)
match = standard_match(model, params.stage, natural, start, params.settings, params.passes)
reached = [float(match[kind]) for kind in ("standard_match", "published_match")]
logger.info("%s: mean error %.4f of quality standard, %.4f of the published procedure", params.stage, *reached)
save(
    snakemake,
    match.assign_coords(stimulus=names),
    declared=STANDARD,
    title=f"Match of {name} at {params.stage} with the quality standard and by the published procedure",
    source="both procedures, from the same starts; the published one also with fewer steps, and extrapolated",
)
