"""Self-supervised networks of sounds: the pipelines of torchaudio."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from metamers.models.weights import Weights, fit_weights
from metamers.names import unknown_name
from metamers.retrieve.publishers import file_at

TORCHAUDIO = "https://download.pytorch.org/torchaudio/models"  # as torchaudio's pipelines


class EachWaveform(nn.Module):
    """A network of waveforms (batch, sample), each of which gets mean 0 and variance 1 first.

    The wrapper of torchaudio's pipelines normalizes the whole batch at once, so that results depend on the batch; for a
    single waveform, this one is equal to it.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, waveforms: torch.Tensor) -> Any:
        return self.network(nn.functional.layer_norm(waveforms, waveforms.shape[-1:]))


def torchaudio_pipeline(name: str) -> Any:
    """A pipeline of torchaudio with a self-supervised network: wav2vec 2.0, HuBERT or WavLM.

    Raises
    ------
    ConfigurationError
        When there is none of this name.
    """
    from torchaudio import pipelines

    bundle = pipelines.Wav2Vec2Bundle
    known = {key: one for key, one in vars(pipelines).items() if type(one) is bundle}
    if name not in known:
        raise unknown_name("pipeline of torchaudio", name, known, "source.torchaudio")
    return known[name]


def torchaudio_network(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The network of a pipeline of torchaudio, with random weights, from waveforms (batch, sample).

    Parameters
    ----------
    name
        Of the pipeline, such as ``HUBERT_BASE``.
    arguments
        Arguments of torchaudio's builder that replace those of the pipeline.

    Returns
    -------
    nn.Module
        torchaudio's network, in ``EachWaveform`` if the pipeline normalizes waveforms.

    Raises
    ------
    ConfigurationError
        When there is no such pipeline.
    """
    from torchaudio import models

    pipeline = torchaudio_pipeline(name)
    build = {"Wav2Vec2": models.wav2vec2_model, "WavLM": models.wavlm_model}[pipeline._model_type]
    network = build(**(pipeline._params | arguments))
    return EachWaveform(network) if pipeline._normalize_waveform else network


def build(source: dict, arguments: dict, _published: Any) -> nn.Module:
    return torchaudio_network(source["torchaudio"], arguments)


def load(source: dict, arguments: dict, _published: Mapping[str, Any], weights: Weights) -> nn.Module:
    network = torchaudio_network(source["torchaudio"], arguments)
    published = network.network if isinstance(network, EachWaveform) else network
    published.load_state_dict(fit_weights(weights, published, "same", source["torchaudio"]))
    return network


def describe(source: Mapping[str, Any], _mirror: Path | None) -> dict[str, dict[str, Any]]:
    name = source["torchaudio"]
    weights = {"weights_name": name, **file_at(f"{TORCHAUDIO}/{torchaudio_pipeline(name)._path}")}
    return {"weights": weights, "input": usual_input(source)}


def usual_input(source: Mapping[str, Any]) -> dict[str, Any]:
    """Waveforms at the rate of a pipeline, for one second: networks of waveforms take any duration."""
    rate = torchaudio_pipeline(source["torchaudio"]).sample_rate
    return {"sampling_rate_hz": int(rate), "duration_s": 1, "preprocessing": "waveform"}
