"""Files of power."""

from metamers.run.declared import NO_UNIT, Meanings, RunFile

MEANINGS: Meanings = {
    "stimuli_needed": (
        "number of distinct stimuli of an experiment with two models at all stages in which each participant meets "
        "each once"
    ),
    "power_over_stimuli": (
        "proportion of simulated experiments, each with new stimuli, that distinguish two models over participants and "
        "over stimuli"
    ),
    "participants_needed_over_stimuli": (
        "smallest number of participants from which on power_over_stimuli is at least the wanted power"
    ),
    "false_alarms_over_stimuli": "the same proportion as power_over_stimuli, when both models are equally recognizable",
    "false_alarms_fixed_stimuli": (
        "proportion significant over participants only, with new stimuli, when both models are equally recognizable"
    ),
    "sd_of_stimuli": "assumed standard deviation over stimuli of the log odds of recognition",
    "sd_participant": "standard deviation over participants of the log odds of a correct answer, over all trials",
    "sd_model": "the same as sd_participant for the metamers of one model",
    "sd_stage": "the same as sd_participant for the metamers of one stage",
    "contrast_power": (
        "proportion of simulated experiments that distinguish the two models, if recognizability is as predicted"
    ),
    "contrast_participants_needed": (
        "smallest number of participants from which on contrast_power is at least the wanted power"
    ),
    "contrast_stimuli_needed": (
        "number of distinct stimuli of an experiment with these two models in which each participant meets each once"
    ),
    "contrast_difference": "difference in predicted recognizability over contrast_stages, model minus reference",
    "contrast_stages": ("stages for which both models have a prediction", NO_UNIT),
    "trials": "number of trials for each participant, model and stage",
    "stimuli": "distinct stimuli of an experiment",
    "stimulus_component": (
        "level at which stimuli vary: all metamers of a stimulus, those of one model, or those of one stage",
        NO_UNIT,
    ),
}

POWER = RunFile(
    "comparison/power.nc",
    coordinates="modality, difference, trials, participants, stimuli?, stimulus_component?, contrast?",
    variables={
        "modality, difference, trials, participants": "power",
        "modality, difference, trials": "participants_needed",
        "trials": "stimuli_needed",
        "modality, difference, stimuli, trials, participants": "power_over_stimuli?",
        "modality, difference, stimuli, trials": "participants_needed_over_stimuli?",
        "modality, stimuli, trials, participants": "false_alarms_over_stimuli?, false_alarms_fixed_stimuli?",
        "stimulus_component": "sd_of_stimuli?",
        "modality": "sd_participant, sd_model, sd_stage",
        "contrast, trials, participants": "contrast_power?",
        "contrast, trials": "contrast_participants_needed?, contrast_stimuli_needed?",
        "contrast": "contrast_difference?, contrast_stages?, model?, reference?",
    },
    meanings=MEANINGS,
)
