"""Self-supervised networks of torchaudio's pipelines: found by name, checked, loaded, and equal to the pipeline's own."""

import pytest
import torch
import torchaudio

from metamers.config.models import ModelEntry
from metamers.models.describe import describe, usual_input
from metamers.models.load import load_model
from metamers.models.sources.torchaudio import torchaudio_pipeline
from metamers.names import ConfigurationError
from metamers.run.hashes import sha256_of

INPUT = {"sampling_rate_hz": 16000, "duration_s": 0.25, "preprocessing": "waveform"}
SMALL = {
    "extractor_conv_layer_config": [(16, 10, 5), (16, 3, 2), (16, 3, 2)],
    **{"encoder_embed_dim": 24, "encoder_num_heads": 3, "encoder_ff_interm_features": 32, "encoder_num_layers": 2},
    **{"encoder_pos_conv_kernel": 8, "encoder_pos_conv_groups": 4},
}
STAGES = {"input": None, "features": {"module": "scores", "output": 0}}


def published(name, file):
    """The published weights of a pipeline in a file, as a lock file has them."""
    lock = {"path": str(file.with_name("models.lock.yaml")), "model": "net", "source": {"torchaudio": name}}
    return {"pretrained": describe({"torchaudio": name})["weights"] | {"sha256": sha256_of(file), "lock": lock}}


def entry_of(name, weights):
    """An entry as jobs have it, of a small network with the arguments of a pipeline."""
    return {
        "modality": "audio",
        "source": {"torchaudio": name, "arguments": SMALL},
        "weights": weights,
        "input": INPUT,
        "classes": False,
        "stages": STAGES,
    }


def own_network(name, state=None):
    """The network as the pipeline itself builds it."""
    from torchaudio.pipelines._wav2vec2 import utils

    bundle = torchaudio_pipeline(name)
    network = utils._get_model(bundle._model_type, bundle._params | SMALL)
    if state:
        network.load_state_dict(state)
    return utils._extend_model(network, bundle._normalize_waveform) if bundle._normalize_waveform else network


@pytest.mark.parametrize("name", ["HUBERT_BASE", "WAV2VEC2_LARGE_LV60K", "WAVLM_BASE"])
def test_a_network_is_that_of_the_pipeline_with_the_published_weights(name, tmp_path):
    torch.manual_seed(1)
    weights = own_network(name)
    state = getattr(weights, "model", weights).state_dict()
    file = tmp_path / "weights.pth"
    torch.save(state, file)
    described = describe({"torchaudio": name})
    path = torchaudio_pipeline(name)._path
    assert described["weights"]["url"] == f"https://download.pytorch.org/torchaudio/models/{path}"
    model = load_model("net", entry_of(name, published(name, file)), file, torch.device("cpu"))
    sounds = 0.1 * torch.randn(3, 4000, generator=torch.Generator().manual_seed(0))
    own = own_network(name, state).eval()
    with torch.no_grad():
        wanted = torch.cat([own(sound)[0] for sound in sounds.split(1)])  # one by one: the pipeline normalizes a batch
        torch.testing.assert_close(model(sounds, "features"), wanted, rtol=1e-4, atol=1e-5)
    sounds.requires_grad_()
    (gradient,) = torch.autograd.grad(model(sounds, "features").square().sum(), sounds)
    assert gradient.isfinite().all()
    assert gradient.flatten(1).any(1).all()


def test_a_missing_weight_is_an_error(tmp_path):
    state = own_network("HUBERT_BASE").state_dict()
    state.popitem()
    file = tmp_path / "weights.pth"
    torch.save(state, file)
    entry = entry_of("HUBERT_BASE", published("HUBERT_BASE", file))
    with pytest.raises(ValueError, match=r"net\.source: "):
        load_model("net", entry, file, torch.device("cpu"))


def test_every_self_supervised_pipeline_is_known_and_others_are_refused():
    assert usual_input({"torchaudio": "WAVLM_LARGE"}) == INPUT | {"duration_s": 1}
    for name in ("WAV2VEC2_BASE", "WAV2VEC2_XLSR_2B", "HUBERT_XLARGE", "WAVLM_BASE_PLUS"):
        assert torchaudio_pipeline(name) is getattr(torchaudio.pipelines, name)
    for name in ("WAV2VEC2_ASR_BASE_960H", "HDEMUCS_HIGH_MUSDB", "HUBERT"):
        with pytest.raises(ConfigurationError, match=rf"source\.torchaudio: unknown .*'{name}'"):
            torchaudio_pipeline(name)


def test_a_model_without_classes_says_so_to_its_jobs_and_others_say_nothing():
    fields = {"weights": {"random": 0}, "input": INPUT, "stages": STAGES, "family": "f", "registry": "r"}
    entry = ModelEntry(modality="audio", source={"torchaudio": "HUBERT_BASE"}, **fields)
    assert not {"classes", "output"} & entry.parameters.keys()
    without = ModelEntry(modality="audio", source={"torchaudio": "HUBERT_BASE"}, classes=False, output=0, **fields)
    assert without.parameters == entry.parameters | {"classes": False, "output": 0}
