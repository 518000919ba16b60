"""Examples: the labelled stimuli of one split, on the device, that a network is trained or tested on.

The dataset itself is read in ``metamers.stimuli.datasets``; perturbations of examples are in
``metamers.train.perturbations``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import nn

from metamers.modalities import sampling_of

BATCH = 16  # of computations without gradients
CACHE_BYTES = 2**31  # the network's inputs are computed once if they fit


@dataclass(frozen=True)
class Examples:
    """Labelled inputs of one split, computed once or for each batch.

    Attributes
    ----------
    stimuli
        (example, …signal), in the model's size or rate.
    labels
        Class indices (example,).
    transform
        From stimuli to the network's inputs; None if ``stimuli`` are the inputs.
    """

    stimuli: torch.Tensor
    labels: torch.Tensor
    transform: Callable[[torch.Tensor], torch.Tensor] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, order: torch.Tensor, size: int, first: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Batches of inputs and labels in a given order, from batch number ``first`` on.

        A single last example joins the batch before it, because one example has no batch statistics.
        """
        parts = list(order.split(size))
        if len(parts) > 1 and len(parts[-1]) == 1:
            parts[-2:] = [torch.cat(parts[-2:])]
        for chosen in parts[first:]:
            inputs = self.stimuli[chosen]
            yield (self.transform(inputs) if self.transform else inputs), self.labels[chosen]

    def some(self, number: int, seed: int) -> "Examples":
        """A random selection of ``number`` examples, or all if there are fewer."""
        chosen = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))[:number]
        return Examples(self.stimuli[chosen], self.labels[chosen], self.transform)

    @torch.no_grad()
    def transformed(self) -> "Examples":
        """The same examples with transformed inputs, if the result fits into memory; else unchanged."""
        if self.transform is None or not len(self):
            return self
        one = self.transform(self.stimuli[:1])
        if one.numel() * one.element_size() * len(self) > CACHE_BYTES:
            return self
        inputs = torch.cat([self.transform(batch) for batch in self.stimuli.split(BATCH)])
        return Examples(inputs, self.labels)


def labelled_examples(
    examples: xr.Dataset,
    split: str,
    classes: Mapping[str, Sequence[int]],
    preprocessing: nn.Module,
    device: torch.device,
    transform: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> Examples:
    """The examples of one split of a dataset, in a model's size or rate.

    Parameters
    ----------
    examples
        ``stimulus_value`` (stimulus, …signal), with ``category`` and ``split``.
    split
        Name of the split.
    classes
        Category → class indices; the first index is the label.
    preprocessing
        The model's preprocessing, which brings stimuli to its size or rate.
    device
        Device of the result.
    transform
        ``Examples.transform``.
    """
    chosen = examples.sel(stimulus=examples["split"] == split)
    values = torch.from_numpy(np.ascontiguousarray(chosen["stimulus_value"].values, dtype=np.float32)).to(device)
    labels = torch.tensor([classes[category][0] for category in chosen["category"].values]).to(device)
    return Examples(preprocessing.fit(values, **sampling_of(examples.attrs)), labels, transform)
