"""The topics of the simulations: one for each module ``studies.simulations.<topic>``."""

from studies.simulations import (
    adaptive,
    anova,
    brain,
    chance,
    error_consistency,
    judges,
    leaderboard,
    passes,
    power,
    predicted,
    proportions,
    relation,
)

TOPICS = {
    "adaptive": adaptive,
    "anova": anova,
    "brain": brain,
    "chance": chance,
    "error_consistency": error_consistency,
    "judges": judges,
    "leaderboard": leaderboard,
    "passes": passes,
    "power": power,
    "predicted": predicted,
    "proportions": proportions,
    "relation": relation,
}
