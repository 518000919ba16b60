"""Names by which Brain-Score knows what a plugin has, and the size that it assumes of a model's input."""

from metamers.modalities import MODALITIES

# The modality of Brain-Score's models, and the name of this domain there; there is no such interface for sounds.
BENCHMARKED = next(name for name, about in MODALITIES.items() if about.brainscore)
PUBLISHED_STUDY = "Feather2023"
FOLDER = "model_metamers"  # of each part of the plugin; not the name of this library, which models import
METRIC = "recognizability_r2"
VISUAL_DEGREES = 8  # of the input of a network, as of Brain-Score's own models (ModelCommitment)


def benchmark_identifier(study: str, name: str) -> str:
    """Identifier of a benchmark, ``<data>-<metric>`` as Brain-Score names them."""
    return f"{study}_{name}-{METRIC}"


def model_identifier(run: str, model: str) -> str:
    """Identifier of a model of a run; it differs from those of Brain-Score's own models."""
    return f"metamers_{run}_{model}"
