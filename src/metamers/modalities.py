"""Modalities: all differences between images and sounds that need no library, as one registry entry each.

Entries hold numbers for synthesis and analyses, and words for pages and messages. The module imports neither PyTorch
nor any reader, so that the configuration can use it. Readers and writers of files are in ``metamers.stimuli.formats``,
preprocessing is in ``metamers.models.preprocessing``; both have one entry for each modality of ``MODALITIES``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# What networks take whose weights say nothing else: torchvision's input for ImageNet.
IMAGENET_INPUT = {"size": 224, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "interpolation": "bilinear"}


@dataclass(frozen=True)
class Start:
    """The independent normal noise that synthesis starts from, in units of the stimulus.

    Attributes
    ----------
    mean, standard_deviation
        Mean and standard deviation of each value.
    """

    mean: float
    standard_deviation: float


@dataclass(frozen=True)
class Modality:
    """What is specific to the stimuli of one modality.

    Attributes
    ----------
    dims
        Dimensions of one stimulus.
    values
        Number of values of one stimulus, from the keys that describe it in the registries. Missing keys and None take
        the defaults of torchvision and of the study.
    sampling
        Keys that say how the values of a stimulus are sampled: attributes of files of stimuli, and keys of ``input``.
    limits
        Smallest and largest value of a stimulus.
    start
        Start of the synthesis (Feather et al. 2023, Methods, metamer generation), unless a model's registry entry
        says otherwise.
    suffix
        Ending of the names of exported files.
    bytes_per_value
        Bytes of one value in an exported file, before compression.
    time_axis
        Axis of time in activations (stimulus, channel, …, time) that analyses of brains average over; None where
        stimuli have no time.
    on_screen
        Whether observers see the stimulus (else they hear it).
    category_noun
        What a category is called if a dataset does not say it.
    title
        Heading of the modality's results.
    stimuli
        Name of the stimuli, plural.
    exported_as
        Format of an exported stimulus.
    task
        Task of the observers, with ``{}`` for the number of categories and what they are called.
    participation
        What a participant does, as it follows "You will".
    answer_s
        Seconds that a participant is expected to take for one trial, besides the presentation of the stimulus.
    confusion_axis
        Label of the natural category in a confusion matrix, with ``{}`` for what a category is called.
    signal, preprocessed
        Name of the stimulus as the input of a model, and after the model's preprocessing.
    """

    dims: tuple[str, ...]
    values: Callable[[Mapping[str, Any]], int]
    sampling: tuple[str, ...]
    limits: tuple[float, float]
    start: Start
    suffix: str
    bytes_per_value: int
    time_axis: int | None
    on_screen: bool
    category_noun: str
    title: str
    stimuli: str
    exported_as: str
    task: str
    participation: str
    answer_s: float
    confusion_axis: str
    signal: str
    preprocessed: str


MODALITIES = {
    "vision": Modality(
        dims=("channel", "row", "column"),
        values=lambda keys: 3 * (keys.get("size") or IMAGENET_INPUT["size"]) ** 2,
        sampling=(),
        limits=(0, 1),
        start=Start(mean=0.5, standard_deviation=0.05),
        suffix=".png",
        bytes_per_value=1,
        time_axis=None,
        on_screen=True,
        category_noun="category",
        title="Vision",
        stimuli="images",
        exported_as="8-bit PNG image",
        task="which of {} an image shows",
        participation="look at pictures, and say what each one shows",
        answer_s=3.5,
        confusion_axis="{} of the image",
        signal="the image",
        preprocessed="the normalized image",
    ),
    "audio": Modality(
        dims=("sample",),
        values=lambda keys: int((keys.get("sampling_rate_hz") or 20_000) * (keys.get("duration_s") or 2)),
        sampling=("sampling_rate_hz",),
        limits=(-1, 1),
        start=Start(mean=0.0, standard_deviation=1e-7),
        suffix=".wav",
        bytes_per_value=2,
        time_axis=3,
        on_screen=False,
        category_noun="word",
        title="Hearing",
        stimuli="sounds",
        exported_as="16-bit WAV sound",
        task="which of {} was heard",
        participation="listen to sounds, and say what each one is",
        answer_s=6,
        confusion_axis="{} of the sound",
        signal="the waveform",
        preprocessed="the cochleagram",
    ),
}


def sampling_of(described: Mapping[str, Any]) -> dict[str, Any]:
    """How the values of stimuli are sampled: of sounds ``sampling_rate_hz``, of images nothing.

    Parameters
    ----------
    described
        The attributes of a file of stimuli, the ``input`` of a model, or the registry entry of a dataset.
    """
    keys = (key for modality in MODALITIES.values() for key in modality.sampling)
    return {key: described[key] for key in keys if described.get(key) is not None}
