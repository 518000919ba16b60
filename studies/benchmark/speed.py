"""Cost: time and memory of a step of each quality, of the published procedure and of plenoptic, as ratios.

The published procedure is timed in three variants. ``published_whole`` takes one stimulus at a time through the whole
network. ``published`` is the same, truncated at the stage. ``published_optimized`` is this workflow's
quality ``published``: truncated, several stimuli at once, with its optimizations. plenoptic is timed on the network
truncated at the stage, without these optimizations (``plenoptic``, with ``studies.benchmark.measure.plain_model``) and
with them (``plenoptic_optimized``). All take turns in one process on one CPU thread. Numbers of steps are counted in
``studies.benchmark.steps``; a speedup is the ratio of steps times the ratio of costs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from metamers.models.cost import alternating, in_own_process, most_memory
from metamers.models.model import Model
from metamers.synthesize.metamers import synthesize
from metamers.synthesize.qualities import QUALITIES as PROCEDURE_OF
from metamers.synthesize.qualities import TO_TARGET
from studies.benchmark.match import equally_recognized, matches_alike
from studies.benchmark.measure import MATRIX, operations_of_step, peak_rate
from studies.benchmark.steps import PLENOPTIC, REFERENCES, plenoptic_steps

# Steps that are timed together, so many that the checks before a synthesis hardly count.
STEPS = {"published": 40, "plenoptic": 20, "ours": 40}
NEVER = 1e-9  # a normalized error that is not reached in so few steps
OF_PUBLISHED = ("published", "published_whole", "published_optimized")
OF_PLENOPTIC = ("plenoptic", "plenoptic_optimized")
PEAK = "peak"
# Ratios of a reference to a quality, (model, stage, quality) each.
RATIOS = (
    "steps_ratio_published",
    *(f"step_cost_ratio_{variant}" for variant in OF_PUBLISHED),
    "speedup_over_published",
    "steps_ratio_plenoptic",
    *(f"step_cost_ratio_{variant}" for variant in OF_PLENOPTIC),
    "speedup_over_plenoptic",
)


class Job(NamedTuple):
    """Something that is timed: ``run``, and the number of its stimuli times steps."""

    run: Callable[[], object]
    steps: int


def jobs_of(
    model: Model,
    plain: Model,
    whole: Model,
    stage: str,
    natural: torch.Tensor,
    start: torch.Tensor,
    settings: Mapping[str, Mapping[str, Any]],
    qualities: Iterable[str],
) -> dict[str, Job]:
    """The jobs that are timed at a stage, by variant; see ``speed`` for the parameters, of one stage."""
    begun: dict[str, Callable[[int], torch.Tensor]] = {}

    def plenoptic(variant: str, network: Model) -> None:
        if variant not in begun:
            best = PLENOPTIC[network.modality][0]  # all take the same time
            begun[variant] = plenoptic_steps(network, stage, natural, start, best, 10**6)
        begun[variant](STEPS["plenoptic"])

    def published(network: Model, count: int) -> None:
        changed = {**settings["published"], "steps": STEPS["published"], "halvings": 0}  # all sizes take the same time
        synthesize(network, stage, natural[:count], start[:count], "published", changed)

    def ours(quality: str) -> None:
        procedure = PROCEDURE_OF[quality]
        # A synthesis to a target has the drafts of one that ends there: all steps but the last tenth.
        to_target = {"max_steps": STEPS["ours"], "target_error": NEVER}
        limit = to_target if procedure == TO_TARGET else {"steps": STEPS["ours"]}
        synthesize(model, stage, natural, start, procedure, {**settings[quality], **limit})

    count = len(natural)
    networks = {"published": (plain, 1), "published_whole": (whole, 1), "published_optimized": (model, count)}
    jobs = {
        variant: Job(lambda network=network, number=number: published(network, number), STEPS["published"] * number)
        for variant, (network, number) in networks.items()
    }
    for variant, network in zip(OF_PLENOPTIC, (plain, model), strict=True):
        jobs[variant] = Job(
            lambda variant=variant, network=network: plenoptic(variant, network), STEPS["plenoptic"] * count
        )
    return jobs | {quality: Job(lambda quality=quality: ours(quality), STEPS["ours"] * count) for quality in qualities}


def speed(
    model: Model,
    plain: Model,
    whole: Model,
    natural: torch.Tensor,
    start: torch.Tensor,
    settings: Mapping[str, Mapping[str, Mapping[str, Any]]],
    qualities: Sequence[str],
    repeats: int,
) -> xr.Dataset:
    """Time and memory of steps at each stage.

    Parameters
    ----------
    model
        The model with all optimizations.
    plain, whole
        The model without them (``plain_model``), and the same through its whole network (``WholeModel``).
    natural, start
        One batch (stimulus, …signal), on the CPU.
    settings
        Stage → settings of the qualities there, as for ``studies.benchmark.steps.steps_to_match``.
    qualities
        The qualities that are timed.
    repeats
        Number of measurements of each time.

    Returns
    -------
    xarray.Dataset
        (variant, stage, repeat) → ``seconds_per_step`` of one stimulus, where a variant is one of ``OF_PUBLISHED`` or
        ``OF_PLENOPTIC``, or a quality; (variant, stage) → ``peak_memory`` of the whole process in MB; (stage) →
        ``operations`` of one stimulus's step up to the stage, and ``share_of_peak``: the largest part of the rate of
        products of float32 matrices on the same thread that a quality reaches.
    """
    jobs = {
        stage: jobs_of(model, plain, whole, stage, natural, start, of_stage, qualities)
        for stage, of_stage in settings.items()
    }
    variants = list(next(iter(jobs.values())))
    memory = [
        [in_own_process(lambda job=of_stage[variant]: (job.run(), most_memory())[1]) for of_stage in jobs.values()]
        for variant in variants
    ]
    operations = [operations_of_step(plain, stage, natural[:1]) for stage in jobs]
    matrix = torch.randn(MATRIX, MATRIX, generator=torch.Generator().manual_seed(0))
    seconds, share = [], []
    for operation, of_stage in zip(operations, jobs.values(), strict=True):
        runs: dict[str, Callable[[], object]] = {variant: job.run for variant, job in of_stage.items()}
        times = alternating(repeats, **runs, **{PEAK: lambda: matrix @ matrix})
        seconds.append([times[variant] / job.steps for variant, job in of_stage.items()])
        shortest = min(float(np.median(times[quality] / of_stage[quality].steps)) for quality in qualities)
        share.append(operation / shortest / peak_rate(float(np.median(times[PEAK]))))
    return xr.Dataset(
        {
            "seconds_per_step": (("variant", "stage", "repeat"), np.swapaxes(seconds, 0, 1)),
            "peak_memory": (("variant", "stage"), np.array(memory, dtype=float)),
            "operations": ("stage", operations),
            "share_of_peak": ("stage", share),
        },
        coords={"variant": variants, "stage": list(jobs), "repeat": np.arange(repeats)},
    )


def ratios(timed: xr.Dataset, matched: xr.Dataset) -> xr.Dataset:
    """How many times as many steps a reference takes, how many times as much a step costs, and both together.

    Parameters
    ----------
    timed
        Result of ``speed``, of one stage.
    matched
        Result of ``studies.benchmark.steps.steps_to_match`` there.

    Returns
    -------
    xarray.Dataset
        (quality) → ``RATIOS``, of medians over repeats, and ``speedup_over_<reference>_low`` and ``_high`` over the
        repeats. ``reached_<reference>``: whether it reached the match; if not, the ratio of steps, and the speedup with
        it, are lower bounds.
    """
    seconds = timed["seconds_per_step"]
    ours = seconds.sel(variant=matched["quality"].values).rename(variant="quality")
    own_steps = matched["steps"].mean("stimulus")
    compared = {}
    for variant in (*OF_PUBLISHED, *OF_PLENOPTIC):
        of_variant = seconds.sel(variant=variant, drop=True)
        compared[f"step_cost_ratio_{variant}"] = of_variant.median("repeat") / ours.median("repeat")
    for reference in REFERENCES:
        steps = matched["steps_to_match"].sel(reference=reference, drop=True)
        ratio = steps.fillna(matched["steps_most"]) / own_steps
        costs = seconds.sel(variant=reference, drop=True) / ours
        compared |= {
            f"steps_ratio_{reference}": ratio,
            f"speedup_over_{reference}": ratio * compared[f"step_cost_ratio_{reference}"],
            f"speedup_over_{reference}_low": ratio * costs.min("repeat"),
            f"speedup_over_{reference}_high": ratio * costs.max("repeat"),
            f"reached_{reference}": steps.notnull(),
        }
    return xr.Dataset(compared)


def _of_model(matched: Mapping[str, xr.Dataset], timed: xr.Dataset, recognized: xr.Dataset) -> xr.Dataset:
    """Variables of ``collect`` for one model, (stage)."""
    stages = list(matched)
    along = xr.DataArray(stages, dims="stage", name="stage")
    steps = xr.concat([one.mean("stimulus") for one in matched.values()], along)
    compared = xr.concat([ratios(timed.sel(stage=stage, drop=True), matched[stage]) for stage in stages], along)
    rows = [equally_recognized(recognized["correct"].sel(stage=stage)) for stage in stages]
    return xr.merge([steps, timed, compared], compat="override", join="exact").assign(
        recognized_error=recognized["normalized_error"].mean("stimulus").sel(stage=stages),
        stage_number=("stage", np.arange(1, len(stages) + 1, dtype=float)),
        **{key: ("stage", [row[key] for row in rows]) for key in rows[0]},
    )


def _over_stages(recognized: xr.Dataset) -> dict[str, float]:
    """The result of ``equally_recognized`` over the stages with equal match of both procedures; NaN without one."""
    alike = matches_alike(recognized["normalized_error"])
    pooled = equally_recognized(recognized["correct"].where(alike).mean("stage"))
    return pooled if alike.any() else dict.fromkeys(pooled, np.nan)


def by_modality(compared: xr.Dataset, modalities: Sequence[str]) -> xr.Dataset:
    """Each ratio over the stages of all models of a modality.

    Parameters
    ----------
    compared
        (model, stage, quality) → ``RATIOS`` and ``reached_<reference>``.
    modalities
        Modality of each model.

    Returns
    -------
    xarray.Dataset
        (modality, quality, ratio) → ``median``, ``geometric_mean``, ``least`` and ``greatest``, with lower bounds where
        a reference did not reach the match; ``stages_compared``, and ``stages_bounded``, those with such bounds.
    """
    names, over = list(dict.fromkeys(modalities)), ("model", "stage")
    along = xr.DataArray(list(RATIOS), dims="ratio", name="ratio")
    summaries = []
    for modality in names:
        chosen = compared.isel(model=[one == modality for one in modalities])
        values = xr.concat([chosen[name] for name in RATIOS], along)
        bounded = xr.zeros_like(values, dtype=int)
        for reference in REFERENCES:
            for name in (f"steps_ratio_{reference}", f"speedup_over_{reference}"):
                bounded.loc[{"ratio": name}] = chosen[f"reached_{reference}"] == 0
        summaries.append(
            xr.Dataset(
                {
                    "median": values.median(over),
                    "geometric_mean": np.exp(np.log(values).mean(over)),
                    "least": values.min(over),
                    "greatest": values.max(over),
                    "stages_compared": values.notnull().sum(over),
                    "stages_bounded": bounded.sum(over),
                }
            )
        )
    return xr.concat(summaries, xr.DataArray(names, dims="modality", name="modality"))


def collect(
    matched: Mapping[str, Mapping[str, xr.Dataset]],
    timed: Mapping[str, xr.Dataset],
    recognized: Mapping[str, xr.Dataset],
    modalities: Mapping[str, str],
) -> xr.Dataset:
    """The benchmark of synthesis: all models and stages.

    Parameters
    ----------
    matched
        Model → stage → the result of ``studies.benchmark.steps.steps_to_match``.
    timed
        Model → the result of ``speed``.
    recognized
        Model → (recognition_model, stage, kept_procedure, stimulus) → ``correct``; (stage, kept_procedure, stimulus) →
        ``normalized_error``: of metamers of both procedures.
    modalities
        Model → modality.

    Returns
    -------
    xarray.Dataset
        (model, stage, quality) → the results of ``ratios``, ``normalized_error`` and ``steps``, means over stimuli;
        (model, stage) → the results of ``speed`` and ``studies.benchmark.match.equally_recognized``,
        ``recognized_error`` of the metamers that are recognized, ``stage_number``; (modality, quality, ratio) → the
        result of ``by_modality``; (model) → ``whole_difference``, with ``_low`` and ``_high``: of recognition of the
        two procedures' metamers over all stages at which they match alike.
    """
    names = list(matched)
    of_model = [_of_model(matched[name], timed[name], recognized[name]) for name in names]
    union = list(dict.fromkeys(stage for one in of_model for stage in one["stage"].values))
    # Where a model lacks a stage, values are missing, so these of true or false are numbers.
    reached = [f"reached_{reference}" for reference in REFERENCES]
    of_model = [one.assign({name: one[name].astype(float) for name in reached}) for one in of_model]
    compared = xr.concat(
        [one.reindex(stage=union) for one in of_model], xr.DataArray(names, dims="model", name="model"), join="exact"
    )
    pooled = [_over_stages(recognized[name]) for name in names]
    return compared.merge(by_modality(compared, [modalities[name] for name in names])).assign(
        **{f"whole_{key}": ("model", [one[key] for one in pooled]) for key in pooled[0] if "difference" in key},
    )
