"""Input functions and parameters of the rules of several studies."""

from functools import partial

from metamers.synthesize.qualities import COMPARED_PROCEDURES
from metamers.plan.targets import STUDIES as STUDIES_TARGETS


wildcard_constraints:
    procedure=one_of(COMPARED_PROCEDURES),


study_step = partial(step, scripts=STUDY_SCRIPTS)


def name_a_study(_wildcards):
    """Input function of the default target: there is no study to begin with."""
    raise ConfigurationError(f"name a study: {', '.join(STUDIES_TARGETS)} (studies/README.md)")
