"""Values of the leaderboard's page and table. ``metamers.leaderboard.ranking`` ranks and predicts."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import xarray as xr

from metamers.compare.verdict import FIRST_MINUS_LAST, read_evidence, verdict
from metamers.leaderboard.own_models import OWN_PARTICIPANTS, PREDICTION
from metamers.leaderboard.ranking import PUBLISHED_PARTICIPANTS, entries_of
from metamers.modalities import MODALITIES
from metamers.report.looks import Looks
from metamers.report.passes import passes_context
from metamers.report.tables import counted, number
from metamers.report.verdicts import basis, capitalized, decline_claim

BASIS_NAMES = {  # names on the page of the values of ``basis`` in the file
    PUBLISHED_PARTICIPANTS: "measured",
    OWN_PARTICIPANTS: "measured, own participants",
    PREDICTION: "prediction",
}
WORST = 6  # number of largest errors on the page
LEAST_MISSING = 0.005  # smallest missing part of the depth that the page mentions; it rounds to 1%


def _sensitivity(own: pd.DataFrame) -> dict[str, Any]:
    """Sensitivity of ranks to stages, and models with missing depth, of one modality's entries."""
    published = own[own["basis"] == PUBLISHED_PARTICIPANTS].dropna(subset="rank")
    ends = (published["rank"] - published["rank_one_out_low"], published["rank_one_out_high"] - published["rank"])
    moved = pd.concat(ends, axis=1).max(axis=1)
    incomplete = own[own["rank"].notna() & (own["missing_depth"] >= LEAST_MISSING)]
    return {
        "most_moved": int(moved.max()) if len(moved) else 0,
        "mean_moved": float(moved.mean()) if len(moved) else 0.0,
        "incomplete": [f"{entry.generation_model} ({BASIS_NAMES[entry.basis]})" for entry in incomplete.itertuples()],
    }


def _area(entry: Any) -> str:
    middle, low, high = (number(getattr(entry, f"normalized_area{end}")) for end in ("", "_low", "_high"))
    return f"area {middle} (95% interval {low} to {high})"


def _rank(entry: Any, models: int) -> str:
    """The rank of an entry, a measured one with its interval; a predicted one has a range only."""
    ends = str(entry.rank_low) if entry.rank_low == entry.rank_high else f"{entry.rank_low} to {entry.rank_high}"
    return f"rank {ends if entry.basis == PREDICTION else f'{entry.rank} ({ends})'} of {models}"


def findings(own: pd.DataFrame, tested: Mapping[str, Any]) -> list[str]:
    """State which published model is first, how many pass, and the ranks of the run's own models, in sentences.

    Parameters
    ----------
    own
        Rows of ``entries_of`` of one modality.
    tested
        Result of ``metamers.report.passes.passes_context`` for this modality.
    """
    published = own[own["basis"] == PUBLISHED_PARTICIPANTS].dropna(subset="rank").sort_values("rank")
    said = []
    if len(published):
        first = next(published.itertuples())
        said.append(
            f"Of {counted(len(published), 'published model')}, {first.generation_model} is first: {_area(first)}, "
            f"n = {first.participants} participants."
        )
    said.append(
        f"{tested['passing'] or 'None'} of {len(tested['models'])} {'passes' if tested['passing'] == 1 else 'pass'} at "
        f"one stage or more, {tested['to_the_end'] or 'none'} at the last stage."
    )
    for measured, words in ((OWN_PARTICIPANTS, "by own participants"), (PREDICTION, "predicted")):
        of_basis = own[own["basis"] == measured]
        ranked = of_basis["rank"].notna()
        each = [
            f"{entry.generation_model}: {_area(entry)}, {_rank(entry, len(published) + 1)}"
            for entry in of_basis[ranked].itertuples()
        ]
        if without := of_basis.loc[~ranked, "generation_model"].tolist():
            each.append(f"no rank (the table says why): {', '.join(without)}")
        if each:
            said.append(f"This run’s models, {words}: {'; '.join(each)}.")
    return said


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
        of_modality, passed = board.sel(modality=modality), passes_context(tested, modality)
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
                "tested": passed,
                "findings": findings(own, passed),
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
