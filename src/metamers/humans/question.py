"""The questions that an adaptive experiment can ask."""

# Question → number of generation models that it is about, and the largest interval at which the experiment may end,
# which is well below that of the prior distribution.
MODELS_OF_QUESTION = {"threshold": 1, "difference": 2}
LARGEST_INTERVAL = {"threshold": 1, "difference": 4}
