"""Sounds in the report: cochleagrams as pictures, and one with its axes.

A cochleagram is that of the generation model's own front end, computed from the exported sound as models get it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image

from metamers.preprocessing import SoundPreprocessing
from metamers.report_figures import styled
from metamers.sounds import read_exported_sound

COLOURS = colormaps["viridis"]  # its lightness rises evenly
LEVELS = 16  # of a picture: four bits a point
FREQUENCIES_HZ = (50, 200, 500, 1000, 2000, 5000, 10000, 20000)


def cochleagram_of(settings: Mapping[str, Any]) -> Callable[[Path], np.ndarray]:
    """What makes cochleagrams of exported sounds.

    Parameters
    ----------
    settings
        ``input`` of the model's registry entry.

    Returns
    -------
    Callable
        WAV file of any rate and length → (frequency, time), frequencies ascending.
    """
    preprocessing = SoundPreprocessing(**settings)

    def cochleagram(path: Path) -> np.ndarray:
        with torch.inference_mode():
            sound = torch.from_numpy(read_exported_sound(path))[None]
            return preprocessing(preprocessing.fit(sound, soundfile.info(path).samplerate))[0, 0].numpy()

    return cochleagram


def picture(cochleagram: np.ndarray, top: float) -> Image.Image:
    """A cochleagram (frequency, time) as a picture, a point a pixel, low frequencies at the bottom.

    Parameters
    ----------
    cochleagram
        Values from 0.
    top
        What has, with all above it, the lightest colour.
    """
    levels = np.rint(np.clip(cochleagram[::-1] / top, 0, 1) * (LEVELS - 1)).astype(np.uint8)
    image = Image.fromarray(levels).convert("P")
    image.putpalette((COLOURS(np.linspace(0, 1, LEVELS))[:, :3] * 255).round().astype(np.uint8).tobytes())
    return image


@styled
def cochleagram_figure(cochleagram: np.ndarray, settings: Mapping[str, Any], top: float, title: str) -> Figure:
    """One cochleagram with its axes and its scale, which all pictures of a model share.

    Parameters
    ----------
    cochleagram
        (frequency, time).
    settings
        ``input`` of the model's registry entry.
    top
        Upper end of the scale.
    title
        What it is of.
    """
    front_end = SoundPreprocessing(**settings).cochleagram
    centers = front_end.center_frequencies_hz
    # A point stands for the stretch of the sound under its filter, whose middle is half the filter's length later.
    first, step = front_end.n_taps / 2 / front_end.sampling_rate_hz, 1 / front_end.envelope_rate_hz
    channels, times = cochleagram.shape
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.add_subplot()
    shown = axes.imshow(
        cochleagram, origin="lower", aspect="auto", cmap=COLOURS, vmin=0, vmax=top, interpolation="none",
        extent=(first - step / 2, first + (times - 0.5) * step, -0.5, channels - 0.5),
    )  # fmt: skip
    ticks = [frequency for frequency in FREQUENCIES_HZ if centers[0] <= frequency <= centers[-1]]
    axes.set_yticks(np.interp(ticks, centers, np.arange(channels)), [f"{frequency:,}" for frequency in ticks])
    axes.set(xlabel="Time (s)", ylabel="Frequency (Hz)")
    axes.set_title(title, fontsize=10.5)
    figure.colorbar(shown, ax=axes, label="Compressed envelope (no unit)")
    return figure
