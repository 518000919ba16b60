"""Model metamers: synthesis, recognition by models, and comparison with people.

The packages, from the bottom to the top; each imports only from its own group and from those above it in this list,
and no two packages import each other:

services
    ``names``, ``modalities``, ``repository``, ``foreign`` (readers of untrusted files), ``run`` (files of a run, their
    hashes, logs and progress), ``config`` (YAML, tables, registries, fields of settings), ``retrieve`` (data, weights).
science
    ``match``, ``stimuli``, ``models``, ``synthesize``, ``null``, ``recognize``, ``train``: from a natural stimulus to a
    metamer and to an answer.
analyses
    ``humans``, ``compare``, ``leaderboard``, ``preregister``, ``power``, ``brain``, ``beyond``, ``vulnerability``,
    ``experiment``: from answers to results.
checks
    ``model_card``, ``verify``: measures of models and files.
presentation
    ``plan``: the validated, resolved configuration, from which the workflow has its jobs; ``report``, ``paper``:
    figures and pages; ``crate``: a run as an archive for publication; ``brainscore``: a run as
    plugins of Brain-Score; ``interactive``: functions for a notebook; ``__main__``: the command line.

Functions take arrays and Datasets and return arrays and Datasets. The workflow (``workflow/``) decides what runs in
which order and where files lie; the library knows nothing of it. Importing ``metamers`` imports none of its modules.

For a notebook, the functions of ``metamers.interactive`` are attributes of the package, imported on first use::

    import metamers as mm
    made = mm.metamer(network, "dog.jpg", "layer3")
"""

import sys

__version__ = "1.0.0"
__all__ = ["Metamer", "load", "metamer", "natural_stimuli", "recognize"]


def _of_interactive(name: str) -> property:
    """An attribute of the package that is a function or class of ``metamers.interactive``.

    It has a setter without effect, because importing the module ``metamers.recognize`` sets the attribute of this name.
    """

    def of_interactive(_package: object) -> object:
        import importlib

        return getattr(importlib.import_module("metamers.interactive"), name)

    return property(of_interactive, lambda _package, _module: None)


# A function __getattr__ would not do: it is not called for an attribute that an import has set.
sys.modules[__name__].__class__ = type("Package", (type(sys),), {name: _of_interactive(name) for name in __all__})


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
