"""Which models a run has for Brain-Score, and which targets its configuration cannot make."""

from typing import Any

from metamers.brainscore.metadata import model_metadata
from metamers.modalities import MODALITIES
from metamers.names import ConfigurationError


def models_of_brainscore(plan: Any) -> dict[str, Any]:
    """Name → entry of the models of images, with classes, that metamers of the run are made of, or that recognize."""
    used = {name: plan.models[name] for name in dict.fromkeys([*plan.generation_models, *plan.recognition_models])}
    return {name: entry for name, entry in used.items() if MODALITIES[entry.modality].brainscore and entry.has_classes}


def unavailable_brainscore(plan: Any) -> dict[str, str]:
    """Targets of Brain-Score that a run cannot make → why, and which configuration could."""
    own = any(MODALITIES[group.modality].brainscore for group in plan.own_participants.values())
    # Without participant-level data, no images that participants saw.
    published = list(plan.published.stimuli.values()) if plan.settings.human_data == "participants" else []
    candidates = models_of_brainscore(plan)
    if not own and not published:
        reason = (
            "own_participants: there are no participants for a benchmark of Brain-Score. Set human_data: participants "
            "for the published experiments with images, or name participants who judged images, such as "
            "own_participants: {NAME: {modality: vision, answers: FOLDER}}."
        )
        if plan.adaptive_participants:
            groups = ", ".join(plan.adaptive_participants)
            reason += (
                f" Groups of adaptive experiments ({groups}) are not benchmarks, because proportions "
                "correct are biased when earlier answers decide what is shown."
            )
        return {"brainscore": reason, "brainscore_score": reason}
    try:
        model_metadata(plan.settings.run, candidates)
    except ConfigurationError as error:
        return dict.fromkeys(("brainscore", "brainscore_score"), str(error))
    if not candidates:
        used = dict.fromkeys([*plan.generation_models, *plan.recognition_models])
        return {
            "brainscore_score": "recognition_models: there is no model of images with classes to score with "
            "Brain-Score. Name one in recognition_models or generation_models. Models of the run: "
            f"{', '.join(used) or 'none'}."
        }
    if not own and not any(entry.has_images for entry in published):
        first = published[0]
        return {
            "brainscore_score": "brainscore_score: the images of the published experiments are not on this machine. "
            f"Put those of {first.url} into {first.folder}, as <number>_<network>/<number>_<layer>/*.png, or score "
            "models on metamers that your own participants judged (own_participants)."
        }
    return {}
