"""Zero-shot class scores of CLIP models, from text embeddings of each class (Radford et al. 2021, section 3.1.4).

The texts are those of OpenAI's notebook on prompts for ImageNet, as open_clip distributes them: 80 templates for each
of 1000 class names, which OpenAI disambiguated by hand (two classes are still called missile, two sunglasses). The
study took the same lists; if its copies have another date, a few scores differ. The 80,000 short texts are expected to
take 4.4 hours of one CPU core. The image tower is built in ``metamers.models.sources.open_clip``.
"""

from pathlib import Path

import open_clip
import torch
from torch import nn

from metamers.config.vocabularies import class_names
from metamers.models.sources.open_clip import clip_model, open_clip_weights
from metamers.models.weights import fit_weights, read_weights

# Name → names of the classes, in the order of their numbers, and templates of texts about them.
TEXTS = {"imagenet": (open_clip.IMAGENET_CLASSNAMES, open_clip.OPENAI_IMAGENET_TEMPLATES)}


def read_clip(architecture: str, file: str | Path, entry: str | None) -> nn.Module:
    """A CLIP model, both its towers, with the weights of a file in float32; no code of the file is run.

    Parameters
    ----------
    architecture
        open_clip's name of the architecture.
    file
        A file for ``metamers.models.weights.read_weights``; OpenAI's are TorchScript archives in float16.
    entry
        Key of the weights in the file, or None.

    Raises
    ------
    ValueError
        When the file cannot be read or belongs to another architecture.
    """
    network = clip_model(architecture)
    weights = open_clip_weights(network, read_weights(file, entry))
    # Not strict, because ``fit_weights`` accepts files without counters of batches; it has checked all other keys.
    network.load_state_dict(fit_weights(weights, network, "same", str(file)), strict=False)
    return network.float().eval()


def class_embeddings(architecture: str, network: nn.Module, texts: str, device: torch.device) -> torch.Tensor:
    """The normalized mean of the normalized embeddings of each class's texts, (feature, class).

    Parameters
    ----------
    architecture
        open_clip's name of the architecture, which determines the tokenizer.
    network
        What ``read_clip`` gives.
    texts
        A name from ``TEXTS``, or the path of a table of a vocabulary, whose categories take the place of ImageNet's
        class names.
    device
        Device of the computation.

    Raises
    ------
    ValueError
        When an embedding is not finite.
    ConfigurationError
        When the table cannot be used.
    """
    names, templates = TEXTS.get(texts) or (class_names(texts), open_clip.OPENAI_IMAGENET_TEMPLATES)
    tokenizer = open_clip.get_tokenizer(architecture)
    embeddings = open_clip.build_zero_shot_classifier(
        network.to(device), tokenizer, names, templates, num_classes_per_batch=1, device=device
    )
    if not embeddings.isfinite().all():
        raise ValueError(f"{architecture}: embeddings of the texts {texts!r} are not finite")
    return embeddings.cpu().contiguous()
