"""Small networks for tests, in a Python file like a user's own."""

from collections import OrderedDict

import torch
from torch import nn


class Linear(nn.Module):
    """One matrix, whose metamers follow from algebra."""

    def __init__(self, size: int = 8, features: int = 20, classes: int = 4):
        super().__init__()
        self.flatten = nn.Flatten()
        self.project = nn.Linear(3 * size * size, features, bias=False)
        self.classify = nn.Linear(features, classes)

    def forward(self, images):
        return self.classify(self.project(self.flatten(images)))


class Convolutional(nn.Module):
    """Two convolutions; one in-place ReLU module is used twice, as in torchvision's residual networks."""

    def __init__(self, classes: int = 4, channels: int = 3):
        super().__init__()
        self.first = nn.Conv2d(channels, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.block = nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.unused = nn.Identity()
        self.classify = nn.Linear(6, classes)

    def forward(self, images):
        hidden = self.relu(self.first(images))
        hidden = self.block(self.relu(self.second(hidden) + hidden))
        return self.classify(self.pool(hidden).flatten(1))


class Hearing(nn.Module):
    """One convolution over time on a cochleagram, and a readout of its mean."""

    def __init__(self, frequencies: int = 12, classes: int = 3):
        super().__init__()
        self.convolve = nn.Conv2d(1, 8, (frequencies, 5))
        self.relu = nn.ReLU()
        self.norm = nn.BatchNorm2d(8)
        self.classify = nn.Linear(8, classes)

    def forward(self, cochleagrams):
        return self.classify(self.norm(self.relu(self.convolve(cochleagrams))).mean((2, 3)))


class Rounding(nn.Module):
    """Not differentiable before its last stage."""

    def __init__(self, classes: int = 4):
        super().__init__()
        self.convolve = nn.Conv2d(3, 4, 3)
        self.round = Round()
        self.classify = nn.Linear(4, classes)

    def forward(self, images):
        return self.classify(self.round(self.convolve(images)).mean((2, 3)))


class NotFinite(nn.Module):
    """The logarithm of values that can be negative."""

    def __init__(self, classes: int = 4):
        super().__init__()
        self.convolve = nn.Conv2d(3, classes, 3)

    def forward(self, values):
        return self.convolve(values).mean((2, 3)).sub(10).log()


class Round(nn.Module):
    """Rounding to integers, through which no gradient passes."""

    def forward(self, values):
        return torch.round(values).detach()


def linear(**arguments):
    """A linear model."""
    return Linear(**arguments)


def convolutional(**arguments):
    """A small convolutional model."""
    return Convolutional(**arguments)


def hearing(**arguments):
    """A small auditory model."""
    return Hearing(**arguments)


def rounding(**arguments):
    """A model that is not differentiable."""
    return Rounding(**arguments)


def not_finite(**arguments):
    """A model whose class scores are NaN."""
    return NotFinite(**arguments)


def without_scores():
    """A network whose output is an image."""
    return nn.Sequential(OrderedDict(flatten=nn.Identity()))


def not_a_network():
    """A builder with an invalid result."""
    return "network"
