"""Picture of the project: a natural photograph, its metamers over stages, and their recognizability.

The picture has one image model and one stimulus. The rule ``report_picture`` draws it from a run; README.md shows the
picture of the default run.
"""

import io
from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

from metamers.humans.participants import own_stages
from metamers.names import NATURAL
from metamers.report.figures import BLUE, FAINT, INK, styled
from metamers.report.tables import significant


def example_stimulus(accepted: xr.DataArray) -> str:
    """Stimulus with accepted metamers at the largest number of stages; the first one if several are equal.

    Parameters
    ----------
    accepted
        (stage, stimulus, seed) of one generation model.
    """
    number = accepted.any("seed").sum("stage")
    return str(number["stimulus"].values[np.argmax(number.values)])


@styled
def picture(
    images: Mapping[str, np.ndarray],
    errors: Mapping[str, float],
    recognizable: xr.Dataset,
    generation_model: str,
    categories: int,
) -> Figure:
    """A row of images with their normalized errors, each above the point of its stage on the recognizability curve.

    Parameters
    ----------
    images
        ``natural`` and every stage in processing order → pixels (row, column, channel), 8 bits.
    errors
        Stage → normalized error of the metamer that is shown.
    recognizable
        Result of ``metamers.compare.recognizability.recognizability``.
    generation_model
        The model of the metamers.
    categories
        Number of categories that an observer chooses among.
    """
    own = recognizable.sel(generation_model=generation_model)
    stages = [stage for stage in own_stages(recognizable, generation_model) if stage in images]
    figure = Figure(figsize=(0.98 * len(stages), 3.65), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.02, wspace=0.02, hspace=0.03)
    grid = figure.add_gridspec(2, len(stages), height_ratios=(1, 1.6))
    for column, stage in enumerate(stages):
        axes = figure.add_subplot(grid[0, column])
        axes.imshow(images[stage], interpolation="antialiased")
        axes.set_axis_off()
        title = "photograph\n" if stage == NATURAL else f"{stage}\nerror {significant(errors[stage])}"
        axes.set_title(title, loc="center", fontsize=8.5, fontweight="normal")
    axes = figure.add_subplot(grid[1, :])
    x = np.arange(len(stages))
    mean, low, high = (own[f"other_models{end}"].sel(stage=stages).values for end in ("", "_low", "_high"))
    if generation_model in own["recognition_model"]:  # not a model without classes
        itself = own["proportion_correct"].sel(recognition_model=generation_model, stage=stages).values
        axes.plot(x, itself, color=INK, linewidth=1.5, marker="o", label="the model itself")
    interval = np.maximum([mean - low, high - mean], 0)
    axes.errorbar(
        x, mean, interval, color=BLUE, linewidth=2.2, marker="s", capsize=3, label="other models (95% interval)"
    )
    axes.axhline(1 / categories, color=FAINT, linewidth=1, linestyle=":", label=f"chance (1 of {categories})")
    axes.set(xlim=(-0.5, len(stages) - 0.5), ylim=(-0.04, 1.06), ylabel="Proportion correct")
    axes.set_xticks(x, ["photograph" if stage == NATURAL else "metamer" for stage in stages], fontsize=8.5)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 0.1), fontsize=9)
    return figure


@styled
def png(figure: Figure) -> bytes:
    """A figure as a small PNG of 256 colours, with reproducible bytes."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    small = io.BytesIO()
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()
