"""Values of the leaderboard's page and table. ``metamers.leaderboard.ranking`` ranks and predicts."""

from typing import Any

import pandas as pd
import xarray as xr

from metamers.compare.verdict import FIRST_MINUS_LAST, read_evidence, verdict
from metamers.leaderboard.own_models import OWN_PARTICIPANTS, PREDICTION
from metamers.leaderboard.ranking import PUBLISHED_PARTICIPANTS, entries_of
from metamers.modalities import MODALITIES
from metamers.report.looks import Looks
from metamers.report.passes import passes_context
from metamers.report.verdicts import basis, capitalized, decline_claim

BASIS_NAMES = {  # names on the page of the values of ``basis`` in the file
    PUBLISHED_PARTICIPANTS: "measured",
    OWN_PARTICIPANTS: "measured, own participants",
    PREDICTION: "prediction",
}
WORST = 6  # number of largest errors on the page
LEAST_MISSING = 0.005  # smallest missing part of the depth that the page mentions; it rounds to 1%


def _sensitivity(own: pd.DataFrame) -> dict[str, Any]:
    """Sensitivity of ranks to stages, and missing depth, of one modality's entries."""
    published = own[own["basis"] == PUBLISHED_PARTICIPANTS].dropna(subset="rank")
    ends = (published["rank"] - published["rank_one_out_low"], published["rank_one_out_high"] - published["rank"])
    moved = pd.concat(ends, axis=1).max(axis=1)
    ranked = own["rank"].notna()

    def named(entries: pd.DataFrame) -> dict[str, str]:
        return {
            f"{entry.generation_model} ({BASIS_NAMES[entry.basis]})": entry.reason for entry in entries.itertuples()
        }

    return {
        "most_moved": int(moved.max()) if len(moved) else 0,
        "mean_moved": float(moved.mean()) if len(moved) else 0.0,
        "incomplete": list(named(own[ranked & (own["missing_depth"] >= LEAST_MISSING)])),
        "unranked": [{"name": name, "reason": reason} for name, reason in named(own[~ranked]).items()],
    }


def _judged(points: pd.DataFrame) -> dict[str, Any] | None:
    """Predictions and own participants: points, mean absolute error, number of intervals that contain the mean."""
    if points.empty:
        return None
    return {
        "points": points.to_dict("records"),
        "mean_error": float((points["own_predicted"] - points["own_human"]).abs().mean()),
        "covered": int(points["own_human"].between(points["own_low"], points["own_high"]).sum()),
    }


def own_models_first(entries: pd.DataFrame) -> pd.DataFrame:
    """Sort entries so that those of the run's own models come first, each group in its former order."""
    return entries.sort_values("basis", key=lambda basis: basis == PUBLISHED_PARTICIPANTS, kind="stable")


def page_context(
    board: xr.Dataset, tested: xr.Dataset, recognizable: xr.Dataset | None, run: str, looks: Looks
) -> dict[str, Any]:
    """Values that the leaderboard's page shows.

    Parameters
    ----------
    board
        Result of ``metamers.leaderboard.ranking.leaderboard``.
    tested
        Result of ``metamers.compare.passes.passes_dataset``.
    recognizable
        Contents of comparison/recognizability.nc, or None for a run without generation models.
    run
        Name of the run.
    looks
        Look of each model of the run.
    """
    entries = entries_of(board)
    points = board[["left_out_human", "left_out_predicted"]].to_dataframe().reset_index(drop=True)
    points["error"] = points["left_out_predicted"] - points["left_out_human"]
    judged = pd.DataFrame({name: board[name].values for name in board.variables if name.startswith("own_")})
    modalities = []
    for modality in map(str, board["modality"].values):
        own = own_models_first(entries[entries["entry_modality"] == modality])
        conclusion = None
        if recognizable is not None and modality in recognizable["modality"]:
            found = verdict(read_evidence(recognizable.sel(modality=modality), FIRST_MINUS_LAST))
            conclusion = f"{capitalized(decline_claim(found))}: {basis(found, MODALITIES[modality].stimuli)}"
        of_modality = board.sel(modality=modality)
        worst = points[points["left_out_modality"] == modality].sort_values("error", key=abs, ascending=False)
        named = [name for name in board.data_vars if of_modality[name].ndim == 0]
        modalities.append(
            {
                "name": modality,
                "title": MODALITIES[modality].title,
                "entries": own.astype(object).where(own.notna(), None).to_dict("records"),
                "worst": worst.head(WORST).to_dict("records"),
                "own_participants": bool((own["basis"] == OWN_PARTICIPANTS).any()),
                "conclusion": conclusion,
                "predicted": bool((own["basis"] == PREDICTION).any()),
                "judged": _judged(judged[judged["own_modality"] == modality]) if len(judged) else None,
                **_sensitivity(own),
                "left_out_models": int(own["left_out_area"].notna().sum()),
                "tested": passes_context(tested, modality),
                "run_stages": 0,
                **{name: float(of_modality[name]) for name in named},
            }
        )
    return {
        "run": run,
        "modalities": modalities,
        "basis_names": BASIS_NAMES,
        "looks": looks,
        "intervals": board.attrs["intervals"],
    }
