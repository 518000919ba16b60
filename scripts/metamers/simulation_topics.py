"""The topics of the simulations: one for each module ``metamers.simulate_<topic>``."""

from metamers import (
    simulate_anova,
    simulate_brain,
    simulate_chance,
    simulate_judges,
    simulate_leaderboard,
    simulate_power,
    simulate_predicted,
    simulate_proportions,
    simulate_relation,
)

TOPICS = {
    "anova": simulate_anova,
    "brain": simulate_brain,
    "chance": simulate_chance,
    "judges": simulate_judges,
    "leaderboard": simulate_leaderboard,
    "power": simulate_power,
    "predicted": simulate_predicted,
    "proportions": simulate_proportions,
    "relation": simulate_relation,
}
