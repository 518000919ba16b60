"""The key ``benchmark`` of a configuration: settings of the studies, with type, default, limits and meaning."""

from typing import Annotated, Any

from pydantic import Field

from metamers.config.fields import Settings, below_1, from_to
from metamers.config.read import validate
from metamers.synthesize.qualities import QUALITIES

Number = Annotated[int, from_to("a number", 1, 1_000_000)]
Stimuli = Annotated[int, from_to("a number of stimuli", 1, 10_000)]
Stages = Annotated[int, from_to("a number of stages", 1, 1000)]
Repeats = Annotated[int, from_to("a number of measurements of each time", 2, 1000)]
Steps = Annotated[int, from_to("a number of steps", 10, 100_000)]
Error = Annotated[float, below_1("a normalized error")]
Margin = Annotated[float, below_1("largest difference in proportion correct that counts as equivalent")]
UNIQUE = {"uniqueItems": True}
COMPARED = [quality for quality in QUALITIES if quality != "published"]


class StagesOfModality(Settings):
    """number of stages of each model, for vision and audio"""

    vision: Stages = 5
    audio: Stages = 3


class Standard(Settings):
    """passes, the numbers of steps at each step size with which the published procedure is run, and stimuli"""

    passes: Annotated[
        list[Number],
        Field(min_length=1, json_schema_extra=UNIQUE, description="numbers of steps at each step size, increasing"),
    ] = [94, 375]
    stimuli: Stimuli = 4


class Gpu(Settings):
    """steps; stimuli that are compared with the CPU's; batch, the number of stimuli at once in each timed job"""

    steps: Steps = 50
    stimuli: Stimuli = 4
    batch: Stimuli = 64


class Equivalence(Settings):
    """how recognition of the run's metamers is compared with that of the published procedure's, at an equal match"""

    stages: Stages = 5
    searched: Annotated[int, from_to("number of stimuli on which the number of steps is searched", 1, 10_000)] = 4
    most_steps: Annotated[int, from_to("largest number of steps of the published procedure", 8, 1_000_000)] = 24_000
    looser: Annotated[
        float, Field(gt=1, le=100, description="error of the control relative to the target, above 1, at most 100")
    ] = 2
    margin: Margin = 0.03


Errors = Annotated[list[Error], Field(json_schema_extra=UNIQUE, description="a list of normalized errors")]


class ErrorsOfModality(Settings):
    """normalized errors of the matches between the null distribution's and the closest one, for vision and audio"""

    vision: Errors = [0.8, 0.56, 0.4, 0.28, 0.2, 0.14, 0.1, 0.07, 0.05, 0.035, 0.025]
    audio: Errors = [0.4, 0.2, 0.1, 0.07, 0.05, 0.035, 0.025, 0.017, 0.012, 0.006]


class Convergence(Settings):
    """at which matches recognition is compared: errors, closest, published, published_stimuli and margin"""

    errors: ErrorsOfModality = ErrorsOfModality()
    closest: Annotated[
        dict[
            str,
            Annotated[dict[str, Error], Field(min_length=1, description="stage → its normalized error")],
        ],
        Field(description="generation model → stage → normalized error of the closest match"),
    ] = {}
    published: Annotated[
        dict[str, Annotated[list[str], Field(json_schema_extra=UNIQUE, description="a list of stages")]],
        Field(description="generation model → stages at which the published procedure is run, too"),
    ] = {}
    published_stimuli: Stimuli = 4
    margin: Margin = 0.05


class StudySettings(Settings):
    """the settings of the studies, which studies/README.md lists"""

    models: Annotated[
        list[str] | None,
        Field(
            json_schema_extra=UNIQUE,
            description="generation models, or null for the first of each of two architectures of each modality",
        ),
    ] = None
    stages: StagesOfModality = StagesOfModality()
    stimuli: Annotated[int, from_to("number of stimuli whose match is measured", 1, 10_000)] = 2
    qualities: Annotated[
        list[Annotated[str, Field(json_schema_extra={"enum": COMPARED}, description=", ".join(COMPARED))]],
        Field(min_length=1, json_schema_extra=UNIQUE, description="qualities at whose match costs are compared"),
    ] = [*COMPARED]
    most_steps: Annotated[int, from_to("largest number of steps that is tried", 10, 1_000_000)] = 24_000
    repeats: Repeats = 7
    standard: Standard = Standard()
    gpu: Gpu = Gpu()
    equivalence: Equivalence = Equivalence()
    convergence: Convergence = Convergence()


def study_settings(benchmark: Any) -> StudySettings:
    """The settings of the studies, from the key ``benchmark`` of a configuration.

    Raises
    ------
    ConfigurationError
        When a value does not fit, with the key, the value, and what would do.
    """
    schema = {"type": "object", "properties": {"benchmark": {"$ref": "#/$defs/StudySettings"}}}
    definitions = StudySettings.model_json_schema(ref_template="#/$defs/{model}")
    schema["$defs"] = definitions.pop("$defs") | {"StudySettings": definitions}
    validate({"benchmark": benchmark}, schema, "configuration")
    return StudySettings.model_validate(benchmark)
