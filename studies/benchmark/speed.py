"""Speed: time and memory of a step of the one-cycle procedure, the published procedure and plenoptic.

Each procedure is run in its own way: the published one with one stimulus at a time and through the whole network,
plenoptic and one cycle in batches and only up to the stage. The published procedure and plenoptic use the model
without this workflow's optimizations (``studies.benchmark.measure.plain_model``). All take turns on one CPU thread.
The number of steps to the same match is measured in ``studies.benchmark.match``.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr

from metamers.models.cost import alternating, in_own_process, most_memory
from metamers.models.model import Model
from metamers.synthesize.metamers import synthesize
from studies.benchmark.match import PROCEDURES, equally_recognized, matches_alike, plenoptic_steps
from studies.benchmark.measure import MATRIX, operations_of_step, peak_rate

STEPS = {"published": 10, "one_cycle": 20, "plenoptic": 5}  # number of steps that are timed together
PEAK = "peak"
REFERENCES = ("published", "plenoptic")


def _jobs(
    model: Model,
    plain: Model,
    whole: Model,
    stage: str,
    natural: torch.Tensor,
    start: torch.Tensor,
    settings: Mapping[str, Mapping[str, Any]],
    quality: str,
) -> dict[str, Callable[[], object]]:
    """Jobs that take ``STEPS`` steps of each procedure; plenoptic continues its earlier steps."""
    begun: list[Callable[[int], torch.Tensor]] = []

    def plenoptic() -> None:
        if not begun:
            begun.append(plenoptic_steps(plain, stage, natural, start))
        begun[0](STEPS["plenoptic"])

    def ours() -> None:
        synthesize(model, stage, natural, start, "one_cycle", dict(settings[quality]) | {"steps": STEPS["one_cycle"]})

    def published() -> None:
        changed = dict(settings["published"]) | {
            "steps": STEPS["published"],
            "halvings": 0,
        }  # all step sizes take the same time
        synthesize(whole, stage, natural[:1], start[:1], "published", changed)

    return {"published": published, "one_cycle": ours, "plenoptic": plenoptic}


def speed(
    model: Model,
    plain: Model,
    whole: Model,
    stages: Mapping[str, str],
    natural: torch.Tensor,
    start: torch.Tensor,
    settings: Mapping[str, Mapping[str, Any]],
    repeats: int,
) -> xr.Dataset:
    """Time and memory of steps at each stage.

    Parameters
    ----------
    model
        The model with all optimizations.
    plain, whole
        The model without them (``plain_model``), and the same through its whole network (``WholeModel``).
    stages
        Stage to measure → quality whose settings ``one_cycle`` has there (``studies.benchmark.match.steps_to_match``).
    natural, start
        One batch (stimulus, …signal), on the CPU.
    settings
        Quality → settings.
    repeats
        Number of measurements of each time.

    Returns
    -------
    xarray.Dataset
        (procedure, stage, repeat) → ``seconds_per_step`` of one stimulus; (procedure, stage) → ``peak_memory`` of the
        whole process in MB; (stage) → ``operations`` of one stimulus's step up to the stage, and ``share_of_peak``: the
        part of the rate of products of float32 matrices on the same thread that ``one_cycle`` reaches.
    """
    jobs = {
        stage: _jobs(model, plain, whole, stage, natural, start, settings, quality) for stage, quality in stages.items()
    }
    memory = {
        stage: {name: in_own_process(lambda job=job: (job(), most_memory())[1]) for name, job in of_stage.items()}
        for stage, of_stage in jobs.items()
    }
    operations = [operations_of_step(plain, stage, natural[:1]) for stage in stages]
    stimuli = {"published": 1, "one_cycle": len(natural), "plenoptic": len(natural)}
    matrix = torch.randn(MATRIX, MATRIX, generator=torch.Generator().manual_seed(0))
    seconds, share = [], []
    for stage, operation in zip(stages, operations, strict=True):
        took = alternating(repeats, **jobs[stage], **{PEAK: lambda: matrix @ matrix})
        seconds.append([took[name] / (STEPS[name] * stimuli[name]) for name in PROCEDURES])
        ours = np.median(seconds[-1][PROCEDURES.index("one_cycle")])
        share.append(operation / ours / peak_rate(float(np.median(took[PEAK]))))
    return xr.Dataset(
        {
            "seconds_per_step": (("procedure", "stage", "repeat"), np.swapaxes(seconds, 0, 1)),
            "peak_memory": (
                ("procedure", "stage"),
                np.array([[memory[stage][name] for stage in stages] for name in PROCEDURES], dtype=float),
            ),
            "operations": ("stage", operations),
            "share_of_peak": ("stage", share),
        },
        coords={"procedure": list(PROCEDURES), "stage": list(stages), "repeat": np.arange(repeats)},
    )


def speedups(speed: xr.Dataset, steps: xr.DataArray, most: xr.DataArray) -> xr.Dataset:
    """How many times faster ``one_cycle`` reaches the match than the other procedures.

    Parameters
    ----------
    speed
        Result of ``speed``.
    steps, most
        ``steps_to_match`` and ``steps_most`` (procedure, stage).

    Returns
    -------
    xarray.Dataset
        (procedure, stage) → ``seconds_to_match`` of one stimulus, medians, from ``steps_most`` if the match was not
        reached; (stage) → ``speedup_over_published``, ``speedup_over_plenoptic``, each with ``_low`` and ``_high``
        over the repeats. If plenoptic did not reach the match, its speedup is a lower bound; if ``one_cycle`` did
        not, the speedup is NaN.
    """
    taken = steps.where(steps.notnull() | (steps["procedure"] == "one_cycle"), most)
    of_repeat = speed["seconds_per_step"] * taken
    seconds = of_repeat.median("repeat")
    found = {"seconds_to_match": seconds}
    for name in REFERENCES:
        ratio = of_repeat.sel(procedure=name, drop=True) / of_repeat.sel(procedure="one_cycle", drop=True)
        middle = seconds.sel(procedure=name, drop=True) / seconds.sel(procedure="one_cycle", drop=True)
        found[f"speedup_over_{name}"] = middle
        found[f"speedup_over_{name}_low"] = ratio.min("repeat")
        found[f"speedup_over_{name}_high"] = ratio.max("repeat")
    return xr.Dataset(found)


def _of_model(matched: Mapping[str, xr.Dataset], timed: xr.Dataset, recognized: xr.Dataset) -> xr.Dataset:
    """Variables of ``collect`` for one model, (stage)."""
    stages = list(matched)
    steps = xr.concat(
        [one[["steps_to_match", "steps_most", "normalized_error", "quality"]] for one in matched.values()],
        xr.DataArray(stages, dims="stage", name="stage"),
    )
    rows = [equally_recognized(recognized["correct"].sel(stage=stage)) for stage in stages]
    return xr.merge(
        [
            steps[["steps_to_match", "steps_most", "quality"]],
            timed,
            speedups(timed, steps["steps_to_match"], steps["steps_most"]),
        ],
        compat="override",
        join="exact",
    ).assign(
        normalized_error=steps["normalized_error"].sel(procedure="published", drop=True).mean("stimulus"),
        recognized_error=recognized["normalized_error"].mean("stimulus").sel(stage=stages),
        stage_number=("stage", np.arange(1, len(stages) + 1, dtype=float)),
        **{key: ("stage", [row[key] for row in rows]) for key in rows[0]},
    )


def _over_stages(recognized: xr.Dataset) -> dict[str, float]:
    """The result of ``equally_recognized`` over the stages with equal match of both procedures; NaN without one."""
    alike = matches_alike(recognized["normalized_error"])
    found = equally_recognized(recognized["correct"].where(alike).mean("stage"))
    return found if alike.any() else dict.fromkeys(found, np.nan)


def _geometric_mean(speedups: xr.DataArray) -> float:
    return float(np.exp(np.log(speedups).mean()))


def collect(
    matched: Mapping[str, Mapping[str, xr.Dataset]],
    timed: Mapping[str, xr.Dataset],
    recognized: Mapping[str, xr.Dataset],
) -> xr.Dataset:
    """The benchmark of synthesis: all models and stages.

    Parameters
    ----------
    matched
        Model → stage → the result of ``studies.benchmark.match.steps_to_match``.
    timed
        Model → the result of ``speed``.
    recognized
        Model → (recognition_model, stage, kept_procedure, stimulus) → ``correct``; (stage, kept_procedure, stimulus) →
        ``normalized_error``: of metamers of both procedures.

    Returns
    -------
    xarray.Dataset
        (model, stage) → the results of ``speedups``, ``speed`` and ``studies.benchmark.match.equally_recognized``,
        ``normalized_error`` at which times are compared, ``recognized_error`` of the metamers that are recognized,
        ``stage_number``; (reference) → ``mean_speedup``, geometric over the ``stages_reached`` at which both the
        reference and ``one_cycle`` reached the match, and ``least_speedup`` among these; ``mean_speedup_bound``,
        geometric over all stages that ``one_cycle`` reached, with lower bounds where the reference did not;
        (model) → ``whole_difference``, with ``_low`` and ``_high``: of recognition of the two procedures' metamers
        over all stages at which they match alike.
    """
    names = list(matched)
    of_model = [_of_model(matched[name], timed[name], recognized[name]) for name in names]
    union = list(dict.fromkeys(stage for one in of_model for stage in one["stage"].values))
    whole = xr.concat(
        [one.reindex(stage=union, fill_value={"quality": ""}) for one in of_model],
        xr.DataArray(names, dims="model", name="model"),
        join="exact",
    )
    of_reference = [whole[f"speedup_over_{name}"] for name in REFERENCES]
    reached = [
        one.where(whole["steps_to_match"].sel(procedure=name, drop=True).notnull())
        for name, one in zip(REFERENCES, of_reference, strict=True)
    ]
    pooled = [_over_stages(recognized[name]) for name in names]
    return whole.assign(
        mean_speedup=("reference", list(map(_geometric_mean, reached))),
        mean_speedup_bound=("reference", list(map(_geometric_mean, of_reference))),
        stages_reached=("reference", [int(one.count()) for one in reached]),
        least_speedup=("reference", [float(one.min()) for one in reached]),
        **{f"whole_{key}": ("model", [one[key] for one in pooled]) for key in pooled[0] if "difference" in key},
    ).assign_coords(reference=list(REFERENCES))
