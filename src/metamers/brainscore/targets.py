"""Which targets of Brain-Score a configuration cannot make."""

from typing import Any

from metamers.modalities import MODALITIES


def unavailable_brainscore(plan: Any) -> dict[str, str]:
    """Targets of Brain-Score that a run cannot make → why, and which configuration could."""
    own = any(MODALITIES[group.modality].brainscore for group in plan.own_participants.values())
    # Without participant-level data, no images that people saw.
    published = list(plan.published.stimuli.values()) if plan.settings.human_data == "participants" else []
    used = list(dict.fromkeys([*plan.generation_models, *plan.recognition_models]))
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
    if not any(MODALITIES[plan.models[name].modality].brainscore for name in used):
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
