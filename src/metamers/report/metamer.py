"""Figure of one metamer: the natural stimulus, the metamer, the loss, and the match against the null distribution."""

import io
from collections.abc import Callable, Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from metamers.match import NULL_MEASURES
from metamers.models.model import Model
from metamers.report.figures import BLUE, FAINT, ORANGE, PALE, styled
from metamers.stimuli.images import three_channels

BINS = 30


class NotebookFigure(Figure):
    """A figure that notebooks show without a window or a backend of matplotlib."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=80)
        return stream.getvalue()


def _draw_image(axes: Axes, _model: Model, image: np.ndarray) -> None:
    axes.imshow(three_channels(image).transpose(1, 2, 0), vmin=0, vmax=1)
    axes.set_axis_off()


def _draw_sound(axes: Axes, model: Model, sound: np.ndarray) -> None:
    """The input of the network, if it has frequencies and times, else the waveform."""
    with torch.no_grad():
        shown = model.preprocessing(torch.from_numpy(sound)[None].to(model.device)).cpu().squeeze().numpy()
    rate_hz = model.sampling["sampling_rate_hz"]
    seconds = len(sound) / rate_hz
    if shown.ndim == 2:
        axes.imshow(shown, origin="lower", aspect="auto", extent=(0, seconds, 0, len(shown)))
        axes.set(xlabel="Time (s)", ylabel="Frequency channel")
    else:
        axes.plot(np.arange(len(sound)) / rate_hz, sound, color=BLUE, linewidth=0.5)
        axes.set(xlabel="Time (s)", ylabel="Amplitude", xlim=(0, seconds))


DRAW: dict[str, Callable[[Axes, Model, np.ndarray], None]] = {
    "vision": _draw_image,
    "audio": _draw_sound,
}


@styled
def metamer_figure(
    model: Model,
    stage: str,
    natural: np.ndarray,
    metamer: np.ndarray,
    loss: np.ndarray,
    match: Mapping[str, float],
    null: Mapping[str, np.ndarray],
) -> NotebookFigure:
    """Draw one metamer.

    Parameters
    ----------
    model, stage
        The generation model and the stage.
    natural, metamer
        Stimuli (…signal), in the model's size or rate.
    loss
        Normalized error before each step, (step,).
    match, null
        Measure → value of the metamer, and values (pair,) of pairs of natural stimuli.
    """
    figure = NotebookFigure(figsize=(9, 5.6 if null else 3), layout="constrained")
    rows = figure.subfigures(2, 1, height_ratios=(1.25, 1)) if null else [figure]
    above = rows[0].subplots(1, 3)
    for axes, stimulus, title in zip(
        above, (natural, metamer), ("natural stimulus", f"metamer at {stage}"), strict=False
    ):
        DRAW[model.modality](axes, model, stimulus)
        axes.set_title(title)
    above[2].plot(np.append(loss, match["normalized_error"]), color=BLUE)
    above[2].set(xlabel="Steps", ylabel="Loss: normalized error", yscale="log", title="synthesis")
    if null:
        below = rows[1].subplots(1, len(null))
        for axes, (name, values) in zip(below, null.items(), strict=True):
            finite = values[np.isfinite(values)]
            axes.hist(finite, bins=BINS, color=PALE, edgecolor=FAINT, linewidth=0.5, label="pairs of natural stimuli")
            axes.axvline(match[name], color=ORANGE, linewidth=2, label="metamer")
            axes.set(xlabel=NULL_MEASURES[name].label, ylabel="Pairs")
        below[0].legend(fontsize=8.5, loc="upper center")
    return figure
