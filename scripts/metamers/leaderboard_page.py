"""What the leaderboard's page and table show. Ranking and predicting are in ``metamers.leaderboard``."""

from typing import Any

import pandas as pd
import xarray as xr

from metamers.leaderboard import ENTRY_COLUMNS, OWN_PEOPLE, PEOPLE, PREDICTION
from metamers.pages import svg_uri

WORST = 6  # errors that the page names
WHOLE = ["rank", "rank_low", "rank_high", "rank_one_out_low", "rank_one_out_high", "stages", "participants"]
LEAST_MISSING = 0.005  # of the depth, that the page speaks of: what rounds to 1%


def entries_of(board: xr.Dataset) -> pd.DataFrame:
    """The entries of a leaderboard as a table, one row each, whole numbers as such (missing where there is none)."""
    table = board[ENTRY_COLUMNS].to_dataframe().reset_index(drop=True)[ENTRY_COLUMNS]
    return table.astype(dict.fromkeys(WHOLE, "Int64"))


def _sensitivity(own: pd.DataFrame) -> dict[str, Any]:
    """What the page says of ranks and missing depth of one modality's entries."""
    published = own[own["basis"] == PEOPLE].dropna(subset="rank")
    ends = (published["rank"] - published["rank_one_out_low"], published["rank_one_out_high"] - published["rank"])
    moved = pd.concat(ends, axis=1).max(axis=1)
    ranked = own["rank"].notna()

    def named(entries: pd.DataFrame) -> list[str]:
        return [f"{entry.generation_model} ({entry.basis})" for entry in entries.itertuples()]

    return {
        "most_moved": int(moved.max()) if len(moved) else 0,
        "mean_moved": float(moved.mean()) if len(moved) else 0.0,
        "incomplete": named(own[ranked & (own["missing_depth"] >= LEAST_MISSING)]),
        "unranked": named(own[~ranked]),
    }


def _judged(points: pd.DataFrame) -> dict[str, Any] | None:
    """How far predictions held for one's own people: points, mean absolute error, how many intervals had the mean."""
    if points.empty:
        return None
    return {
        "points": points.to_dict("records"),
        "mean_error": float((points["own_predicted"] - points["own_human"]).abs().mean()),
        "covered": int(points["own_human"].between(points["own_low"], points["own_high"]).sum()),
    }


def page_context(board: xr.Dataset, run: str, reliability: bytes) -> dict[str, Any]:
    """Everything that the leaderboard's page names.

    Parameters
    ----------
    board
        What ``leaderboard`` gives.
    run
        The run's name.
    reliability
        The reliability diagram as SVG, which the page holds: it is one file, and loads nothing.
    """
    entries = entries_of(board)
    points = board[["left_out_human", "left_out_predicted"]].to_dataframe().reset_index(drop=True)
    points["error"] = points["left_out_predicted"] - points["left_out_human"]
    judged = pd.DataFrame({name: board[name].values for name in board.variables if name.startswith("own_")})
    modalities = []
    for modality in map(str, board["modality"].values):
        own = entries[entries["entry_modality"] == modality]
        of_modality = board.sel(modality=modality)
        worst = points[points["left_out_modality"] == modality].sort_values("error", key=abs, ascending=False)
        named = [name for name in board.data_vars if of_modality[name].ndim == 0]
        modalities.append(
            {
                "name": modality,
                "entries": own.astype(object).where(own.notna(), None).to_dict("records"),
                "worst": worst.head(WORST).to_dict("records"),
                "own_people": bool((own["basis"] == OWN_PEOPLE).any()),
                "predicted": bool((own["basis"] == PREDICTION).any()),
                "judged": _judged(judged[judged["own_modality"] == modality]) if len(judged) else None,
                **_sensitivity(own),
                "left_out_models": int(own["left_out_area"].notna().sum()),
                "run_stages": 0,
                **{name: float(of_modality[name]) for name in named},
            }
        )
    return {
        "run": run,
        "modalities": modalities,
        "intervals": board.attrs["intervals"],
        "reliability": svg_uri(reliability),
    }
