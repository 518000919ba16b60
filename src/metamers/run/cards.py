"""NVIDIA cards of a machine, and how many of them a job takes. Profiles and rules read this, without PyTorch."""

import os
from pathlib import Path


def cards() -> int:
    """Number of NVIDIA cards of this machine that ``CUDA_VISIBLE_DEVICES`` lets programs see."""
    there = sum(1 for _ in Path("/dev").glob("nvidia[0-9]*"))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return there
    seen: list[str] = []
    for name in map(str.strip, visible.split(",")):
        is_card = name.startswith(("GPU-", "MIG-")) or (name.isdigit() and int(name) < there)
        if not is_card or name in seen:  # CUDA reads names up to the first that is none
            break
        seen.append(name)
    return min(there, len(seen))


def gpus_of_job(device: str) -> int:
    """Number of GPUs of a job that computes with a network.

    One if ``device`` is ``cuda``, or if it is ``auto`` and this machine has an NVIDIA card; else none. All of this
    machine if it is ``cuda:N``: all jobs take the same card, so that one runs at a time. Clusters number the cards of
    a job, so there ``cuda`` is meant.
    """
    if device == "auto":
        return min(1, cards())
    if device == "cuda":
        return 1
    return max(1, cards()) if device.startswith("cuda") else 0
