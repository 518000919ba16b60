"""Qualities of a run: how closely its metamers match, by which procedure and in how many steps.

The settings of each quality are in the configuration (``synthesis.<quality>``). This module does not import PyTorch,
because the plan of a run and its report need it, too.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

# Quality → procedure (``metamers.synthesize``). `quick` is for a first look. `converged` takes steps until the match
# has reached the target. `standard` ends, at every stage at which this was measured, with at least the match of the
# published 24,000 steps (resources/standard_match.csv).
QUALITIES = {"quick": "one_cycle", "converged": "to_target", "standard": "one_cycle", "published": "published"}

# Keys of a procedure's settings: the proportion of the steps, from the first one, that are a draft in this respect
# (``metamers.synthesize.drafts``). With a target, whose number of steps is not known, true or false: whether all
# steps before the first decay of the rate are. And the format of numbers in low precision, ``bfloat16`` or ``tf32``.
DRAFT_SHARES, FORMAT_SETTING = ("low_precision", "rough_cochleagram"), "low_precision_format"
DRAFT_SETTINGS = (*DRAFT_SHARES, FORMAT_SETTING)

PENALTY_SETTING = "penalty"  # the key of settings with what ``metamers.synthesize.penalties`` adds to the loss

TO_TARGET = "to_target"  # the procedure whose number of steps is not fixed
COMPARED_PROCEDURES = (TO_TARGET, "published")  # by which the metamers of `make convergence` are synthesized
FIXED_QUALITIES = tuple(quality for quality, procedure in QUALITIES.items() if procedure != TO_TARGET)
# Qualities that end while the match still improves fast, and the attribute of their files that says so.
UNCONVERGED_QUALITIES = ("quick",)
NOT_CONVERGED = "not converged: whether recognition would change with more steps is not known for these metamers"

AUTO = "auto"
CPU_STIMULI = 12  # of a job, with ``batch_size: auto``
# Of a job on a card: steps of metamers, so that it computes for longer than it takes to start, about ten seconds. By
# the rates assumed in docs/scale.md, these take 25 minutes of an H100 for the mean model of the study.
STEPS_OF_CARD_JOB = 2_400_000
MIN_STIMULI, MAX_STIMULI = 4, 500  # of such a job; memory of the host holds all its natural stimuli


def batch_size_of(batch_size: int | str, settings: Mapping[str, Any], seeds: int, device: str) -> int:
    """Number of stimuli of a job.

    Parameters
    ----------
    batch_size
        The configuration's ``synthesis.batch_size``: a number, or ``auto``.
    settings, seeds
        The settings of a procedure, and the number of metamers of each stimulus.
    device
        The configuration's ``device``. For ``auto``, too, a job is that of a CPU, since another machine that goes on
        with the run must find the same batches.

    Examples
    --------
    >>> from metamers.synthesize.qualities import batch_size_of
    >>> published = {"steps": 3000, "step_size": 1.0, "halvings": 7}
    >>> [batch_size_of("auto", published, seeds=1, device=device) for device in ("cpu", "cuda")]
    [12, 100]
    """
    if batch_size != AUTO:
        return int(batch_size)
    if not device.startswith("cuda"):
        return CPU_STIMULI
    return min(max(MIN_STIMULI, STEPS_OF_CARD_JOB // (number_of_steps(settings) * seeds)), MAX_STIMULI)


def quality_attributes(quality: str, settings: Mapping[str, Any] = MappingProxyType({})) -> dict[str, str]:
    """The attributes of a file of metamers that say how they were synthesized; ``settings`` may have a penalty.

    Examples
    --------
    >>> from metamers.synthesize.qualities import quality_attributes
    >>> quality_attributes("converged")
    {'quality': 'converged', 'procedure': 'to_target'}
    """
    unconverged = {"convergence": NOT_CONVERGED} if quality in UNCONVERGED_QUALITIES else {}
    penalized = {PENALTY_SETTING: penalty_in_words(chosen)} if (chosen := settings.get(PENALTY_SETTING)) else {}
    return {"quality": quality, "procedure": QUALITIES[quality]} | unconverged | penalized


def penalty_in_words(penalty: Mapping[str, Any] | Callable[..., Any]) -> str:
    """The penalty that was added to the normalized error, as files and pages name it.

    Examples
    --------
    >>> from metamers.synthesize.qualities import penalty_in_words
    >>> penalty_in_words({"total_variation": 0.5})
    'total_variation (weight 0.5)'
    """
    if callable(penalty):
        return f"function {getattr(penalty, '__qualname__', type(penalty).__name__)}"
    if "python" in penalty:
        return f"function {penalty['python']}"
    return ", ".join(f"{term} (weight {weight:.15g})" for term, weight in penalty.items())


def number_of_passes(settings: Mapping[str, Any]) -> int:
    """Number of passes of a procedure with these settings, each with steps of one size: ``steps`` on average.

    Examples
    --------
    >>> from metamers.synthesize.qualities import number_of_passes
    >>> number_of_passes({"steps": 3000, "step_size": 1.0, "halvings": 7})
    8
    """
    return settings.get("halvings", 0) + 1


def number_of_steps(settings: Mapping[str, Any]) -> int:
    """Number of steps of a procedure with these settings, over all passes; with a target, the maximum number.

    Examples
    --------
    >>> from metamers.synthesize.qualities import number_of_steps
    >>> number_of_steps({"steps": 3000, "step_size": 1.0, "halvings": 7})
    24000
    """
    if "max_steps" in settings:
        return settings["max_steps"]
    return round(settings["steps"] * number_of_passes(settings))


def with_number_of_steps(settings: Mapping[str, Any], total: int) -> dict[str, Any]:
    """The settings with this number of steps over all passes; ``steps`` has a fraction if passes cannot be equal.

    Examples
    --------
    >>> from metamers.synthesize.qualities import with_number_of_steps
    >>> with_number_of_steps({"steps": 3000, "halvings": 7}, total=100)
    {'steps': 12.5, 'halvings': 7}
    """
    whole, rest = divmod(total, number_of_passes(settings))
    return dict(settings) | {"steps": total / number_of_passes(settings) if rest else whole}
