"""Class scores of CLIP models: what their text towers make of texts about each class (Radford et al. 2021, 3.1.4).

The texts are those of OpenAI's notebook on prompts for ImageNet, as open_clip ships them: 80 templates for each of 1000
class names, which OpenAI made less ambiguous by hand (two classes are still called missile, two sunglasses). The study
took the same lists; where its copies of them are of another date, a few scores differ. These 80,000 short texts take
one CPU core about three hours.
"""

from pathlib import Path

import open_clip
import torch
from torch import nn

from metamers.models import fit_weights, read_weights

# Name → names of the classes, in the order of their numbers, and templates of texts about them.
TEXTS = {"imagenet": (open_clip.IMAGENET_CLASSNAMES, open_clip.OPENAI_IMAGENET_TEMPLATES)}


def read_clip(architecture: str, file: str | Path, entry: str | None) -> nn.Module:
    """A CLIP model, both its towers, with the weights of a file in float32; no code of the file is run.

    Parameters
    ----------
    architecture
        open_clip's name of it.
    file
        As ``metamers.models.read_weights`` takes it; OpenAI's are TorchScript archives of float16.
    entry
        Key under which the weights lie, or None.

    Raises
    ------
    ValueError
        When the file cannot be read, or is of another architecture.
    """
    network = open_clip.create_model(architecture, pretrained=None)
    # Not strict only about the counters that ``fit_weights`` lets be missing.
    network.load_state_dict(fit_weights(read_weights(file, entry), network, "same", str(file)), strict=False)
    return network.float().eval()


def class_embeddings(architecture: str, network: nn.Module, texts: str, device: torch.device) -> torch.Tensor:
    """One embedding of length 1 for each class, (feature, class): of its texts' embeddings of length 1 the mean.

    Parameters
    ----------
    architecture
        open_clip's name of the network, by which it knows how texts are split into tokens.
    network
        As ``read_clip`` gives it.
    texts
        A name of ``TEXTS``.
    device
        Where it is to run.

    Raises
    ------
    ValueError
        When an embedding is not finite.
    """
    names, templates = TEXTS[texts]
    tokenizer = open_clip.get_tokenizer(architecture)
    embeddings = open_clip.build_zero_shot_classifier(
        network.to(device), tokenizer, names, templates, num_classes_per_batch=1, device=device
    )
    if not embeddings.isfinite().all():
        raise ValueError(f"{architecture}: embeddings of the texts {texts!r} are not finite")
    return embeddings.cpu().contiguous()
