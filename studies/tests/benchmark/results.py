"""Settings of the benchmark on a small network, and its results, made up."""

import numpy as np
import xarray as xr

from studies.benchmark.speed import collect
from studies.benchmark.steps import REFERENCES

STAGES = {"input": None, "block": "block", "logits": "classify"}
QUICK = {"optimizer": "adam", "steps": 16, "learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "low_precision": 0.9}
SETTINGS = {
    "published": {"steps": 20, "step_size": 0.3, "halvings": 1},
    "quick": QUICK,
    "standard": QUICK | {"steps": 64, "beta_1": 0.95, "beta_2": 0.99, "low_precision": 0},
}


def recognition(one_cycle):
    """Of two recognition models; the published procedure's metamers of the first half of eight stimuli are recognized."""
    published = np.zeros((2, 1, 8))
    published[:, :, :4] = 1
    dims = ("stage", "kept_procedure", "stimulus")
    return xr.Dataset(
        {
            "correct": (
                ("recognition_model", *dims),
                np.stack([published, np.broadcast_to(one_cycle, (2, 1, 8))], axis=2),
            ),
            "normalized_error": (dims, np.full((1, 2, 8), 0.2)),
        },
        coords={"stage": ["block"], "kept_procedure": ["published", "one_cycle"], "recognition_model": ["a", "b"]},
    )


TARGET = {**{key: QUICK[key] for key in ("optimizer", "learning_rate", "beta_1", "beta_2")}, "max_steps": 400}
ALL = SETTINGS | {"converged": TARGET | {"target_error": 0.2}}


def matched(published=(600.0, 900.0), plenoptic=(120.0, 450.0)) -> xr.Dataset:
    """Of two stimuli, with qualities that take 100 and 300 steps; at most 2,000 of the others were tried."""
    return xr.Dataset(
        {
            "normalized_error": (("quality", "stimulus"), np.array([[0.2, 0.22], [0.07, 0.07]])),
            "steps": (("quality", "stimulus"), np.array([[100, 100], [200, 400]])),
            "steps_to_match": (("quality", "reference"), np.transpose([published, plenoptic])),
            "steps_most": 2000,
        },
        coords={"quality": ["quick", "converged"], "reference": list(REFERENCES), "stimulus": ["a", "b"]},
    )


SECONDS = {
    "published": (4, 6, 5),
    "published_whole": (8, 12, 10),
    "published_optimized": (2, 2, 2),
    "plenoptic": (3, 3, 3),
    "plenoptic_optimized": (1.5, 1.5, 1.5),
    "quick": (1, 2, 1),
    "converged": (2, 2, 2),
}


def timed(stage="block", **seconds) -> xr.Dataset:
    every = SECONDS | {variant: (value,) * 3 for variant, value in seconds.items()}
    return xr.Dataset(
        {
            "seconds_per_step": (("variant", "stage", "repeat"), np.array([[one] for one in every.values()], float)),
            "peak_memory": (("variant", "stage"), np.full((len(every), 1), 9.0)),
            "operations": ("stage", [1e9]),
            "share_of_peak": ("stage", [0.5]),
        },
        coords={"variant": list(every), "stage": [stage]},
    )


def both() -> xr.Dataset:
    """Two models of images, and one of sounds with another stage, where plenoptic does not reach a match."""
    recognized = recognition([1, 1, 1, 1, 0, 0, 0, 0])
    slow = timed(published=40, quick=1)
    return collect(
        {"a": {"block": matched()}, "b": {"block": matched()}, "c": {"relu": matched(plenoptic=(np.nan, 450.0))}},
        {"a": timed(), "b": slow, "c": timed("relu")},
        {"a": recognized, "b": recognized, "c": recognized.assign_coords(stage=["relu"])},
        {"a": "vision", "b": "vision", "c": "audio"},
    )
