"""Linear networks, whose Jacobians are their matrices."""

import numpy as np
import torch

from metamers.beyond.jacobian import Jacobian
from metamers.models.model import Model
from tests.networks.entries import load, tiny

RNG = np.random.default_rng
SIZE = 3  # images of 27 values


def linear(root, seed, features=40):
    stages = {"input": None, "project": "project", "logits": "classify"}
    entry = tiny(
        root, "linear", stages, weights={"random": seed}, input={"size": SIZE, "mean": [0.5] * 3, "std": [0.5] * 3}
    )
    entry["source"] = entry["source"] | {"arguments": {"size": SIZE, "features": features}}
    return load(entry)


def stimulus_of(model, seed=0):
    return torch.rand(model.preprocessing.signal_shape, generator=torch.Generator().manual_seed(seed))


def jacobian_of(model, stage="project"):
    return Jacobian(model, stage, stimulus_of(model))


def jacobian_given(matrix):
    """A Jacobian of a linear stage with this matrix (unit, value)."""
    units, values = matrix.shape
    linear_stage = torch.nn.Linear(values, units, bias=False)
    linear_stage.weight = torch.nn.Parameter(torch.from_numpy(matrix).float(), requires_grad=False)
    model = Model("m", "audio", torch.nn.Identity(), torch.nn.Sequential(linear_stage), {"input": None, "final": "0"})
    return Jacobian(model, "final", torch.zeros(values))


def matrix_of(model):
    """The Jacobian of ``project``: the network's matrix, divided by the standard deviation of its input."""
    return model.network.project.weight.double().numpy() / 0.5
