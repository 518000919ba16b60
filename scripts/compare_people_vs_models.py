"""Make comparison/people_vs_models.nc out of the answers of one's own participants and of this run's models."""

from pathlib import Path

import pandas as pd

from metamers import files
from metamers.compare import correlation_lines, humans_vs_models
from metamers.humans import CEILING_COLUMNS, group_results, noise_ceiling, noise_ceiling_interval, pooled_points
from metamers.logs import log_to
from metamers.people import judgements_of_shown

logger = log_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params
people = {Path(path).stem: files.load(path) for path in given.people}
recognition: dict[str, dict] = {}
for path in map(Path, given.recognition):
    recognition.setdefault(path.parent.name, {})[path.stem] = files.load(path)
designs = {Path(path).stem: files.load(path) for path in given.designs}
judged = {
    modality: judgements_of_shown(design, recognition, params.stages[modality]) for modality, design in designs.items()
}
points = pooled_points(group_results(people, params.modalities, judged))
ceilings, judges = [], {}
for modality, table in judged.items():
    wanted = points.loc[points["modality"] == modality, ["generation_model", "stage"]]
    asked = [data for name, data in people.items() if params.modalities[name] == modality]
    known = list(wanted.itertuples(index=False, name=None))
    ceilings.append((modality, *noise_ceiling(asked, known), *noise_ceiling_interval(asked, known)))
    number = table["recognition_model"].nunique()
    judges[modality] = {"public": number, "judges": number}
compared = humans_vs_models(
    points, pd.DataFrame(ceilings, columns=CEILING_COLUMNS), judges, params.bootstrap, params.run_seed
)
compared.attrs["comment"] = "One's own participants, and the recognition models of this run."
for line in correlation_lines(compared):
    logger.info(line)
files.save(
    compared,
    snakemake.output[0],
    title="Recognizability of this run's metamers by one's own participants against that by other models",
    source="answers of one's own participants and of the recognition models",
    step="compare_people_vs_models",
    run=snakemake.config["run"],
    seed=params.run_seed,
    inputs=[*given.people, *given.recognition, *given.designs],
)
