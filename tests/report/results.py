"""Results of steps, made up, as the report reads them."""

import json

import numpy as np
import xarray as xr

STAGES = ["input", "late", "other"]
NAN = np.nan


def three_contrasts() -> xr.Dataset:
    """Above 0 and below it, including it, and without metamers; the last model has another stage in the middle."""
    values = {
        "difference": [[0.1, -0.2, NAN], [0.0, NAN, 0.25], [NAN, NAN, NAN]],
        "low": [[0.05, -0.3, NAN], [-0.1, NAN, NAN], [NAN, NAN, NAN]],
        "high": [[0.2, -0.1, NAN], [0.1, NAN, NAN], [NAN, NAN, NAN]],
        "n": [[5, 6, 0], [5, 0, 1], [0, 0, 0]],
        "stage_number": [[1, 2, NAN], [1, NAN, 2], [1, 2, NAN]],
    }
    late = {
        "late_difference": [0.12, 0.0, NAN],
        "late_low": [0.01, -0.1, NAN],
        "late_high": [0.2, 0.1, NAN],
        "late_n": [6, 5, 0],
        "late_stages": ["late", "other", "late"],
        "late_left_out": [2, 0, 0],
        "late_families_standard_error": [NAN, NAN, 0.05],
        "judged_by": ["ear", "ear", "ear, eye"],
        "related_recognition_models": ["", "", "eye"],
        "networks": [1, 1, 1],
        "reference_networks": [1, 1, 1],
        "late_networks": [1, 1, 1],
        "late_reference_networks": [1, 1, 1],
        "late_unrelated_families": [2, 1, 1],
        "late_match_suffices": [True, False, False],
        "late_normalized_error": [0.02, 0.25, NAN],
    }
    by_recognition_model = [[0.12, NAN], [0.0, NAN], [NAN, NAN]]
    models = ["b", "c", "d"]
    return xr.Dataset(
        {name: (("contrast", "stage"), np.array(value, float)) for name, value in values.items()}
        | {name: ("contrast", value) for name, value in late.items()}
        | {"late_difference_by_recognition_model": (("contrast", "recognition_model"), by_recognition_model)},
        coords={
            "contrast": [f"{model} - a" for model in models],
            "stage": STAGES,
            "recognition_model": ["ear", "eye"],
            "model": ("contrast", models),
            "reference": ("contrast", ["a"] * 3),
        },
    )


def trained_model(perturbation=None, readout=None, modality="audio", sounds=None) -> xr.Dataset:
    """Result of the rule ``train_model``: 3 epochs, 4 words, 16 test examples, 12 of them answered correctly."""
    answers = np.diag([3, 3, 3, 3]) + np.eye(4, k=1, dtype=int) + np.eye(4, k=-3, dtype=int)
    curves = {
        f"{part}_{what}": ("epoch", [0.3, 0.2, 0.1])
        for part in ("train", "validation")
        for what in ("loss", "accuracy")
    }
    words = ["ape", "bee", "cat", "dog"]
    return xr.Dataset(
        curves
        | {
            "test_accuracy": 0.75,
            "adversarial_accuracy": ("perturbation_size", [0.5, 0.25]),
            "answers": (("category", "answered_category"), answers),
        },
        coords={"epoch": [1, 2, 3], "perturbation_size": [0.25, 1.0], "category": words, "answered_category": words},
        attrs={
            "model": json.dumps({"modality": modality, "input": sounds or {}}),
            "training": json.dumps({"perturbation": perturbation, "readout": readout, "epochs": 3}),
            "attack": json.dumps({"on": "preprocessing", "norm": "l2", "sizes": [0.25, 1], "steps": 5, "examples": 8}),
        },
    )
