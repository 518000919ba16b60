"""What jobs need of a cluster: time, memory and storage, from measured jobs and the work of each job.

A job that computes with networks is expected to take a constant time, and a time in proportion to the floating-point
operations of its passes. Any other job is expected to take as long as the measured one, in proportion to its items if
it has more of them. docs/more_clusters.md says on which machines this was measured, and what is assumed.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from metamers.config.models import ModelEntry, architecture_of
from metamers.config.tables import stimulus_table
from metamers.modalities import MODALITIES, Cost
from metamers.plan.plan import Plan
from metamers.run.durations import Measured
from metamers.synthesize.qualities import TO_TARGET, number_of_steps

# Name of a network in ``source`` → 10⁹ operations of a forward pass of one stimulus, twice the multiplications,
# and number of values of this stimulus.
IMAGE, SOUND = 3 * 224 * 224, 40_000
PASSES = {
    **dict.fromkeys(("alexnet", "alexnet_gn_ipcl"), (1.4, IMAGE)),
    "alexnet_gn": (2.3, IMAGE),
    "lowpass_alexnet": (3.7, IMAGE),
    "tf_efficientnet_lite0": (0.78, IMAGE),
    "tf_efficientnet_lite1": (1.2, 3 * 240 * 240),
    "tf_efficientnet_lite2": (1.7, 3 * 260 * 260),
    "resnet18": (3.6, IMAGE),
    "resnet50": (8.2, IMAGE),
    "ViT-B-32-quickgelu": (8.8, IMAGE),
    "RN50-quickgelu": (12.2, IMAGE),
    "vone_alexnet": (13.7, IMAGE),
    "resnet101": (15.6, IMAGE),
    "resnext101_32x8d": (32.8, IMAGE),
    "cornet_s": (32.9, IMAGE),
    "hmax": (39.1, IMAGE),
    "vgg19": (39.3, IMAGE),
    "vit_large_patch16_224": (123.1, IMAGE),
    "small_cnn": (0.0023, 3 * 28 * 28),
    "coch_cnn9": (5.1, SOUND),
    "coch_resnet50": (14.2, SOUND),
    "spectemp": (22, SOUND),  # that take as long as its Fourier transforms, with all filters
}
SMALLEST_PASS = 3e7  # operations that take as long as calling the kernels of a network
CORE = 3e10  # operations per second of one core, measured
CARD = 2e13  # of a card, assumed: 30% of the peak of an H100 in float32 (docs/scale.md)
START_S = {False: 4.0, True: 10.0}  # whether on a card → seconds of a job beside its passes
EXPECTED_SHARE = 0.15  # of the largest number of steps, of a synthesis to a target: mean of the default run

TIME_HEAD_ROOM, MEMORY_HEAD_ROOM = 4, 1.5
MINUTES, MEGABYTES = 10, 500  # in multiples of which jobs request time and memory
MAX_MINUTES = 24 * 60  # another attempt goes on with synthesis and training
CARD_MB = 3000  # memory of the host for the libraries of a card, assumed
RANKED_MB = 3300  # of a null distribution with many stimuli: metamers.null.distribution.MEMORY


# Bytes on the disk of a value of a stimulus as NetCDF, and of the loss at a step.
VALUE_BYTES, LOSS_BYTES = 3.6, 4


@dataclass(frozen=True)
class Work:
    """The work of a job.

    Attributes
    ----------
    operations
        Expected number of operations of the passes of networks.
    most_operations
        The largest number, for the time limit; 0: the expected one.
    largest_pass
        10⁹ operations of a pass of the largest network in memory.
    items
        What the time of a job without networks is in proportion to.
    memory_mb
        Memory beside that of a measured job and of the networks.
    output_mb
        Size of the files that the job writes.
    """

    operations: float = 0.0
    most_operations: float = 0.0
    largest_pass: float = 0.0
    items: float = 0.0
    memory_mb: float = 0.0
    output_mb: float = 0.0


def rounded_up(value: float, unit: int) -> int:
    """The smallest multiple of a unit, at least one, that is not below a value."""
    return unit * max(1, math.ceil(value / unit))


@dataclass(frozen=True)
class Needs:
    """What a job of a rule needs, on a core or on a card.

    Attributes
    ----------
    measured
        A measured job of the rule.
    work
        The work of this job.
    on_card
        Whether its networks compute on a card.
    """

    measured: Measured
    work: Work = field(default_factory=Work)
    on_card: bool = False

    def _seconds(self, operations: float) -> float:
        if self.work.operations:
            return START_S[self.on_card] + operations / (CARD if self.on_card else CORE)
        return self.measured.seconds * max(1.0, self.work.items / self.measured.items)

    @property
    def expected_s(self) -> int:
        """Seconds that the job is expected to take."""
        return math.ceil(self._seconds(self.work.operations))

    @property
    def output_mb(self) -> int:
        """Megabytes of its files."""
        return math.ceil(self.work.output_mb)

    def runtime(self, attempt: int = 1) -> int:
        """Minutes after which an attempt may be ended, doubled with each one, and at most ``MAX_MINUTES``."""
        seconds = self._seconds(max(self.work.operations, self.work.most_operations))
        return min(rounded_up(TIME_HEAD_ROOM * seconds / 60, MINUTES) * 2 ** (attempt - 1), MAX_MINUTES)

    def mem_mb(self, attempt: int = 1) -> int:
        """Megabytes of memory of an attempt, doubled with each one."""
        # Of one pass and its gradients, with four stimuli, and of weights: more than those of all measured networks.
        of_network = min(400 * self.work.largest_pass, 2000) + 10 * self.work.largest_pass
        other = self.work.memory_mb + of_network + CARD_MB * self.on_card
        return rounded_up(MEMORY_HEAD_ROOM * self.measured.memory_mb + other, MEGABYTES) * 2 ** (attempt - 1)


@dataclass(frozen=True, eq=False)
class Workload:
    """The work of the jobs of a plan. Stages are at equal distances in the operations of a pass.

    Attributes
    ----------
    plan
        The plan of the run.
    """

    plan: Plan

    def values(self, model: str) -> int:
        """Number of values of a stimulus of a model."""
        entry = self.plan.models[model]
        return MODALITIES[entry.modality].values(entry.input)

    def _cost(self, model: str) -> Cost:
        return MODALITIES[self.plan.models[model].modality].cost

    def front_end(self, model: str) -> float:
        """Operations that take as long as the preprocessing of one stimulus."""
        return self._cost(model).preprocessing * self.values(model)

    @cached_property
    def networks(self) -> dict[str, float]:
        """Model → operations of a forward pass of one stimulus through its network."""
        return {model: self._of_network(model, entry) for model, entry in self.plan.models.items()}

    def _of_network(self, model: str, entry: ModelEntry) -> float:
        architecture = architecture_of(entry.source, entry.weights.get("pretrained"))
        billions, at = PASSES.get(architecture, MODALITIES[entry.modality].cost.network)
        width = entry.source.get("arguments", {}).get("width", 1)
        return 1e9 * billions * width**2 * self.values(model) / at

    def operations_up_to(self, model: str, stage: str) -> float:
        """Operations of a forward pass up to a stage."""
        stages = list(self.plan.models[model].stages)
        share = stages.index(stage) / max(1, len(stages) - 1) if stage in stages else 1
        return max(SMALLEST_PASS, self.front_end(model) + share * self.networks[model])

    def in_memory(self, models: Iterable[str]) -> Work:
        """The work of a job that builds networks, one at a time, without passes."""
        return self._of_networks(list(models), 0)

    def _of_networks(self, models: Iterable[str], operations: float, **other: float) -> Work:
        largest = max((self.front_end(model) + self.networks[model] for model in models), default=0.0)
        return Work(operations, largest_pass=largest / 1e9, **other)

    def synthesis(self, at: Mapping[str, Iterable[str]], stimuli: int) -> Work:
        """The work of synthesizing metamers.

        Parameters
        ----------
        at
            Model → the stages, at each of which every metamer is matched.
        stimuli
            Number of stimuli.
        """
        plan = self.plan
        first = next(iter(at))
        settings = plan.synthesis_of(first)
        most, metamers = number_of_steps(settings), stimuli * plan.settings.synthesis.seeds
        steps = most * (EXPECTED_SHARE if plan.settings.synthesis.procedure == TO_TARGET else 1)
        step = (
            2 * metamers * sum(self.operations_up_to(model, stage) for model, stages in at.items() for stage in stages)
        )
        size = metamers * (VALUE_BYTES * self.values(first) + LOSS_BYTES * steps) / 1e6
        work = self._of_networks(at, steps * step, output_mb=size * max(map(len, map(list, at.values()))))
        return replace(work, most_operations=most * step)

    def forward_passes(self, models: Iterable[str], stimuli: float, **other: float) -> Work:
        """The work of forward passes of stimuli through models; a pass with its gradient counts as two."""
        models = list(models)
        operations = sum(self.front_end(model) + self.networks[model] for model in models)
        return self._of_networks(models, stimuli * operations, **other)

    def metamers(self, model: str) -> int:
        """Number of metamers of a generation model."""
        plan = self.plan
        return len(plan.generation_models[model]) * len(plan.stimuli_of(model)) * plan.settings.synthesis.seeds

    def measure(self, model: str, stimuli: int) -> Work:
        """The work of measuring the metamers of a model for some stimuli."""
        made = stimuli * self.plan.settings.synthesis.seeds
        steps = number_of_steps(self.plan.synthesis_of(model))
        size = made * (VALUE_BYTES * self.values(model) + LOSS_BYTES * steps) / 1e6
        return self.forward_passes([model], 2 * (stimuli + made), output_mb=size)

    def exported(self, model: str) -> Work:
        """The work of exporting the metamers of a model."""
        number = self.metamers(model)
        size = number * self._cost(model).exported_bytes * self.values(model) / 1e6
        return Work(items=number, output_mb=size)

    def accepted(self, model: str) -> Work:
        """The work of deciding which metamers of a model are accepted; its file is small."""
        return Work(items=self.metamers(model))

    def media(self, model: str) -> Work:
        """The work of preparing the metamers of a model for the report."""
        number = self.metamers(model)
        return Work(items=number, output_mb=number * self._cost(model).media_bytes / 1e6)

    def null(self, model: str) -> Work:
        """The work of the null distribution of a model."""
        plan = self.plan
        stimuli = self.splits[plan.null_dataset_of[plan.models[model].modality]]["test"]
        stages = len(plan.generation_models[model])
        matched = 10 * plan.settings.null.pairs * stages * self.values(model)
        work = self.forward_passes(
            [model], 3 * stimuli, memory_mb=min(RANKED_MB, 50 * stimuli * self.values(model) / 1e6)
        )
        return replace(work, operations=work.operations + matched)

    @cached_property
    def splits(self) -> dict[str, Counter[str]]:
        """Dataset of the run → split → number of its stimuli."""
        tables = {name: stimulus_table(name, self.plan.datasets[name].parameters) for name in self.plan.used_datasets}
        return {name: Counter(row["split"] for row in rows) for name, rows in tables.items()}

    def _of_dataset(self, dataset: str, number: int, bytes_per_value: float) -> Work:
        entry = self.plan.datasets[dataset]
        size = number * MODALITIES[entry.modality].values(entry.parameters) * bytes_per_value / 1e6
        return Work(items=number, memory_mb=size, output_mb=size)

    def stimuli(self, dataset: str) -> Work:
        """The work of reading the natural stimuli of a dataset."""
        return self._of_dataset(dataset, self.splits[dataset]["test"], VALUE_BYTES)

    def exported_stimuli(self, dataset: str) -> Work:
        """The work of exporting them."""
        number, modality = self.splits[dataset]["test"], self.plan.datasets[dataset].modality
        return self._of_dataset(dataset, number, MODALITIES[modality].cost.exported_bytes)

    def examples(self, dataset: str) -> Work:
        """The work of making the examples of a dataset, of all splits."""
        return self._of_dataset(dataset, self.splits[dataset].total(), VALUE_BYTES)

    def training(self, model: str) -> Work:
        """The work of training a model."""
        training = self.plan.training[model]
        attack = (training.perturbation or {}).get("steps", 0)
        passes = 3 * training.epochs * self.splits[training.dataset]["train"] * (1 + attack)
        memory = 2 * self.examples(training.dataset).output_mb
        # Examples are preprocessed once.
        return self._of_networks([model], passes * self.networks[model], memory_mb=memory, output_mb=5)

    def readout(self, model: str) -> Work:
        """The work of training a readout of a model: passes of all examples."""
        dataset = self.plan.readouts[model].dataset
        return self.forward_passes([model], self.splits[dataset].total(), memory_mb=self.examples(dataset).output_mb)

    def testing(self, model: str) -> Work:
        """The work of testing a trained model with and without attacks."""
        attack = self.plan.settings.training.attack
        attacked = 3 * attack.examples * attack.steps * len(attack.sizes)
        dataset = self.plan.training[model].dataset
        passes = self.splits[dataset]["test"] + attacked
        return self.forward_passes([model], passes, memory_mb=self.examples(dataset).output_mb)

    def attacks(self, model: str) -> Work:
        """The work of attacking a model with the attacks of the analysis of vulnerability."""
        analysis = self.plan.analyses.vulnerability
        sizes = sum(map(len, analysis.sizes[self.plan.models[model].modality].values()))
        return self.forward_passes([model], 3 * len(self.plan.stimuli_of(model)) * sizes * (analysis.steps or 0))
