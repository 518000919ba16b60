"""Networks that a user might bring, each with one oddity, in a Python file like a user's own."""

import torch
import torchvision
from torch import nn
from torch.nn import functional


class Plain(nn.Module):
    """Two convolutions with an operation between them."""

    def __init__(self, channels=3):
        super().__init__()
        self.first = nn.Conv2d(channels, 8, 3, 2)
        self.second = nn.Conv2d(8, 16, 3, 2)
        self.classify = nn.Linear(16, 4)

    def between(self, values):
        return values.relu()

    def forward(self, images):
        return self.classify(self.second(self.between(self.first(images))).mean((2, 3)))


class BatchStatistics(Plain):
    def between(self, values):
        return functional.batch_norm(values, None, None, training=True)


class AlwaysTraining(nn.Module):
    """``eval()`` does not reach its batch normalization."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 14 * 14, 4))

    def train(self, _mode=True):
        return super().train(True)

    def forward(self, images):
        return self.body(images)


class Dropout(Plain):
    def between(self, values):
        return functional.dropout(values, 0.5, training=True)


class StochasticDepth(Plain):
    def between(self, values):
        return values + torchvision.ops.stochastic_depth(values, 0.5, "row", training=True)


class InPlace(Plain):
    def between(self, values):
        return values.sigmoid().mul_(2)


class InputInPlace(Plain):
    def forward(self, images):
        return super().forward(images.sub_(0.5))


class Features(Plain):
    """Features after an activation function."""

    def forward(self, images):
        return super().forward(images).relu()


class Ten(nn.Module):
    """Scores of ten classes."""

    def __init__(self):
        super().__init__()
        self.body, self.classify = nn.Conv2d(3, 8, 3, 2), nn.Linear(8, 10)

    def forward(self, images):
        return self.classify(self.body(images).relu().mean((2, 3)))


class WithLoss(Plain):
    """An output with a scalar, as networks of transformers give it."""

    def forward(self, images):
        scores = super().forward(images)
        return {"loss": scores.square().mean(), "logits": scores}


class NotFinite(Plain):
    def forward(self, images):
        return super().forward(images) / 0


class NeedsBatch(Plain):
    def forward(self, images):
        if len(images) < 2:
            raise ValueError("Expected more than 1 value per channel when training")
        return super().forward(images)


class NotSquare(nn.Module):
    """Takes images of 16 rows and 12 columns."""

    def __init__(self):
        super().__init__()
        self.classify = nn.Linear(3 * 16 * 12, 4)

    def forward(self, images):
        return self.classify(images.flatten(1))


class NumPyFrontEnd(nn.Module):
    """A preprocessing of sounds that leaves PyTorch."""

    def forward(self, sounds):
        return torch.from_numpy(sounds.detach().numpy()).abs()


class OfWaveforms(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolve, self.classify = nn.Conv1d(1, 4, 9, 4), nn.Linear(4, 3)

    def forward(self, sounds):
        return self.classify(self.convolve(sounds[:, None]).relu().mean(2))


def one_channel():
    return Plain(channels=1)


def scripted():
    return torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(768, 4)))


def compiled():
    return torch.compile(Plain())


def half():
    return Plain().half()


def without_values():
    with torch.device("meta"):
        return Plain()
