"""Input functions and parameters of the rules in compare.smk."""

from metamers.config.qualities import SUFFICIENT_QUALITIES
from metamers.config.read import merge_defaults

# Modality → whether the settings of its synthesis are the default ones, whose match was measured.
DEFAULT_SYNTHESIS = {
    modality: settings == merge_defaults({})["synthesis"][plan.synthesis.quality].get(modality)
    for modality, settings in plan.synthesis.of_modality.items()
}
# Modality → whether its metamers match closely enough for statements about the invariances of stages.
MATCH_SUFFICES = {
    modality: default and plan.synthesis.quality in SUFFICIENT_QUALITIES
    for modality, default in DEFAULT_SYNTHESIS.items()
}


def of_tested(entries, tested):
    """The entries of experiments whose files are tested."""
    return {name: entry for name, entry in entries.items() if f"results/<run>/humans/{name}.nc" in tested}


def designs_of_modality(modality):
    """What the groups of own participants of a modality were shown, each file once."""
    names = [name for name, group in plan.own_participants.items() if group.modality == modality]
    return list(dict.fromkeys(map(design_of, names)))
