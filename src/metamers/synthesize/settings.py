"""Settings of synthesis: quality, target, and the procedure of each quality for each modality."""

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from metamers.config.fields import (
    ModelName,
    Number,
    OfModalities,
    Settings,
    above_to,
    below_1,
    from_to,
    of_modalities,
    one_of,
    optional,
    section_config,
    setting,
    several,
)
from metamers.config.models import ModelEntry
from metamers.config.read import resolve_function
from metamers.names import ConfigurationError, unknown_name
from metamers.synthesize.qualities import QUALITIES, TO_TARGET

OPTIMIZERS = ("adam", "adam_mini", "nadam", "radam")  # ``metamers.synthesize.optimizers`` has their classes
Optimizer = Annotated[str, one_of(OPTIMIZERS, more="`adam_mini` steps along the averaged gradient.")]
Beta1 = Annotated[Number, setting("decay of the gradient's average, from 0 to below 1", ge=0, lt=1)]
Beta2 = Annotated[Number, below_1("decay of the squared gradient's average")]
Steps = Annotated[int, from_to("number of steps", 1, 1_000_000)]


class OneCycle(Settings):
    """settings of one cycle of the learning rate"""

    optimizer: Optimizer
    steps: Steps
    learning_rate: Annotated[Number, above_to("peak of the one-cycle rate", 0, 1000, more="In units of the stimulus.")]
    beta_1: Beta1
    beta_2: Beta2
    low_precision: Annotated[
        Number,
        from_to(
            "proportion of the steps in which the network is computed in low precision",
            0,
            1,
            more="The first steps, if the device computes bfloat16 natively (AVX512-BF16, AMX, GPUs from Ampere on) "
            "and the stage supports it.",
        ),
    ]
    low_precision_format: Annotated[
        Literal["bfloat16", "tf32"] | None,
        optional(
            "bfloat16 or tf32",
            "Optional; `bfloat16` is the default. `tf32` is for cards from Ampere on; elsewhere it is float32.",
        ),
    ] = None
    rough_cochleagram: Annotated[
        Number | None,
        optional(
            "proportion of the steps in which cochleagrams have lower rates, from 0 to 1",
            "Optional, for sounds of models with `rate: band`: the first steps "
            "([Three rates](../docs/explanation/cochleagram.md#three-rates)).",
            ge=0,
            le=1,
        ),
    ] = None


class ToTarget(Settings):
    """settings of synthesis to the target"""

    optimizer: Optimizer
    max_steps: Annotated[
        int,
        from_to(
            "largest number of steps of a stimulus",
            1,
            1_000_000,
            more="Then synthesis ends without the target.",
        ),
    ]
    learning_rate: Annotated[
        Number, above_to("learning rate", 0, 1000, more="Constant, except at the beginning and the end.")
    ]
    beta_1: Beta1
    beta_2: Beta2
    rough_cochleagram: Annotated[
        bool | None,
        optional(
            "true or false: whether cochleagrams have lower rates before the first decay of the rate",
            "Optional, for sounds of models with `rate: band`.",
        ),
    ] = None


class Published(Settings):
    """settings of the study's own procedure"""

    steps: Annotated[int, from_to("steps at each step size", 1, 1_000_000, "published: 3000")]
    step_size: Annotated[Number, above_to("length of the first steps", 0, 1_000_000, "published: 1")]
    halvings: Annotated[
        int,
        from_to(
            "number of times that the step size is halved",
            0,
            100,
            "published: 7",
            "Schedules and starts are in the registry of models.",
        ),
    ]


def _quality(name: str, settings: type[Settings], noun: str, **defaults: Settings) -> Any:
    """The settings of a quality, with the defaults of each modality."""
    keys = f"{', '.join(settings.model_fields)}; null for a run without {{}}"
    return of_modalities(name, settings | None, f"for each modality, {noun}", keys, defaults)


Quick: Any = _quality(
    "Quick",
    OneCycle,
    "the settings of the quality quick",
    vision=OneCycle(optimizer="adam", steps=64, learning_rate=0.015, beta_1=0.8, beta_2=0.95, low_precision=0.9),
    audio=OneCycle(
        optimizer="adam_mini", steps=80, learning_rate=0.01, beta_1=0.9, beta_2=0.95, low_precision=0,
        rough_cochleagram=0.9,
    ),
)  # fmt: skip
Converged: Any = _quality(
    "Converged",
    ToTarget,
    "the settings of the quality converged",
    vision=ToTarget(optimizer="adam", max_steps=2048, learning_rate=0.015, beta_1=0.95, beta_2=0.99),
    audio=ToTarget(
        optimizer="adam_mini", max_steps=2048, learning_rate=0.01, beta_1=0.98, beta_2=0.99, rough_cochleagram=True
    ),
)
Standard: Any = _quality(  # short averages and bfloat16 would limit the match of a long synthesis
    "Standard",
    OneCycle,
    "the settings of the quality standard",
    vision=OneCycle(optimizer="adam", steps=2048, learning_rate=0.015, beta_1=0.95, beta_2=0.99, low_precision=0.5),
    audio=OneCycle(
        optimizer="adam_mini", steps=2048, learning_rate=0.01, beta_1=0.98, beta_2=0.99, low_precision=0,
        rough_cochleagram=0.9,
    ),
)  # fmt: skip
AsPublished: Any = _quality(
    "AsPublished",
    Published,
    "the settings of the quality published",
    vision=Published(steps=3000, step_size=1.0, halvings=7),
    audio=Published(steps=3000, step_size=1.0, halvings=7),
)
TargetErrors: Any = of_modalities(
    "TargetErrors",
    Annotated[Number | None, setting("", gt=0, lt=1)],
    "for each modality, a normalized error between 0 and 1, or null",
    "a normalized error between 0 and 1, or null",
    {"vision": 0.07, "audio": 0.035},
)


class Target(Settings):
    """where synthesis of the quality converged ends: normalized_error, and stages with another one"""

    normalized_error: Annotated[
        TargetErrors,
        setting(
            "for each modality, a normalized error between 0 and 1, or null",
            "Whether recognition at the defaults equals that at closer matches is undecided at 8 of 13 measured stages "
            "([Convergence](../docs/explanation/convergence.md)).",
        ),
    ] = TargetErrors()
    stages: Annotated[
        dict[
            str,
            Annotated[
                dict[str, Annotated[Number, setting("a normalized error between 0 and 1", gt=0, lt=1)]],
                setting("stage → its normalized error, between 0 and 1", min_length=1),
            ],
        ],
        setting(
            "generation model → stage → its normalized error, between 0 and 1",
            "For example, `{efficientnet_lite0: {block_11: 0.05}}`. Models that differ only by the seed of their "
            "training share it.",
        ),
    ] = {}


Weight = Annotated[Number | None, setting("", gt=0, le=1_000_000)]


class PenaltySettings(Settings):
    """a penalty on the stimulus alone, which synthesis adds to the normalized error: weights of terms, or python"""

    model_config = section_config(
        "Off by default. Metamers may then look more natural than the model alone would make them ([With a "
        "penalty](../docs/explanation/metamers.md#with-a-penalty))."
    )

    total_variation: Annotated[
        Weight,
        setting(
            "weight of the squared differences between neighbouring values, above 0 and up to 1000000; null for none"
        ),
    ] = None
    range: Annotated[
        Weight,
        setting(
            "weight of the sixth powers of values, whose limits count as -1 and 1, above 0 and up to 1000000; null for "
            "none"
        ),
    ] = None
    python: Annotated[
        str | None,
        setting(
            "FILE.py:FUNCTION, a function of yours in place of both terms, or null",
            "From stimuli (stimulus, …signal) to penalties (stimulus,).",
            pattern=r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$",
        ),
    ] = None
    models: Annotated[
        list[ModelName] | None,
        several(
            "generation models whose metamers have the penalty, each once; null means all",
            "To compare with and without a penalty, give one network two names (`comparison.contrasts`).",
        ),
    ] = None

    @property
    def chosen(self) -> dict[str, Any]:
        """The penalty as a job takes it (``metamers.synthesize.penalties.penalty_of``); empty for none."""
        place = {} if self.python is None else {"python": resolve_function(self.python)}
        terms = {"total_variation": self.total_variation, "range": self.range}
        return place | {term: weight for term, weight in terms.items() if weight is not None}

    def check(self, generation_models: Collection[str]) -> None:
        """Check that terms and function are not both chosen, and that the file and the generation models exist.

        Raises
        ------
        ConfigurationError
            For the first error.
        """
        key = "synthesis.penalty"
        terms = [term for term in self.chosen if term != "python"]
        if self.python is not None and terms:
            raise ConfigurationError(
                f"{key}.python: takes the place of the terms, but {key}.{terms[0]} has a weight; wanted one of the two"
            )
        if self.python is not None and not Path(file := self.chosen["python"].rsplit(":", 1)[0]).is_file():
            raise ConfigurationError(f"{key}.python: there is no file {file}")
        for number, model in enumerate(self.models or []):
            if not self.chosen:
                raise ConfigurationError(
                    f"{key}.models: names models, but there is no penalty; wanted a weight for total_variation or "
                    "range, python, or no models"
                )
            if model not in generation_models:
                raise unknown_name("generation model", model, generation_models, f"{key}.models.{number}")


class SynthesisSettings(Settings):
    """how metamers are synthesized"""

    quality: Annotated[
        str,
        one_of(
            QUALITIES,
            more="How closely metamers match ([Quality](../docs/explanation/metamers.md#quality)). `quick`: a first "
            "look, not converged; `converged`: to `synthesis.target`; `standard`: a fixed number of steps, closer; "
            "`published`: the study's own procedure.",
        ),
    ] = "converged"
    seeds: Annotated[
        int,
        from_to(
            "number of metamers of each stimulus and stage",
            1,
            1000,
            more="Each starts from its own noise.",
        ),
    ] = 1
    batch_size: Annotated[
        Annotated[
            int,
            setting("number of stimuli (with all their seeds) in one job, from 1 to 10000, or auto", ge=1, le=10000),
        ]
        | Literal["auto"],
        setting(
            "number of stimuli (with all their seeds) in one job, from 1 to 10000, or auto",
            "`auto` is 12; with `device: cuda` or `cuda:N`, 2.4 million / (steps × seeds), at most 500. A change makes "
            "metamers again: to go on with a run on another `device`, set the number that it had. How many are "
            "optimized at once is independent of it ([batches](../docs/promises.md#reproducible-numbers)).",
        ),
    ] = "auto"
    target: Annotated[
        Target,
        setting(
            "where synthesis of the quality converged ends: normalized_error, and stages with another one",
            "A stimulus takes steps until it has this error ([To a "
            "target](../docs/explanation/metamers.md#to-a-target)). With every quality, only a stage at which at least "
            "half of the metamers have it may be in a "
            "[verdict](../docs/explanation/recognizability.md#what-a-run-may-say).",
        ),
    ] = Target()
    penalty: PenaltySettings = PenaltySettings()
    quick: Quick = Quick()
    converged: Converged = Converged()
    standard: Standard = Standard()
    published: AsPublished = AsPublished()

    @property
    def procedure(self) -> str:
        """The run's procedure, a name from ``metamers.synthesize.procedures.PROCEDURES``."""
        return QUALITIES[self.quality]

    @cached_property
    def qualities(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Quality → modality → settings of its procedure, as a job takes them."""
        return {
            quality: {modality: one.parameters for modality, one in getattr(self, quality).items()}
            for quality in QUALITIES
        }

    @property
    def of_modality(self) -> dict[str, dict[str, Any]]:
        """Modality → settings of the run's procedure."""
        return self.qualities[self.quality]


def check_synthesis(
    settings: SynthesisSettings,
    quality: str,
    used: Iterable[str],
    models: Mapping[str, ModelEntry],
) -> None:
    """Check that a quality has settings, and a target if it needs one, for every modality of models.

    Raises
    ------
    ConfigurationError
        When it has none, or the target names a model or stage that there is not.

    Examples
    --------
    >>> from metamers.synthesize.settings import SynthesisSettings, check_synthesis
    >>> settings = SynthesisSettings.model_validate({"target": {"stages": {"resnet": {"layer1": 0.05}}}})
    >>> check_synthesis(settings, "converged", used=[], models={})
    Traceback (most recent call last):
        ...
    metamers.names.ConfigurationError: synthesis.target.stages: unknown model 'resnet'. Valid: none.
    """
    for model, stages in settings.target.stages.items():
        # A file that is laid over another may leave out some of its generation models.
        if model not in models:
            raise unknown_name("model", model, models, "synthesis.target.stages")
        for stage in stages:
            if stage not in models[model].stages:
                raise unknown_name("stage", stage, models[model].stages, f"synthesis.target.stages.{model}")
    for modality in dict.fromkeys(models[model].modality for model in used):
        procedures: OfModalities = getattr(settings, quality)
        if procedures.of(modality) is None:
            raise ConfigurationError(f"synthesis.{quality}.{modality}: found null; wanted settings for that modality")
        if QUALITIES[quality] == TO_TARGET and settings.target.normalized_error.of(modality) is None:
            raise ConfigurationError(
                f"synthesis.target.normalized_error.{modality}: found no value; wanted the normalized error, between 0 "
                f"and 1, at which synthesis of quality {quality!r} ends"
            )
