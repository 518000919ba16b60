"""Files of the null distribution and of acceptance."""

from metamers.run.declared import MATCH, MEASURE_NAMES, NO_UNIT, Meanings, RunFile

MEANINGS: Meanings = {
    "largest": "largest value of the measure among all pairs of different natural stimuli; snr_db in dB",
    "undefined_pairs": "number of pairs for which the measure is undefined",
    "paired_stimuli": "number of natural stimuli in the pairs",
    "distinct_pairs": "number of pairs of different natural stimuli",
    "chance_of_acceptance": "probability that the match of one more random pair passes, if pairs were independent",
    "largest_chance_of_acceptance": "upper bound of chance_of_acceptance, for pairs that share stimuli",
    "measure": ("measure of match", NO_UNIT),
    "above_null": "each deciding measure of match is at least the largest of the null distribution",
    "category_preserved": "the generation model gives the metamer the category that it gives the natural stimulus",
    "refused": "number of metamers whose value of this measure is below the largest of the null distribution",
    "decides": "the measure is used for acceptance at the stage",
}

NULLS = RunFile(
    "nulls/<generation_model>.nc",
    coordinates="stage, measure",
    variables={
        "stage, pair": ", ".join(MEASURE_NAMES),
        "stage, measure": "largest, undefined_pairs",
        "": "paired_stimuli",
        "stage": "distinct_pairs, chance_of_acceptance, largest_chance_of_acceptance",
        "pair": "stimulus_a, stimulus_b",
    },
    meanings={
        **MEANINGS,
        "snr_db": (
            "signal-to-noise ratio, in dB: the larger one of both orders of the pair; with the quality published, that "
            "with the first stimulus as signal",
            "0.1 lg(re 1)",
        ),
    },
)
ACCEPTANCE = RunFile(
    "acceptance/<generation_model>.nc",
    coordinates="stage, measure, stimulus, seed",
    variables={
        "stage, stimulus, seed": f"accepted, above_null, category_preserved?, converged?, {MATCH}",
        "stimulus": "natural_category?, category, label",
        "stage, measure": "largest, refused, decides",
    },
    meanings=MEANINGS,
)
