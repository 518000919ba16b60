"""Colour and mark of every model: the same in all charts, figures and tables of the report.

A model's look follows from its place among the models of the run (``metamers.plan.plan.Plan.model_order``), so that
jobs that draw different models agree. Marks are open, so that all marks are visible where curves coincide, and models
differ by mark as well as by colour. The colours of models are none of those in ``metamers.report.figures`` that mean
something else: ``BLUE``, the mean over other models; ``ORANGE``, participants; ``INK`` and its
paler shades, references.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

COLOURS = ("#7b2d8e", "#00785a", "#9a7000", "#b0003a", "#0e8090", "#7a4b2a", "#4d7c0f", "#c2408f")
# Name of the mark in matplotlib → its outline, a path in a square of two units around 0, with y downward.
MARKS = {
    "o": "M-1,0A1,1,0,1,1,1,0A1,1,0,1,1,-1,0Z",
    "s": "M-0.9,-0.9L0.9,-0.9L0.9,0.9L-0.9,0.9Z",
    "^": "M0,-1L1,0.85L-1,0.85Z",
    "D": "M0,-1.1L1.1,0L0,1.1L-1.1,0Z",
    "v": "M0,1L-1,-0.85L1,-0.85Z",
    "P": "M-0.3,-1L0.3,-1L0.3,-0.3L1,-0.3L1,0.3L0.3,0.3L0.3,1L-0.3,1L-0.3,0.3L-1,0.3L-1,-0.3L-0.3,-0.3Z",
    "<": "M-1,0L0.85,-1L0.85,1Z",
    ">": "M1,0L-0.85,-1L-0.85,1Z",
    "*": "M0,-1.1L0.26,-0.34L1.05,-0.34L0.42,0.13L0.65,0.89L0,0.44L-0.65,0.89L-0.42,0.13L-1.05,-0.34L-0.26,-0.34Z",
}


@dataclass(frozen=True)
class Look:
    """Colour and mark of one model.

    Attributes
    ----------
    colour
        Hexadecimal RGB.
    marker, outline
        Name of the mark in matplotlib, and its outline for Vega and SVG (see ``MARKS``).
    """

    colour: str
    marker: str
    outline: str

    @property
    def style(self) -> dict[str, Any]:
        """Keywords of matplotlib's ``plot`` and ``errorbar``: colour, and open marks."""
        open_marks = {"markerfacecolor": "none", "markeredgecolor": self.colour, "markeredgewidth": 1.5}
        return {"color": self.colour, "marker": self.marker} | open_marks


Looks = Mapping[str, Look]


def looks_of(models: Iterable[str]) -> dict[str, Look]:
    """Look of each model, by its place; ``len(COLOURS)`` times ``len(MARKS)`` models have different looks."""
    marks = list(MARKS.items())
    return {
        model: Look(COLOURS[place % len(COLOURS)], *marks[place % len(MARKS)])
        for place, model in enumerate(dict.fromkeys(models))
    }


def scale_ranges(looks: Looks, models: Sequence[str]) -> tuple[list[str], list[str]]:
    """Ranges of a chart's scales of colour and of shape, in the order of the models."""
    return [looks[model].colour for model in models], [looks[model].outline for model in models]


def mark(look: Look, filled: bool = False) -> Markup:
    """Return a model's mark as an inline SVG; filled for measurements, open otherwise."""
    return Markup(
        '<svg class="mark" width="14" height="14" viewBox="-1.5 -1.5 3 3" aria-hidden="true">'
        '<path d="{}" fill="{}" stroke="{}" stroke-width="0.35"/></svg>'
    ).format(look.outline, look.colour if filled else "none", look.colour)
