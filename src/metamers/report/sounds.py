"""Sounds in the report: cochleagrams as pictures, and one cochleagram with axes.

The front end of the generation model computes the cochleagrams from the exported sounds, the input of all models. If a
model does not use cochleagrams, the default cochleagram shows its sounds, at the model's sampling rate.
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

from metamers.models.preprocessing import SoundPreprocessing
from metamers.report.figures import styled
from metamers.stimuli.sounds import read_exported_sound

COLOURS = colormaps["viridis"]  # its lightness increases uniformly
LEVELS = 16  # number of colours of a picture: four bits per pixel
FREQUENCIES_HZ = (50, 200, 500, 1000, 2000, 5000, 10000, 20000)


def picture_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the cochleagrams that show a model's sounds, from the key ``input`` of its registry entry."""
    if settings.get("preprocessing", "cochleagram") == "cochleagram":
        return dict(settings)
    rate_hz, duration_s = settings["sampling_rate_hz"], settings["duration_s"]
    samples = round(rate_hz * duration_s)
    # The published front end, as far as the sounds have its frequencies and are longer than its downsampling filter.
    shown = {"high_hz": min(10_000, rate_hz / 2), "taps": min(1001, samples // 4 * 2 + 1)}
    return {"sampling_rate_hz": rate_hz, "duration_s": duration_s, "cochleagram": shown}


def cochleagram_of(settings: Mapping[str, Any]) -> Callable[[Path], np.ndarray]:
    """Return a function that computes cochleagrams of exported sounds.

    Parameters
    ----------
    settings
        The key ``input`` of the model's registry entry.

    Returns
    -------
    Callable
        From a WAV file of any rate and length to (frequency, time), frequencies ascending.
    """
    preprocessing = SoundPreprocessing(**picture_settings(settings))

    def cochleagram(path: Path) -> np.ndarray:
        with torch.inference_mode():
            sound = torch.from_numpy(read_exported_sound(path))[None]
            return preprocessing(preprocessing.fit(sound, soundfile.info(path).samplerate))[0, 0].numpy()

    return cochleagram


def cochleagram_picture(cochleagram: np.ndarray, top: float) -> Image.Image:
    """A cochleagram (frequency, time) as a picture, one pixel per point, low frequencies at the bottom.

    Parameters
    ----------
    cochleagram
        Values of at least 0.
    top
        Value at and above which the colour is lightest.
    """
    levels = np.rint(np.clip(cochleagram[::-1] / top, 0, 1) * (LEVELS - 1)).astype(np.uint8)
    image = Image.fromarray(levels).convert("P")
    image.putpalette((COLOURS(np.linspace(0, 1, LEVELS))[:, :3] * 255).round().astype(np.uint8).tobytes())
    return image


@styled
def cochleagram_figure(cochleagram: np.ndarray, settings: Mapping[str, Any], top: float, title: str) -> Figure:
    """One cochleagram with axes and colour scale; all pictures of a model have this scale.

    Parameters
    ----------
    cochleagram
        (frequency, time).
    settings
        The key ``input`` of the model's registry entry.
    top
        Upper end of the scale.
    title
        Title of the figure.
    """
    front_end = SoundPreprocessing(**picture_settings(settings)).front_end.cochleagram
    centers = front_end.center_frequencies_hz
    # Each point is centred half a filter length later.
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
