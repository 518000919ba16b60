"""Graphics cards: agreement with the CPU, and speed by precision, by batch and by number of jobs on one card.

Models have random weights and stimuli are noise, because times depend on neither; nothing is downloaded. The
benchmark measures one stage of one model at a time, so that an interrupted run continues with the next stage.
"""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd
import torch
import xarray as xr

from metamers.models.batches import CPU_FORWARD_BATCH_SIZE, forward, forward_batch_size, in_batches
from metamers.models.device import choose_card, choose_device, use_threads, wait_for
from metamers.models.load import load_model
from metamers.models.model import Model
from metamers.models.precision import tf32
from metamers.synthesize.memory import max_batch_size
from metamers.synthesize.metamers import starts, synthesize
from studies.benchmark.measure import final_error
from studies.benchmark.precisions import time_precisions

logger = logging.getLogger("metamers")

# One step along the gradient, of length 1 (Feather et al. 2023, Methods). Metamers of more steps also differ between
# two CPUs: rounding changes which units are 0, and so later gradients (docs/promises.md).
ONE_STEP = {"steps": 1, "step_size": 1.0, "halvings": 0}
# Largest relative differences between card and CPU. Two implementations of float32 on one CPU differed by up to 0.004
# and 0.015 (studies/notes/scale.md).
TOLERANCES = {"metamer_difference": 0.01, "error_difference": 0.1}
JOBS = (1, 2, 4)  # numbers of simultaneous jobs on one card
FILLED_STEPS = 20  # steps of a batch that fills the card
MEMORY_LEFT = 0.5  # part of the memory of such a batch that is left for the test of lack of memory
RECOGNIZED = 256  # largest number of stimuli that are recognized for a rate
INTEGERS = ("agrees", "batch", "batch_fits", "halved_batch", "recognition_batch", "cards")  # columns of integers
# For the simultaneous jobs of each number of JOBS, with their start.
TIMEOUT_S = 300.0
READY, START, SECONDS = "ready", "start", "seconds"  # messages between the benchmark and its jobs


@dataclass(frozen=True)
class Job:
    """The synthesis of one batch.

    Attributes
    ----------
    name, entry
        The model, and its registry entry.
    device, stage
        A configuration's ``device``, and the stage to match.
    size
        Number of stimuli.
    settings
        Settings of ``one_cycle``, with the number of ``steps``.
    """

    name: str
    entry: Mapping[str, Any]
    device: str
    stage: str
    size: int
    settings: Mapping[str, Any]

    def with_steps(self, steps: int) -> "Job":
        """The same job with another number of steps."""
        return replace(self, settings={**self.settings, "steps": steps})


def example_stimuli(model: Model, count: int) -> torch.Tensor:
    """Stimuli (stimulus, …signal): the model's example with independent noise, on the model's device."""
    example = model.preprocessing.example()
    noise = torch.randn(count, *example.shape[1:], generator=torch.Generator().manual_seed(0))
    return (example + 0.1 * example.std() * noise).to(model.device)


def example_starts(model: Model, count: int) -> torch.Tensor:
    """Starts (stimulus, …signal) of the syntheses of ``example_stimuli``, on the model's device."""
    return starts(model, [f"example {number}" for number in range(count)], [0], 0)


def agreement(on_cpu: Model, on_card: Model, job: Job) -> dict[str, float]:
    """Differences between the metamers that a CPU and a card make from the same starts in float32.

    Parameters
    ----------
    on_cpu, on_card
        The same model on both devices.
    job
        Stage, number of stimuli and settings.

    Returns
    -------
    dict
        ``metamer_difference``: norm of the difference of the metamers after ``ONE_STEP`` of the published procedure,
        relative to the norm of the step on the CPU; ``metamer_difference_tf32``: the same with TF32 on the card;
        ``error_difference``: relative difference of the mean normalized error after all steps of the configured
        procedure, both errors computed on the CPU; ``agrees``: 1 if the first and the last difference are within
        ``TOLERANCES``, else 0.
    """
    natural, start = example_stimuli(on_cpu, job.size), example_starts(on_cpu, job.size)
    with torch.no_grad():
        target = on_cpu(natural, job.stage)

    def made(model: Model, procedure: str, settings: Mapping[str, Any]) -> torch.Tensor:
        given = (values.to(model.device) for values in (natural, start))
        return synthesize(model, job.stage, *given, procedure, settings)[0].cpu()

    def error(model: Model) -> float:
        metamers = made(model, "one_cycle", {**job.settings, "low_precision": 0})
        return float(final_error(on_cpu, job.stage, target, metamers).mean())

    wanted, in_float32 = (made(model, "published", ONE_STEP) for model in (on_cpu, on_card))
    with tf32():
        in_lower_precision = made(on_card, "published", ONE_STEP)
    step = torch.linalg.vector_norm(wanted - start)
    found = {
        "metamer_difference": float(torch.linalg.vector_norm(in_float32 - wanted) / step),
        "metamer_difference_tf32": float(torch.linalg.vector_norm(in_lower_precision - wanted) / step),
        "error_difference": abs(error(on_card) / error(on_cpu) - 1),
    }
    return found | {"agrees": float(all(found[key] <= most for key, most in TOLERANCES.items()))}


def synthesis_seconds(model: Model, job: Job) -> float:
    """Seconds that a job's synthesis takes, after one of two steps, in which libraries choose their kernels."""
    natural, start = example_stimuli(model, job.size), example_starts(model, job.size)
    seconds = 0.0
    for steps in (2, job.settings["steps"]):
        began = time.perf_counter()
        synthesize(model, job.stage, natural, start, "one_cycle", job.with_steps(steps).settings)
        wait_for(model.device)
        seconds = time.perf_counter() - began
    return seconds


@contextmanager
def limited_memory(device: torch.device, limit: float) -> Iterator[None]:
    """Let PyTorch allocate at most ``limit`` bytes on a card within the context."""
    _, total = torch.cuda.mem_get_info(device)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit / total), device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def filled_card(model: Model, job: Job) -> dict[str, float]:
    """Synthesis with the batch that free memory permits, and with too little memory for that batch.

    Parameters
    ----------
    model
        A model on a card.
    job
        Stage and settings; the number of stimuli follows from free memory (``metamers.synthesize.memory``).

    Returns
    -------
    dict
        ``free_card_memory`` before the synthesis, in MB; ``batch``: number of stimuli at once; ``batch_fits``: 1 if
        they fitted as predicted, 0 if the batch was halved; ``peak_card_memory`` of the synthesis, in MB;
        ``stimulus_steps_per_second``, with the time of the checks before the first step; ``halved_batch``: number of
        stimuli at once when PyTorch may allocate only ``MEMORY_LEFT`` of that peak; 0 if not even one fitted.
    """
    device = model.device
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    size = max_batch_size(model, job.stage, example_stimuli(model, 1))

    def work(part: slice) -> tuple[int, float, float]:
        torch.cuda.reset_peak_memory_stats(device)
        ready = replace(job.with_steps(FILLED_STEPS), size=part.stop - part.start)
        seconds = synthesis_seconds(model, ready)
        return ready.size, seconds, torch.cuda.max_memory_allocated(device)

    batch, seconds, peak = next(in_batches(size, size, work))
    halved = 0
    with limited_memory(device, MEMORY_LEFT * peak):
        try:
            halved, _, _ = next(in_batches(batch, batch, work))
        except torch.OutOfMemoryError:
            logger.warning("%s, %s: not even one stimulus fits into %.0f MB", model.name, job.stage, peak / 2e6)
    torch.cuda.empty_cache()
    return {
        "free_card_memory": free / 1e6,
        "batch": batch,
        "batch_fits": float(batch == size),
        "peak_card_memory": peak / 1e6,
        "stimulus_steps_per_second": batch * FILLED_STEPS / seconds,
        "halved_batch": halved,
    }


def recognition_rates(model: Model) -> dict[str, float]:
    """Class scores with the batch that a card's free memory permits, and with that of a CPU.

    Returns
    -------
    dict
        ``recognition_batch``: number of stimuli at once; ``recognized_per_second`` with it, and
        ``recognized_per_second_in_small_batches``.
    """
    batch = min(forward_batch_size(model.scores, example_stimuli(model, 1)), RECOGNIZED)
    stimuli = example_stimuli(model, batch)

    def per_second(max_batch_size: int) -> float:
        seconds = 0.0
        for _ in range(2):  # libraries choose their kernels in the first pass
            began = time.perf_counter()
            forward(model.scores, stimuli, max_batch_size)
            seconds = time.perf_counter() - began
        return len(stimuli) / seconds

    return {
        "recognition_batch": batch,
        "recognized_per_second": per_second(batch),
        "recognized_per_second_in_small_batches": per_second(CPU_FORWARD_BATCH_SIZE),
    }


def run_job() -> None:
    """One of several jobs of ``jobs_at_once``, a process of its own: its job on standard input, messages on output."""
    job = Job(**json.loads(sys.stdin.readline()))
    use_threads(1)
    model = load_model(job.name, job.entry, None, choose_device(job.device))
    synthesis_seconds(model, job.with_steps(2))
    print(READY, flush=True)
    if sys.stdin.readline().strip() == START:
        print(SECONDS, synthesis_seconds(model, job), flush=True)


def _message(process: subprocess.Popen, kind: str) -> str | None:
    """The rest of a job's next message of a kind; None if the job ended without it."""
    return next((line.removeprefix(kind) for line in process.stdout if line.startswith(kind)), None)


def jobs_at_once(job: Job, jobs: int) -> float:
    """Total stimuli × steps per second of simultaneous equal jobs, each a process; NaN if one fails or times out."""
    # Not multiprocessing, which would start the script of a Snakemake job again in each process.
    command = [sys.executable, "-c", "from studies.benchmark.gpu import run_job; run_job()"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    running = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(jobs)
    ]

    def kill_all() -> None:
        for process in running:
            process.kill()

    timer = threading.Timer(TIMEOUT_S, kill_all)
    timer.start()
    seconds: list[float | None] = [None]
    try:
        seconds = _seconds_of(running, job)
    finally:
        if None in seconds:
            kill_all()
        for process in running:
            process.communicate()
        timer.cancel()
    if None in seconds:
        return float("nan")
    return jobs * job.size * job.settings["steps"] / max(seconds)


def _seconds_of(running: Sequence[subprocess.Popen], job: Job) -> list[float | None]:
    """Seconds that each job computes, once all of them are ready; None for a job that fails."""
    try:
        for process in running:
            print(json.dumps(asdict(job)), file=process.stdin, flush=True)
        if None in [_message(process, READY) for process in running]:
            return [None]
        for process in running:
            print(START, file=process.stdin, flush=True)
    except BrokenPipeError:  # a job has ended
        return [None]
    messages = [_message(process, SECONDS) for process in running]
    return [None if message is None else float(message) for message in messages]


def card_and_driver(device: torch.device) -> dict[str, str]:
    """``card``, ``driver``, ``cuda`` and ``torch``: name of a card, and versions of what computes on it."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        driver = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        driver = "unknown"
    return {
        "card": torch.cuda.get_device_name(device),
        "driver": driver,
        "cuda": str(torch.version.cuda),
        "torch": torch.__version__,
    }


def gpu_benchmark(job: Job, batch: int) -> xr.Dataset:
    """All measurements of one stage of a model on one card.

    Parameters
    ----------
    job
        Model with random weights, card, stage, settings, and the number of stimuli that are compared with the CPU's.
    batch
        Number of stimuli at once in the comparison of precisions, and in each of several jobs.

    Returns
    -------
    xarray.Dataset
        The results of ``agreement``, ``filled_card`` and ``recognition_rates``, the number of ``cards`` and the total
        rate of one job on each, ``stimulus_steps_per_second_of_cards``, without dimensions; (precision,) →
        ``stimulus_steps_per_second_by_precision`` and ``outcome``, which begins with ok, not available, or failed;
        (jobs,) → ``stimulus_steps_per_second_by_jobs``, NaN if a job failed. Attributes: ``card_and_driver``.

    Raises
    ------
    ValueError
        When the machine lacks the card (``metamers.models.device.choose_card``), or synthesis cannot work at the stage
        (``metamers.synthesize.metamers.check_stage``).
    """
    device = choose_card(job.device)
    on_cpu, on_card = (load_model(job.name, job.entry, None, one) for one in (torch.device("cpu"), device))
    single = agreement(on_cpu, on_card, job) | filled_card(on_card, job) | recognition_rates(on_card)
    natural, start = example_stimuli(on_card, batch), example_starts(on_card, batch)
    times = time_precisions(on_card, job.stage, natural, start, job.settings)
    torch.cuda.empty_cache()  # for the other processes
    one_card = replace(job, size=batch, device=str(device))
    rates = [jobs_at_once(one_card, jobs) for jobs in JOBS]
    cards = torch.cuda.device_count()
    single |= {
        "cards": cards,
        "stimulus_steps_per_second_of_cards": jobs_at_once(replace(one_card, device="cuda"), cards),
    }
    return xr.Dataset(
        {key: ((), value) for key, value in single.items()}
        | {
            "stimulus_steps_per_second_by_precision": ("precision", [1 / seconds for seconds, _ in times.values()]),
            "outcome": ("precision", [outcome for _, outcome in times.values()]),
            "stimulus_steps_per_second_by_jobs": ("jobs", rates),
        },
        coords={"precision": list(times), "jobs": list(JOBS)},
        attrs=card_and_driver(device),
    )


def gpu_table(measured: Mapping[tuple[str, str], xr.Dataset], batch: int) -> pd.DataFrame:
    """One row for each model and stage.

    Parameters
    ----------
    measured
        (model, stage) → the result of ``gpu_benchmark``.
    batch
        As for ``gpu_benchmark``.

    Returns
    -------
    pandas.DataFrame
        ``model``, ``stage``; the variables without dimension of ``gpu_benchmark``, memory in MB; ``batch_compared``;
        stimuli × steps per second of each precision (its name) and of each number of jobs (``jobs_N``); what was not
        available or failed (``outcomes``); ``card``, ``driver``, ``cuda``, ``torch``.
    """
    rows = []
    for (model, stage), found in measured.items():
        precisions = [str(name) for name in found["precision"].values]
        outcomes = dict(zip(precisions, map(str, found["outcome"].values), strict=True))
        single = {str(key): float(value) for key, value in found.data_vars.items() if value.ndim == 0}
        by_precision = dict(zip(precisions, found["stimulus_steps_per_second_by_precision"].values, strict=True))
        by_jobs = zip(found["jobs"].values, found["stimulus_steps_per_second_by_jobs"].values, strict=True)
        rows.append(
            {"model": model, "stage": stage}
            | {key: int(value) if key in INTEGERS else value for key, value in single.items()}
            | {"batch_compared": batch}
            | by_precision
            | {f"jobs_{jobs}": rate for jobs, rate in by_jobs}
            | {"outcomes": "; ".join(f"{name}: {o}" for name, o in outcomes.items() if not o.startswith("ok"))}
            | {key: found.attrs[key] for key in ("card", "driver", "cuda", "torch")}
        )
    return pd.DataFrame(rows)


def disagreeing(measured: Mapping[tuple[str, str], xr.Dataset]) -> Sequence[str]:
    """Models and stages where card and CPU disagree."""
    return [f"{model} at {stage}" for (model, stage), found in measured.items() if not found["agrees"]]
