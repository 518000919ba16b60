"""Which targets of Brain-Score a configuration cannot make."""

from collections.abc import Iterable, Mapping

from metamers.config.experiments import PublishedStimuli
from metamers.config.models import ModelEntry
from metamers.humans.settings import OwnParticipants
from metamers.modalities import MODALITIES


def unavailable_brainscore(
    used: Iterable[str],
    models: Mapping[str, ModelEntry],
    participants: Mapping[str, OwnParticipants],
    adaptive: Mapping[str, OwnParticipants],
    stimuli: Iterable[PublishedStimuli],
) -> dict[str, str]:
    """Targets of Brain-Score that the configuration cannot make → why, and which configuration could.

    Parameters
    ----------
    used
        Generation and recognition models.
    models
        The registry of models.
    participants, adaptive
        The user's own participants: of fixed designs, and of adaptive experiments.
    stimuli
        The images that participants of published experiments saw; none without participant-level data.
    """
    own = any(MODALITIES[group.modality].brainscore for group in participants.values())
    published, used = list(stimuli), list(used)
    if not own and not published:
        reason = (
            "own_participants: there are no participants for a benchmark of Brain-Score. Set human_data: participants "
            "for the published experiments with images, or name participants who judged images, such as "
            "own_participants: {NAME: {modality: vision, answers: FOLDER}}."
        )
        if adaptive:
            reason += (
                f" Groups of adaptive experiments ({', '.join(adaptive)}) are not benchmarks, because proportions "
                "correct are biased when earlier answers decide what is shown."
            )
        return {"brainscore": reason, "brainscore_score": reason}
    if not any(MODALITIES[models[name].modality].brainscore for name in used):
        return {
            "brainscore_score": "recognition_models: there is no model of images to score with Brain-Score. Name one "
            f"in recognition_models or generation_models. Models of the run: {', '.join(used) or 'none'}."
        }
    if not own and not any(entry.has_images for entry in published):
        first = published[0]
        return {
            "brainscore_score": "brainscore_score: the images of the published experiments are not on this machine. "
            f"Put those of {first.url} into {first.folder}, as <number>_<network>/<number>_<layer>/*.png, or score "
            "models on metamers that your own participants judged (own_participants)."
        }
    return {}
