"""Networks of sounds without a cochleagram, in a Python file like a user's own."""

import torch
from torch import nn


class Speech(nn.Module):
    """Convolutions over the waveform and a transformer, as in wav2vec 2.0 (Baevski et al. 2020), small."""

    def __init__(self, classes: int = 3, width: int = 16, blocks: int = 2):
        super().__init__()
        self.extract = nn.Sequential(
            nn.Conv1d(1, width, 10, stride=5),
            nn.GroupNorm(width, width),
            nn.GELU(),
            nn.Conv1d(width, width, 8, stride=4),
            nn.GELU(),
            nn.Conv1d(width, width, 4, stride=2),
            nn.GELU(),
        )
        self.position = nn.Conv1d(width, width, 9, padding=4, groups=4)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.1, batch_first=True) for _ in range(blocks)
        )
        self.classify = nn.Linear(width, classes)

    def forward(self, waveforms):
        features = self.extract(waveforms.unsqueeze(1))
        hidden = (features + self.position(features).relu()).transpose(1, 2)
        for block in self.blocks:
            hidden = block(hidden)
        return self.classify(hidden.mean(1))


class Unmixed(nn.Module):
    """Sounds (batch, sample) to frames in the place of a batch, which is wrong."""

    def forward(self, sounds):
        return sounds.unfold(1, 100, 100).flatten(0, 1)


class Halves(nn.Module):
    """Sounds (batch, sample) to both halves (batch, 2, sample)."""

    def forward(self, sounds):
        return torch.stack(sounds.chunk(2, dim=1), dim=1)


def speech(**arguments):
    """A small network of waveforms."""
    return Speech(**arguments)


def unmixed():
    """A preprocessing without a batch."""
    return Unmixed()


def halves():
    """A preprocessing with two channels."""
    return Halves()


def two_tensors():
    """A preprocessing whose result is no tensor."""
    return Pair()


class Pair(nn.Module):
    """Sounds (batch, sample) to a tuple."""

    def forward(self, sounds):
        return sounds, sounds
