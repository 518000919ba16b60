"""Make benchmark/cochleagram.nc: time of the cochleagram and of a plain implementation at the full rate."""

from metamers.run.job import log_to, save

import numpy as np
import torch
import xarray as xr

from metamers.models.cochleagram import Cochleagram, FullRateCochleagram
from metamers.models.cost import alternating
from metamers.models.device import use_threads
from studies.files import COCHLEAGRAM

SAMPLES, RATE_HZ = 40_000, 20_000  # the published sounds

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
generator = torch.Generator().manual_seed(snakemake.config["seed"])
sound = 0.1 * torch.randn(1, SAMPLES, generator=generator)
fronts = {"ours": Cochleagram(SAMPLES, RATE_HZ), "full_rate": FullRateCochleagram(SAMPLES, RATE_HZ)}


def forward_and_backward(front: torch.nn.Module) -> torch.Tensor:
    varied = sound.clone().requires_grad_()
    front(varied).square().sum().backward()
    return varied.grad


jobs = {name: lambda front=front: forward_and_backward(front) for name, front in fronts.items()}
seconds = alternating(snakemake.params.repeats, **jobs)
with torch.no_grad():
    ours, plain = (front(sound) for front in fronts.values())
error = float(torch.linalg.vector_norm(ours - plain) / torch.linalg.vector_norm(plain))
speedup = float(np.median(seconds["full_rate"]) / np.median(seconds["ours"]))
logger.info(
    "cochleagram of 2 s, forward and backward, %d threads: ours %.0f ms, full rate %.0f ms: %.1f times as fast; "
    "relative difference of the cochleagrams %.1e",
    *(snakemake.threads, 1e3 * np.median(seconds["ours"]), 1e3 * np.median(seconds["full_rate"]), speedup, error),
)
save(
    snakemake,
    xr.Dataset(
        {
            "seconds": (("implementation", "repeat"), np.stack(list(seconds.values()))),
            "speedup": speedup,
            "relative_error": error,
        },
        coords={"implementation": list(seconds), "repeat": np.arange(snakemake.params.repeats)},
        attrs={"threads": snakemake.threads},
    ),
    declared=COCHLEAGRAM,
    title="Time of the cochleagram, forward and backward, against an implementation at the full rate",
    source="2 s of noise at 20 kHz; the implementations take turns; medians are compared",
    inputs=[],
)
