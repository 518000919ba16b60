"""Settings of the extensions of the study."""

from typing import Annotated, Any

from metamers.beyond.sets import STARTS
from metamers.config.fields import (
    ModelName,
    Number,
    Settings,
    from_to,
    of_modalities,
    section_config,
    setting,
    several,
    some_of,
)

Depths = Annotated[
    list[Annotated[Number, setting("a relative depth, above 0 (the input) to 1 (the last stage)", gt=0, le=1)]],
    several(
        "relative depths, each once",
        "Positions: a stage's place from 0 (input) to 1 (last stage); the nearest stage with metamers is used.",
    ),
]
FirstStimuli = Annotated[
    int | None,
    from_to("number of the run's stimuli", 1, 1_000_000, "null means all", "From the first."),
]


class Deep(Settings):
    """depths and stimuli; or null"""

    depths: Depths
    stimuli: FirstStimuli


class StartsSettings(Settings):
    """depths, stimuli and kinds; or null"""

    depths: Depths
    stimuli: FirstStimuli
    kinds: Annotated[list[str], some_of(STARTS, "where synthesis starts")]


Lengths: Any = of_modalities(
    "Lengths",
    Annotated[Number | None, setting("", gt=0, le=1)],
    "largest root mean square of exported distortions, for each modality, above 0 and up to 1",
    "root mean square for {}, above 0 and up to 1, or null",
)


class SensitivitySettings(Settings):
    """depths, stimuli, iterations and length; or null"""

    depths: Depths
    stimuli: FirstStimuli
    iterations: Annotated[int, from_to("number of iterations", 1, 10_000, more="The largest, of each search.")]
    length: Lengths


class MetamerSetsSettings(Settings):
    """depths, stimuli, steps, tolerance and singular_values; or null"""

    depths: Depths
    stimuli: FirstStimuli
    steps: Annotated[
        int, from_to("number of steps", 10, 100_000, more="Of the search for the two most different metamers.")
    ]
    tolerance: Annotated[
        Number,
        setting(
            "part of the largest singular value, from 0.01 to below 1",
            "Singular values up to it count as 0.",
            ge=0.01,
            lt=1,
        ),
    ]
    singular_values: Annotated[int, from_to("number of singular values", 1, 1000, more="These are found one by one.")]


class BeyondSettings(Settings):
    """the extensions; null leaves one of ensemble, controversial, starts, sensitivity and metamer_sets out"""

    model_config = section_config("`snakemake beyond` makes them ([Extensions](../docs/beyond.md)).")

    models: Annotated[
        Annotated[list[ModelName], several("a list of generation models", least=0)] | None,
        setting(
            "a list of generation models, [] for none, or null for the first model of each of two architectures",
            "Their metamers are given to the recognition models that are not in this list. `null`: of the modality of "
            "the first generation model, if there is such a recognition model.",
        ),
    ] = None
    ensemble: Annotated[
        Deep | None,
        setting(
            "depths and stimuli; or null",
            "One metamer of all these models of a modality. For example, `{depths: [0.625], stimuli: 4}`.",
        ),
    ] = None
    controversial: Annotated[
        Deep | None,
        setting(
            "depths and stimuli; or null",
            "Metamers of one stimulus for some models, and of another for the others. For example, "
            "`{depths: [0.5, 1], stimuli: 2}`.",
        ),
    ] = None
    starts: Annotated[
        StartsSettings | None,
        setting(
            "depths, stimuli and kinds; or null", "Metamers of each model from other starts than those of the run."
        ),
    ] = StartsSettings(depths=[1], stimuli=2, kinds=["stimulus"])
    sensitivity: Annotated[
        SensitivitySettings | None,
        setting(
            "depths, stimuli, iterations and length; or null",
            "Distortions to which models are most and least "
            "[sensitive](../docs/beyond.md#sensitivity). For example, `{depths: [0.5, 1], stimuli: 2, iterations: 40, "
            "length: {vision: 0.1, audio: 0.02}}`.",
        ),
    ] = None
    metamer_sets: Annotated[
        MetamerSetsSettings | None,
        setting(
            "depths, stimuli, steps, tolerance and singular_values; or null",
            "How many directions stages leave free, and the two most different "
            "[metamers](../docs/beyond.md#metamer-sets) of a stimulus. For example, `{depths: [0.5, 1], "
            "stimuli: 3, steps: 300, tolerance: 0.05, singular_values: 32}`.",
        ),
    ] = None
