"""Make comparison/power.nc and its figure: the power of experiments that tell two models apart."""

from metamers import files
from metamers.humans import COLUMNS, read_results
from metamers.leaderboard import measured_curves
from metamers.logs import log_to
from metamers.power import VARIANCE_COLUMNS, power_dataset
from metamers.report_figures import svg
from metamers.report_power import power_figure

logger = log_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params
curves = {}
for (modality, _, _), curve in measured_curves(read_results(given.groups, COLUMNS)).items():
    curves.setdefault(modality, []).append(curve)
found = power_dataset(
    read_results(given.variance, VARIANCE_COLUMNS),
    curves,
    files.load(given.predicted[0]) if given.predicted else None,
    params.modalities,
    params.settings,
    params.permutations,
    params.run_seed,
)
logger.info("simulated test: %s; stimuli are fixed unless said otherwise", found.attrs["test"])
for number, distinct in found["stimuli_needed"].to_series().items():
    logger.info(
        "%d trials at each of %d stages of 2 models: %d distinct stimuli, where a participant meets each once",
        *(number, found.attrs["stages"], distinct),
    )
most = int(found["participants"].max())
for row in found["participants_needed"].to_dataframe("needed").reset_index().itertuples():
    logger.info(
        "%s: a difference of %.2f with %d trials a stage: %s participants",
        *(row.modality, row.difference, row.trials, f"{row.needed:.0f}" if row.needed <= most else f"more than {most}"),
    )
if "stimuli" in found.dims:
    for row in found["false_alarms_fixed_stimuli"].max(("trials", "participants")).to_dataframe("most").itertuples():
        logger.info("%s with %d new stimuli: up to %.2f false alarms where stimuli are fixed", *row.Index, row.most)
if found.attrs["left_out"]:
    logger.info(
        "left out, since the two models share fewer than two stages with a prediction: %s", found.attrs["left_out"]
    )
files.save(
    found,
    snakemake.output.netcdf,
    title="Power of experiments that tell two models apart by people's recognition of their metamers",
    source=f"variance between the study's participants ({snakemake.config['human_data']}), and simulation",
    step="power",
    run=snakemake.config["run"],
    seed=params.run_seed,
    inputs=[*given],
)
files.write(snakemake.output.figure, svg(power_figure(found)))
