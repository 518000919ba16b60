"""Which stages of a run have converged: those whose metamers have reached the target of synthesis.

The question does not depend on the quality of a run: a synthesis in a fixed number of steps may reach the target, too.
"""

from collections.abc import Iterable, Mapping

import xarray as xr

MIN_SHARE = 0.5  # of the metamers of a stage, accepted or not, that have reached the target if the stage has converged


def converged_stages(acceptance: xr.Dataset, targets: Mapping[str, float]) -> dict[str, bool]:
    """Stage → whether it has converged: the normalized error of at least half of its metamers is at most the target.

    Parameters
    ----------
    acceptance
        (stage, stimulus, seed) → ``normalized_error``.
    targets
        Stage → normalized error.
    """
    errors = acceptance["normalized_error"]
    return {stage: bool((errors.sel(stage=stage) <= target).mean() >= MIN_SHARE) for stage, target in targets.items()}


def have_converged(acceptance: xr.Dataset, targets: Mapping[str, float], stages: Iterable[str]) -> bool:
    """Whether all these stages of a model have converged; a stage without a target has not.

    Parameters
    ----------
    acceptance, targets
        As for ``converged_stages``.
    stages
        Names of stages.
    """
    converged = converged_stages(acceptance, targets)
    return all(converged.get(stage, False) for stage in stages)


def worst_median_error(acceptance: xr.Dataset, stages: Iterable[str]) -> float:
    """The largest median, over some stages of a model, of the normalized errors of all metamers of a stage.

    Parameters
    ----------
    acceptance, stages
        As for ``have_converged``.
    """
    return max(float(acceptance["normalized_error"].sel(stage=stage).median()) for stage in stages)
