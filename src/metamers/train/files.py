"""Files of trainings and readouts."""

from dataclasses import replace

from metamers.run.declared import NO_UNIT, Meanings, RunFile
from metamers.stimuli import files as stimuli

MEANINGS: Meanings = {
    "epoch": "epoch of the training",
    "learning_rate": "learning rate at the end of an epoch",
    "train_loss": "mean cross-entropy over an epoch's training examples",
    "train_accuracy": "proportion of training examples classified correctly in an epoch",
    "validation_loss": "mean cross-entropy of the validation split after an epoch",
    "validation_accuracy": "proportion of the validation split classified correctly after an epoch",
    "test_accuracy": "proportion of the test split classified correctly",
    "adversarial_accuracy": "proportion of attacked examples of the test split classified correctly",
    "answered_category": ("category that the model answers", NO_UNIT),
    "answers": "number of stimuli of a category with this answer",
    "readout_weight": "weight of a standardized feature for a category",
    "readout_intercept": "intercept of a category",
    "feature_mean": "mean of a feature over the examples that the readout is fitted to",
    "feature_standard_deviation": "standard deviation of a feature over the same examples",
    "held_out_accuracy": (
        "proportion of the held-out examples, the split test, whose category the readout names correctly"
    ),
    "held_out_accuracy_low": "lower end of its exact 95% interval over examples (Clopper and Pearson)",
    "held_out_accuracy_high": "upper end of the same interval",
    "held_out_examples": "number of held-out examples",
    "train_examples": "number of examples of the split train, to which the readout is fitted",
    "validation_examples": (
        "number of examples of the split validation, by which the penalty is chosen, and to which the readout is then "
        "fitted, too"
    ),
    "chance_accuracy": "proportion correct of guessing: 1 / number of categories",
    "accuracy_limit": "smallest lower end of the interval with which the run uses the readout as a recognition model",
    "inverse_penalty": "inverse strength of the L2 penalty on the weights (scikit-learn's C)",
    "feature": "number of a feature: activations at the stage, averaged over all other axes",
}

EXAMPLES = replace(stimuli.STIMULI, path="examples/<dataset>.nc")
TRAINING = RunFile(
    "training/<model>.nc",
    coordinates="epoch, perturbation_size, category, answered_category",
    variables={
        "epoch": "learning_rate, train_loss, train_accuracy, validation_loss, validation_accuracy",
        "": "test_accuracy",
        "perturbation_size": "adversarial_accuracy",
        "category, answered_category": "answers",
    },
    meanings=MEANINGS,
)
CURVES = RunFile(
    "training/curves/<model>.nc",
    coordinates="epoch",
    variables={
        "epoch": "learning_rate, train_loss, train_accuracy, validation_loss, validation_accuracy",
    },
    meanings=MEANINGS,
)
READOUTS = RunFile(
    "readouts/<model>.nc",
    coordinates="category, feature",
    variables={
        "category, feature": "readout_weight",
        "category": "readout_intercept",
        "feature": "feature_mean, feature_standard_deviation",
        "": (
            "held_out_accuracy, held_out_accuracy_low, held_out_accuracy_high, held_out_examples, train_examples, "
            "validation_examples, chance_accuracy, accuracy_limit, inverse_penalty"
        ),
    },
    meanings=MEANINGS,
)
