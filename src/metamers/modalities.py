"""Modalities: all differences between images and sounds that need no library, as one registry entry each.

Entries hold numbers for synthesis and analyses, and words for pages and messages. The module imports neither PyTorch
nor any reader, so that the configuration can use it. What needs such a library has one table in its place, with an
entry for each modality of ``MODALITIES``; ``tests/test_modalities.py`` lists these tables. No other code tells
modalities apart.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# What networks take whose weights say nothing else: torchvision's input for ImageNet.
IMAGENET_INPUT = {"size": 224, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "interpolation": "bilinear"}
INTERPOLATIONS = ("bicubic", "bilinear")  # of images of another size


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
class Trial:
    """What a participant does in a trial of the experiment; its texts and its program are in ``experiment/``.

    Attributes
    ----------
    participation
        What a participant does, as it follows "You will".
    answer_s
        Seconds that a participant is expected to take for one trial, besides the presentation of the stimulus.
    timed
        Whether the configuration says how long a stimulus is presented; if not, a stimulus has a duration itself.
    masked
        Whether a mask follows the stimulus.
    icons
        Whether each answer has an icon.
    catch_by_name
        Whether a catch trial presents the name of a category; if not, it takes a natural stimulus.
    """

    participation: str
    answer_s: float
    timed: bool
    masked: bool
    icons: bool
    catch_by_name: bool


@dataclass(frozen=True)
class Cost:
    """What requests of resources expect of a modality (``metamers.plan.needs``).

    Attributes
    ----------
    network
        10⁹ operations of a forward pass of a network that was not measured, that of a ResNet50, and number of values of
        its stimulus.
    preprocessing
        Operations that take as long as preprocessing, for each value of a stimulus.
    exported_bytes
        Bytes on the disk of one value in an exported file.
    media_bytes
        Bytes on the disk of a metamer in the report.
    """

    network: tuple[float, int]
    preprocessing: float
    exported_bytes: float
    media_bytes: float


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
    played
        Whether a page of the report plays an exported stimulus; if not, it shows the file as an image.
    picture
        What the picture of a stimulus is that pages show besides; None: the exported stimulus itself.
    brainscore
        Whether Brain-Score has models and benchmarks of the modality.
    brain_responses
        Whether the published responses of brains are to stimuli of the modality, whose dataset
        ``analyses.brain.dataset`` then has by default.
    transformers_inputs
        Names of the main input of networks of the library transformers.
    stated
        Keys of ``input`` that the registry has if the publisher of a network does not state them.
    usual_input, about_usual_input
        ``input`` that ``metamers add`` proposes for a network that states none, and a comment on it.
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
    confusion_axis
        Label of the natural category in a confusion matrix, with ``{}`` for what a category is called.
    signal, preprocessed
        Name of the stimulus as the input of a model, and after the model's preprocessing.
    trial
        The trial of the experiment with participants.
    cost
        Expected cost, for requests of resources.
    """

    dims: tuple[str, ...]
    values: Callable[[Mapping[str, Any]], int]
    sampling: tuple[str, ...]
    limits: tuple[float, float]
    start: Start
    suffix: str
    bytes_per_value: int
    time_axis: int | None
    played: bool
    picture: str | None
    brainscore: bool
    brain_responses: bool
    transformers_inputs: tuple[str, ...]
    stated: tuple[str, ...]
    usual_input: Mapping[str, Any]
    about_usual_input: str
    category_noun: str
    title: str
    stimuli: str
    exported_as: str
    task: str
    confusion_axis: str
    signal: str
    preprocessed: str
    trial: Trial
    cost: Cost


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
        played=False,
        picture=None,
        brainscore=True,
        brain_responses=False,
        transformers_inputs=("pixel_values",),
        stated=("size", "mean", "std"),
        usual_input=IMAGENET_INPUT,
        about_usual_input="The usual one for ImageNet; change it if the network was trained with another",
        category_noun="category",
        title="Vision",
        stimuli="images",
        exported_as="8-bit PNG image",
        task="which of {} an image shows",
        confusion_axis="{} of the image",
        signal="the image",
        preprocessed="the normalized image",
        trial=Trial(
            participation="look at pictures, and say what each one shows",
            answer_s=3.5,
            timed=True,
            masked=True,
            icons=True,
            catch_by_name=True,
        ),
        cost=Cost(network=(8.2, 3 * 224 * 224), preprocessing=0, exported_bytes=0.9, media_bytes=130_000),
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
        played=True,
        picture="cochleagram",
        brainscore=False,
        brain_responses=True,
        transformers_inputs=("input_values", "input_features"),
        stated=("sampling_rate_hz", "duration_s", "preprocessing"),
        usual_input={"sampling_rate_hz": 20_000, "duration_s": 1},
        about_usual_input="Of the sounds; the network gets their cochleagram",
        category_noun="word",
        title="Hearing",
        stimuli="sounds",
        exported_as="16-bit WAV sound",
        task="which of {} was heard",
        confusion_axis="{} of the sound",
        signal="the waveform",
        preprocessed="the cochleagram",
        trial=Trial(
            participation="listen to sounds, and say what each one is",
            answer_s=6,
            timed=False,
            masked=False,
            icons=False,
            catch_by_name=False,
        ),
        cost=Cost(network=(14.2, 40_000), preprocessing=10_000, exported_bytes=2.0, media_bytes=60_000),
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
