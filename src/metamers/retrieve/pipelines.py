"""Pipelines of torchaudio, by name: the settings of a network, and where its weights are."""

from typing import Any

from metamers.names import unknown_name


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
