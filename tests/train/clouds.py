"""Clouds of points, and a small network that learns to tell them apart."""

import torch
from torch import nn

from metamers.train.examples import Examples

SETTINGS = {
    "epochs": 4,
    "batch_size": 8,
    "learning_rate": 0.01,
    "weight_decay": 0.01,
    "label_smoothing": 0.0,
    "seed": 3,
}


def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Flatten(), nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3)
        )


def examples(number=48, seed=0):
    """Three clouds of points."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(number) % 3
    centers = 2 * torch.eye(3, 6)
    return Examples(centers[labels] + 0.5 * torch.randn(number, 6, generator=generator), labels)
