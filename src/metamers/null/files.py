"""Files of the null distribution and of acceptance."""

from metamers.run.declared import RunFile, Variable

MEASURES = ("spearman_rho", "pearson_r", "snr_db")  # ``metamers.match.NULL_MEASURES`` has their functions

MEASURE = Variable("measure", "measure of match", "")
LARGEST = Variable(
    "stage, measure", "largest value of the measure among all pairs of different natural stimuli; snr_db in dB"
)

NULLS = RunFile(
    "nulls/<generation_model>.nc",
    {
        **dict.fromkeys(MEASURES, "stage, pair"),
        "largest": LARGEST,
        "undefined_pairs": Variable("stage, measure", "number of pairs for which the measure is undefined"),
        "paired_stimuli": Variable("", "number of natural stimuli in the pairs"),
        "distinct_pairs": Variable("stage", "number of pairs of different natural stimuli"),
        "chance_of_acceptance": Variable(
            "stage", "probability that the match of one more random pair passes, if pairs were independent"
        ),
        "largest_chance_of_acceptance": Variable(
            "stage", "upper bound of chance_of_acceptance, for pairs that share stimuli"
        ),
        "stage": "stage",
        "measure": MEASURE,
        "stimulus_a": "pair",
        "stimulus_b": "pair",
    },
)

ACCEPTANCE = RunFile(
    "acceptance/<generation_model>.nc",
    {
        "accepted": "stage, stimulus, seed",
        "above_null": Variable(
            "stage, stimulus, seed", "each deciding measure of match is at least the largest of the null distribution"
        ),
        "category_preserved?": Variable(
            "stage, stimulus, seed",
            "the generation model gives the metamer the category that it gives the natural stimulus",
        ),
        "converged?": "stage, stimulus, seed",
        **dict.fromkeys([*MEASURES, "normalized_error"], "stage, stimulus, seed"),
        "natural_category?": "stimulus",
        "largest": LARGEST,
        "refused": Variable(
            "stage, measure",
            "number of metamers whose value of this measure is below the largest of the null distribution",
        ),
        "decides": Variable("stage, measure", "the measure is used for acceptance at the stage"),
        "stage": "stage",
        "measure": MEASURE,
        "stimulus": "stimulus",
        "seed": "seed",
        "category": "stimulus",
        "label": "stimulus",
    },
)
