"""Make comparison/power.nc and its figure: the power of experiments to distinguish two models."""

from metamers.run.job import log_to, save

from pathlib import Path

from metamers.power.files import POWER
from metamers.power.pairs import with_pairs
from metamers.run import files

logger = log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
if inputs.precomputed:
    netcdf, figure = inputs.precomputed
    published, drawn = files.load(netcdf), Path(figure).read_bytes()
    logger.info("published models: from %s, which was computed from the same tables and settings", netcdf)
else:  # the imports take longer than the rest of a job that computes nothing
    from metamers.humans.summary import COLUMNS, read_results
    from metamers.leaderboard.curves import curves_by_modality
    from metamers.power.participants import VARIANCE_COLUMNS, published_power
    from metamers.report.figures import svg
    from metamers.report.power import power_figure

    published = published_power(
        read_results(inputs.variance, VARIANCE_COLUMNS),
        curves_by_modality(read_results(inputs.groups, COLUMNS)),
        params.settings,
        params.permutations,
        params.run_seed,
    )
    drawn = svg(power_figure(published))
predicted = files.load(inputs.predicted[0]) if inputs.predicted else None
results = with_pairs(published, predicted, params.modalities, params.settings, params.permutations, params.contrasts)
logger.info("simulated test: %s; stimuli are fixed unless stated otherwise", results.attrs["test"])
for number, distinct in results["stimuli_needed"].to_series().items():
    logger.info(
        "%d trials at each of %d stages of 2 models: %d distinct stimuli, so that a participant meets each once",
        *(number, results.attrs["stages"], distinct),
    )
most = int(results["participants"].max())
for row in results["participants_needed"].to_dataframe("needed").reset_index().itertuples():
    logger.info(
        "%s: a difference of %.2f with %d trials a stage: %s participants",
        *(row.modality, row.difference, row.trials, f"{row.needed:.0f}" if row.needed <= most else f"more than {most}"),
    )
if "stimuli" in results.dims:
    for row in results["false_alarms_fixed_stimuli"].max(("trials", "participants")).to_dataframe("most").itertuples():
        logger.info(
            "%s with %d new stimuli: up to %.2f false alarms of the test with fixed stimuli", *row.Index, row.most
        )
if results.attrs["left_out"]:
    logger.info(
        "left out, because the two models share fewer than two stages with a prediction: %s", results.attrs["left_out"]
    )
save(
    snakemake,
    results,
    snakemake.output.netcdf,
    declared=POWER,
    title="Power of experiments to distinguish two models by human recognition of their metamers",
    source=f"variance between the study's participants ({snakemake.config['human_data']}), and simulation",
)
files.write(snakemake.output.figure, drawn)
