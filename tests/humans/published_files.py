"""Files of published participants, small."""

import pickle

import numpy as np
import scipy.io

LAYERS = ["natural_image", "relu0", "final"]
JUDGED = ["input_after_preproc", "relu0", "final"]


def matlab_file(path, **changes):
    content = {
        "participant_data_matrix": np.full((4, 3, 2), 0.5),
        "model_layers": np.array(LAYERS),
        "participants": np.array(["0", "1", "2", "3"]),
        "conditions": np.array(["Human", "Network"]),
        "axis_order": np.array(["participants", "model_layers", "conditions"]),
    } | changes
    scipy.io.savemat(path, {name: value for name, value in content.items() if value is not None})
    return path


def judgement(**changes):
    answers = {layer: [True, True, False, True] for layer in JUDGED}
    averages = {layer: np.float64(0.75) for layer in answers}
    return {"answers": answers, "average": averages, "labels": {"relu0": ["cat"]}} | changes


def write_pickle(path, content, protocol=2):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path
