"""Which stages of a run have converged: those whose metamers have reached the target of synthesis.

The question does not depend on the quality of a run: a synthesis in a fixed number of steps may reach the target, too.
"""

from collections.abc import Iterable, Mapping

import xarray as xr

MIN_SHARE = 0.5  # of the metamers of a stage, accepted or not, that have reached the target if the stage has converged


def share_converged(acceptance: xr.Dataset, targets: Mapping[str, float]) -> dict[str, float]:
    """The share of a model's metamers whose normalized error is at most the target, by stage.

    Parameters
    ----------
    acceptance
        (stage, stimulus, seed) → ``normalized_error``.
    targets
        Stage → normalized error.
    """
    errors = acceptance["normalized_error"]
    return {stage: float((errors.sel(stage=stage) <= target).mean()) for stage, target in targets.items()}


def have_converged(acceptance: xr.Dataset, targets: Mapping[str, float], stages: Iterable[str]) -> bool:
    """Whether all these stages of a model have converged; a stage without a target has not.

    Parameters
    ----------
    acceptance, targets
        As for ``share_converged``.
    stages
        Names of stages.
    """
    shares = share_converged(acceptance, targets)
    return all(shares.get(stage, 0) >= MIN_SHARE for stage in stages)


def worst_median_error(acceptance: xr.Dataset, stages: Iterable[str]) -> float:
    """The largest median, over some stages of a model, of the normalized errors of all metamers of a stage.

    Parameters
    ----------
    acceptance, stages
        As for ``have_converged``.
    """
    return max(float(acceptance["normalized_error"].sel(stage=stage).median()) for stage in stages)
