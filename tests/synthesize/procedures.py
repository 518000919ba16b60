"""Settings of the synthesis procedures, and where synthesis starts."""

import numpy as np
import torch

from metamers.synthesize.noise import start_noise

ONE_CYCLE = {
    "optimizer": "adam",
    "steps": 300,
    "learning_rate": 0.05,
    "beta_1": 0.8,
    "beta_2": 0.95,
    "low_precision": 0.9,
}
TO_TARGET = {"optimizer": "adam", "learning_rate": 0.02, "beta_1": 0.9, "beta_2": 0.98, "max_steps": 300}
PUBLISHED = {"steps": 300, "step_size": 1.0, "halvings": 7}


def starts(model, names, seeds=(0,)):
    noise = [start_noise("vision", model.preprocessing.signal_shape, name, seed, 0) for name in names for seed in seeds]
    return torch.from_numpy(np.stack(noise))
