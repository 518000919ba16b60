"""A shared leaderboard as a site of its own: published models and submitted entries, a page and a figure of each.

The entries are the files of ``metamers.leaderboard.entry``, which ``metamers.leaderboard.check_entry`` has checked.
Published models have the numbers of a run's ``comparison/leaderboard.nc``. Ranks and all that is shown beside a value
of an entry are computed here. The pages have the style of the report's leaderboard, and load nothing from elsewhere.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from metamers.compare.passes import LEVEL
from metamers.leaderboard.check_entry import MAX_BYTES, items_of
from metamers.leaderboard.curves import NormalizedCurve
from metamers.leaderboard.entry import (
    AREA,
    CREATOR_VARIABLES,
    RECOGNIZABILITY,
    PublishedEvidence,
    has_own_participants,
    measured_values,
    normalized_entry,
)
from metamers.leaderboard.normalized_area import normalize
from metamers.leaderboard.ranking import PUBLISHED_PARTICIPANTS, entries_of
from metamers.leaderboard.ranks import OPPOSITE_END, rank_or_reason
from metamers.modalities import MODALITIES
from metamers.report.figures import BLUE, FAINT, ORANGE, PALE, styled, svg
from metamers.report.leaderboard import BASIS_NAMES
from metamers.report.looks import looks_of
from metamers.report.navigation import LEADERBOARD_ASSETS, LEADERBOARD_PAGES
from metamers.report.render import SITE, render
from metamers.run import files

SOURCE = "Feather, Leclerc, Mądry & McDermott (2023)"
SHOWN_COLUMNS = ("passes_up_to", "passes_depth", "fails_from", "missing_depth", "natural_correct", "guessing")


def page_name(modality: str, model: str) -> str:
    """Return the name of the page of a published model."""
    return f"published-{modality}-{re.sub(r'[^a-z0-9]+', '-', model.lower()).strip('-')}"


def _known(value: Any) -> Any:
    """A number of a table for a template, which takes None for a missing one."""
    return None if value is None or pd.isna(value) else value


def published_rows(board: xr.Dataset, published: PublishedEvidence) -> list[dict[str, Any]]:
    """Make the rows of the published models.

    Parameters
    ----------
    board
        Result of ``metamers.leaderboard.ranking.leaderboard``.
    published
        Result of ``metamers.leaderboard.entry.published_reference``.

    Returns
    -------
    list of dict
        The columns of ``entries_of``, and ``page``; ``curve``, a ``NormalizedCurve``; ``stages``, a list of
        dictionaries: see ``_stage_rows``; and ``creator``, which is None.

    Raises
    ------
    ValueError
        When the leaderboard has a model that the published tables do not have.
    """
    entries = entries_of(board)
    rows = []
    for row in entries[entries["basis"] == PUBLISHED_PARTICIPANTS].to_dict("records"):
        key = (row["entry_modality"], row["generation_model"], row["model_class"])
        if key not in published.curves:
            raise ValueError(f"the leaderboard has the published model {key}, which the tables of participants lack")
        curve = published.scaled[key]
        values = measured_values(published.curves[key])
        page = page_name(*key[:2])
        rows.append(
            {name: _known(value) for name, value in row.items()}
            | {"page": page, "curve": curve, "stages": _stage_rows(values, curve.depth), "creator": None}
        )
    return rows


def _stage_rows(
    values: pd.DataFrame, depth: np.ndarray, others: np.ndarray | None = None, tested: xr.Dataset | None = None
) -> list[dict[str, Any]]:
    """Return the values of each stage, missing ones as None.

    Parameters
    ----------
    values
        By stage: ``value``, ``low``, ``high``, and ``n`` participants.
    depth
        (stage,).
    others
        Recognizability by other models (stage,).
    tested
        The entry, if own participants were tested.
    """
    rows = []
    for place, (stage, row) in enumerate(values.iterrows()):
        one = {"stage": stage, "depth": float(depth[place]), "n": int(row["n"])}
        one |= {name: _known(float(row[name])) for name in ("value", "low", "high")}
        one["others"] = None if others is None else _known(float(others[place]))
        if tested is not None:
            own = tested.isel(stage=place)
            names = ("natural_difference", "natural_difference_low", "natural_difference_high", "p_equivalence")
            one |= {name: _known(own[name].item()) for name in names}
        rows.append(one)
    return rows


def entry_row(
    name: str, entry: xr.Dataset, published: PublishedEvidence, areas: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Make the row of a submitted entry, with its rank among the published models, or the ``reason`` for none.

    Parameters
    ----------
    name
        Name of the entry's file.
    entry
        A valid entry.
    published
        As for ``published_rows``.
    areas
        Modality → areas of the published models, (model,).

    Returns
    -------
    dict
        As ``published_rows``, and ``file``, ``sha256``, ``creator``, ``registry`` and ``items``.
    """
    modality = entry["entry_modality"].item()
    area = {end: entry[of].item() for end, of in AREA.items()}
    curve, _ = normalized_entry(entry, published)
    columns = dict(zip(("value", "low", "high"), RECOGNIZABILITY, strict=True)) | {"n": "participants"}
    values = pd.DataFrame({to: entry[of].values for to, of in columns.items()}, index=entry["stage"].values)
    tested = entry if has_own_participants(entry) else None
    return {
        "page": name.removesuffix(".nc"),
        "file": name,
        "sha256": entry.attrs["content_sha256"],
        "entry_modality": modality,
        "generation_model": entry["generation_model"].item(),
        "model_class": f"a version of {entry['published_as'].item()}" if entry["published_as"].item() else "",
        "basis": entry["basis"].item(),
        **{of: area[end] for end, of in AREA.items()},
        **{f"rank{end}": None for end in OPPOSITE_END},
        **rank_or_reason(area, areas[modality]),
        **{of: _known(entry[of].item()) for of in SHOWN_COLUMNS},
        "participants": int(entry["participants"].max()),
        "curve": curve,
        "stages": _stage_rows(values, entry["stage_depth"].values, entry["other_models"].values, tested),
        "creator": {key: entry[variable].item() for key, variable in CREATOR_VARIABLES.items()},
        "registry": json.dumps(json.loads(entry["registry_entry"].item()), indent=2, ensure_ascii=False),
        "items": [(kind, item, value) for (kind, item), value in items_of(entry).items()],
    }


def _steps(curve: NormalizedCurve) -> np.ndarray:
    """The points (2, point) of a curve: depth and normalized recognizability, from 1 at depth 0, without gaps."""
    known = np.isfinite(curve.values) & np.isfinite(curve.depth)
    return np.array([np.append(0.0, curve.depth[known]), np.append(1.0, curve.values[known])])


@styled
def entry_figure(row: Mapping[str, Any], others: Sequence[NormalizedCurve]) -> Figure:
    """Draw the curve whose area is the score, with 95% intervals, above the curves of the published models.

    Parameters
    ----------
    row
        A row of ``published_rows`` or ``entry_row``.
    others
        Curves of the published models of the modality.
    """
    curve, stages = row["curve"], row["stages"]
    figure = Figure(figsize=(8, 4.4), layout="constrained")
    axes = figure.add_subplot()
    for number, other in enumerate(others):
        axes.plot(*_steps(other), color=PALE, linewidth=1, zorder=1, label=None if number else "published models")
    measured = row["basis"] != "prediction"
    colour = BLUE if measured else ORANGE
    depth, values = _steps(curve)
    axes.fill_between(depth, values, color=colour, alpha=0.12, linewidth=0, zorder=2)
    face = colour if measured else "white"
    style = {"color": colour, "linewidth": 2, "zorder": 4}
    # Without the model's name, which comes from outside and could be a formula to matplotlib.
    axes.plot(depth, values, **style, label=f"this model, {BASIS_NAMES[row['basis']]}")
    shown = [one for one in stages if one["value"] is not None]
    middle, low, high = (
        normalize(np.array([one[name] for one in shown]), curve.natural, curve.chance)
        for name in ("value", "low", "high")
    )
    place = np.array([one["depth"] for one in shown])
    axes.vlines(place, low, high, color=colour, linewidth=1.6, zorder=4)
    axes.plot(place, middle, linestyle="none", marker="o", color=colour, markerfacecolor=face, zorder=5)
    for level, words in ((1, "natural stimuli"), (0, "guessing")):
        axes.axhline(level, color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=3)
        axes.text(1.01, level, words, color=FAINT, fontsize=9, va="center", transform=axes.get_yaxis_transform())
    axes.set(
        xlim=(0, 1), ylim=(-0.04, 1.06), xlabel="Depth of the stage",
        ylabel="Normalized recognizability by participants",
    )  # fmt: skip
    figure.legend(loc="outside upper left", ncols=2, fontsize=9.5)
    return figure


def site_pages(
    entries: Mapping[str, xr.Dataset], board: xr.Dataset, published: PublishedEvidence, repository: str | None
) -> tuple[dict[str, str], dict[str, bytes]]:
    """Make all pages and figures of the site.

    Parameters
    ----------
    entries
        Valid entries without duplicates (``metamers.leaderboard.check_entry``): name of the file → entry.
    board, published
        As for ``published_rows``.
    repository
        Address of the repository that takes pull requests, or None.

    Returns
    -------
    pages
        Name of a page → HTML.
    figures
        Name of a page → SVG of its curve.
    """
    rows = published_rows(board, published)
    areas = {
        modality: np.array([row["normalized_area"] for row in rows if row["entry_modality"] == modality])
        for modality in dict.fromkeys(row["entry_modality"] for row in rows)
    }
    rows += [entry_row(name, entry, published, areas) for name, entry in entries.items()]
    rows.sort(key=lambda row: -row["normalized_area"])
    looks = looks_of(row["generation_model"] for row in rows if row["creator"])
    shared = {"pages": LEADERBOARD_PAGES, "linked": {}, "looks": looks, "basis_names": BASIS_NAMES}
    shared |= {"repository": repository, "source": SOURCE, "level": LEVEL, "most_bytes": MAX_BYTES}
    modalities = [
        {
            "name": modality,
            "title": MODALITIES[modality].title,
            "rows": [row for row in rows if row["entry_modality"] == modality],
        }
        for modality in areas
    ]
    pages = {
        "index": render("leaderboard_index.html.j2", {**shared, "page": "index", "modalities": modalities}),
        "add": render("leaderboard_add.html.j2", {**shared, "page": "add"}),
    }
    figures = {}
    for row in rows:
        others = [curve for key, curve in published.scaled.items() if key[0] == row["entry_modality"]]
        context = {**shared, "page": row["page"], "e": row, "of_modality": len(areas[row["entry_modality"]])}
        pages[row["page"]] = render("leaderboard_entry.html.j2", context)
        figures[row["page"]] = svg(entry_figure(row, others))
    return pages, figures


def write_site(
    folder: str | Path,
    entries: Mapping[str, xr.Dataset],
    source: Mapping[str, str | Path],
    board: xr.Dataset,
    published: PublishedEvidence,
    repository: str | None = None,
) -> int:
    """Write the site: pages, figures, style, and the files of the entries.

    Parameters
    ----------
    folder
        The folder, which is missing or empty.
    entries, board, published, repository
        As for ``site_pages``.
    source
        Name of an entry's file → the file, which is copied.

    Returns
    -------
    int
        The number of pages.

    Raises
    ------
    FileExistsError
        When the folder has files, which might be pages of entries that are no longer there.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder}: found files there; wanted an empty or missing folder for the site")
    pages, figures = site_pages(entries, board, published, repository)
    for name, html in pages.items():
        files.write(folder / f"{name}.html", html)
    for name, figure in figures.items():
        files.write(folder / "figures" / f"{name}.svg", figure)
    for name in LEADERBOARD_ASSETS:
        files.write(folder / "assets" / name, (SITE / name).read_bytes())
    for name in entries:
        files.write(folder / "entries" / name, Path(source[name]).read_bytes())
    return len(pages)
