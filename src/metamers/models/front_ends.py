"""Front ends of published networks of sounds, differentiable: from waveforms to what the networks were trained with.

The publishers' own extractors compute the same numbers without a gradient. A sound that is shorter than the input of
its network is padded as they do. ``metamers.config.front_ends`` has the settings.
"""

import math

import torch
from torch import nn
from torchaudio.compliance.kaldi import get_mel_banks

from metamers.config.front_ends import KALDI_HOP_S, KALDI_WINDOW_S, WHISPER_HIGHEST_HZ

KALDI_PREEMPHASIS = 0.97
KALDI_LOWEST_HZ = 20.0
KALDI_FLOOR = torch.finfo(torch.float32).eps


def slaney_filters(bins: int, sampling_rate_hz: float, mels: int, highest_hz: float) -> torch.Tensor:
    """Triangular mel filters of area 1, from 0 Hz on (M. Slaney, Auditory Toolbox, 1998).

    The mel scale is linear below 1000 Hz (15 mel) and logarithmic above. In float64, because the ends of narrow
    triangles have a relative error of 0.3% in float32, as torchaudio computes them.

    Parameters
    ----------
    bins
        Number of frequencies of the spectrum, from 0 to half the sampling rate.
    sampling_rate_hz, mels, highest_hz
        Sampling rate, number of filters, and the upper end of the last one.

    Returns
    -------
    torch.Tensor
        (mel, bin), float32.
    """
    highest_mel = 15 + 27 * math.log(highest_hz / 1000, 6.4)
    mel = torch.linspace(0, highest_mel, mels + 2, dtype=torch.float64)
    edges = torch.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))[:, None]
    frequencies = torch.linspace(0, sampling_rate_hz / 2, bins, dtype=torch.float64)
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    return (torch.minimum(rising, falling).clamp(min=0) * 2 / (edges[2:] - edges[:-2])).float()


class NormalizedWaveform(nn.Module):
    """Waveforms (batch, sample) with mean 0 and variance 1 each: of wav2vec 2.0, HuBERT and WavLM in transformers."""

    def __init__(self, sampling_rate_hz: float):
        super().__init__()

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        return nn.functional.layer_norm(waveforms, waveforms.shape[-1:], eps=1e-7)


class WhisperLogMel(nn.Module):
    """The log-mel spectrogram of Whisper (Radford et al. 2022, section 2.2).

    The logarithm is limited to 8 below the largest value of each sound, and scaled.

    Parameters
    ----------
    sampling_rate_hz
        Of the waveforms.
    mels
        Number of mel filters, from 0 to 8000 Hz (Slaney's scale and norm).
    window, hop
        Length of the Fourier transform, and its step, in samples.
    padded_s
        Duration to which silence is added at the end.
    """

    def __init__(self, sampling_rate_hz: float, mels: int, window: int, hop: int, padded_s: float):
        super().__init__()
        self.window, self.hop, self.samples = window, hop, round(padded_s * sampling_rate_hz)
        filters = slaney_filters(window // 2 + 1, sampling_rate_hz, mels, WHISPER_HIGHEST_HZ)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("taper", torch.hann_window(window), persistent=False)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Waveforms (batch, sample) to log-mel spectrograms (batch, mel, frame)."""
        padded = nn.functional.pad(waveforms, (0, self.samples - waveforms.shape[-1]))
        spectrum = torch.stft(padded, self.window, self.hop, window=self.taper, return_complex=True)[..., :-1]
        power = spectrum.real.square() + spectrum.imag.square()
        logarithm = (self.filters @ power).clamp(min=1e-10).log10()
        return (torch.maximum(logarithm, logarithm.amax((1, 2), keepdim=True) - 8) + 4) / 4


class AstLogMel(nn.Module):
    """The log-mel spectrogram of the Audio Spectrogram Transformer (Gong et al. 2021), which is Kaldi's.

    Parameters
    ----------
    sampling_rate_hz
        Of the waveforms.
    mels
        Number of mel filters, from 20 Hz to half the sampling rate.
    frames
        Number of frames to which zeros are added at the end.
    mean, std
        Of the logarithms in the training; the result has mean 0 and standard deviation 0.5.
    """

    def __init__(self, sampling_rate_hz: float, mels: int, frames: int, mean: float, std: float):
        super().__init__()
        self.frames, self.mean, self.std = frames, mean, std
        self.window, self.hop = int(sampling_rate_hz * KALDI_WINDOW_S), int(sampling_rate_hz * KALDI_HOP_S)
        self.length = 1 << (self.window - 1).bit_length()  # of the Fourier transform
        filters, _ = get_mel_banks(mels, self.length, sampling_rate_hz, KALDI_LOWEST_HZ, 0.0, 100.0, -500.0, 1.0)
        self.register_buffer("filters", nn.functional.pad(filters, (0, 1)).T.contiguous(), persistent=False)
        self.register_buffer("taper", torch.hann_window(self.window, periodic=False), persistent=False)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Waveforms (batch, sample) to log-mel spectrograms (batch, frame, mel)."""
        frames = waveforms.unfold(1, self.window, self.hop)
        frames = frames - frames.mean(2, keepdim=True)
        previous = nn.functional.pad(frames, (1, 0), mode="replicate")[..., :-1]
        tapered = (frames - KALDI_PREEMPHASIS * previous) * self.taper
        spectrum = torch.fft.rfft(tapered, self.length)
        power = spectrum.real.square() + spectrum.imag.square()
        logarithm = (power @ self.filters).clamp(min=KALDI_FLOOR).log()
        padded = nn.functional.pad(logarithm, (0, 0, 0, self.frames - logarithm.shape[1]))
        return (padded - self.mean) / (2 * self.std)


# Name in the registry → module, built with the sampling rate and the settings of ``metamers.config.front_ends``.
FRONT_ENDS: dict[str, type[nn.Module]] = {
    "normalized_waveform": NormalizedWaveform,
    "whisper_log_mel": WhisperLogMel,
    "ast_log_mel": AstLogMel,
}
