"""The plan: the validated, resolved configuration, which rules and scripts read.

``make_plan`` checks everything that can be checked before the first job starts. A message has the key, the value found,
and the values that would be right. Steps check what needs data or a model. The modules of ``metamers.config`` and
``metamers.plan`` do not import large libraries, because the workflow makes the plan each time that it builds its graph
of jobs.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from metamers.beyond.chosen import check_tables_of_sets, extensions
from metamers.beyond.sets import Beyond
from metamers.brain.settings import DEFAULT_MODALITY, Brain, Similarity, plan_brain, plan_similarity
from metamers.compare.settings import check_contrasts, check_sides
from metamers.config.archives import Archive
from metamers.config.datasets import DatasetEntry, check_files_of_dataset, check_vocabularies_of_dataset
from metamers.config.experiments import PublishedStudy
from metamers.config.models import (
    ModelEntry,
    Readout,
    Training,
    check_files_of_model,
    check_training,
    readout_of,
)
from metamers.config.registry import read_registries
from metamers.config.settings import unavailable_of_run
from metamers.config.tables import category_noun, stimulus_categories
from metamers.experiment.settings import (
    check_experiment,
    experiment_stages,
)
from metamers.humans.read_table import table_files
from metamers.humans.settings import (
    ADAPTIVE,
    OwnParticipants,
    answer_files,
    judged_models,
    own_participants,
    own_tests,
    valid_names,
)
from metamers.modalities import MODALITIES
from metamers.names import ConfigurationError
from metamers.null.settings import null_datasets
from metamers.plan.left_out import STIMULUS, LeftOut, read_left_out, without
from metamers.plan.steps import STEPS, read_settings
from metamers.plan.used_models import card_models, check_modalities, check_recognition_models, chosen_stages
from metamers.power.settings import check_power
from metamers.recognize.settings import check_classes
from metamers.stimuli.settings import metamer_stimuli
from metamers.synthesize.qualities import PENALTY_SETTING, TO_TARGET, batch_size_of, penalty_in_words
from metamers.synthesize.settings import check_synthesis
from metamers.train.settings import check_vocabulary
from metamers.vulnerability.settings import Vulnerability, plan_vulnerability


@dataclass(frozen=True)
class Analyses:
    """The complementary analyses of a run, each with its ``models``, none if it is left out."""

    vulnerability: Vulnerability
    similarity: Similarity
    brain: Brain

    @property
    def used_models(self) -> list[str]:
        """All models that an analysis computes with, each once."""
        analyses = (self.vulnerability, self.similarity, self.brain)
        return list(dict.fromkeys(name for analysis in analyses for name in analysis.used_models))


@dataclass(frozen=True)
class Plan:
    """The validated, resolved configuration: models, stimuli and observers of a run.

    Attributes
    ----------
    settings
        The configuration: ``plan.settings.synthesis.seeds`` is the key ``synthesis.seeds``.
    models, datasets, archives
        The registries.
    published
        The published human experiments.
    experiment_stages
        Metamers of the experiment for human participants: modality → generation model → stages.
    own_participants
        The user's own participants in experiments of the fixed design, or with a table: name → group.
    adaptive_participants
        The user's own participants in adaptive experiments: name → group.
    own_comparisons, own_stage_effects
        Name of a group → tests of the own participants, as of ``PublishedStudy``.
    generation_models
        Name → chosen stages in processing order.
    recognition_models
        Names.
    stimuli
        Dataset → rows of its table for which metamers are made.
    dataset_of
        Model → dataset of its modality.
    null_dataset_of
        Modality → dataset whose pairs make the null distribution.
    training
        Model → how it is trained, for trained models.
    readouts
        Model without classes → how it recognizes, for recognition models and the model of the model card.
    analyses
        The complementary analyses.
    beyond
        The extensions of the study.
    unavailable
        Target that the configuration cannot make → why, and which configuration could.
    left_out
        What failed in an earlier call and is left out.
    whole
        The plan of the configuration with what is left out; None if nothing is.
    """

    settings: Any
    models: dict[str, ModelEntry]
    datasets: dict[str, DatasetEntry]
    archives: dict[str, Archive]
    published: PublishedStudy
    experiment_stages: dict[str, dict[str, list[str]]]
    own_participants: dict[str, OwnParticipants]
    adaptive_participants: dict[str, OwnParticipants]
    own_comparisons: dict[str, dict[str, list[str]]]
    own_stage_effects: dict[str, dict[str, list[str]]]
    generation_models: dict[str, list[str]]
    recognition_models: list[str]
    stimuli: dict[str, list[dict[str, str]]]
    dataset_of: dict[str, str]
    null_dataset_of: dict[str, str]
    training: dict[str, Training]
    readouts: dict[str, Readout]
    analyses: Analyses
    beyond: Beyond
    unavailable: dict[str, str] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    whole: "Plan | None" = None

    def check_target(self, target: str) -> None:
        """Check that the configuration can make a target.

        A target that cannot be made is an error only if it is requested, so ``make_plan`` does not raise it.

        Parameters
        ----------
        target
            Any; those that are not in ``unavailable`` can be made.

        Raises
        ------
        ConfigurationError
            When it cannot be made.
        """
        if target in self.unavailable:
            raise ConfigurationError(self.unavailable[target])

    def category_noun(self, model: str) -> str:
        """What a category of the dataset of a model is called."""
        return category_noun(self.datasets[self.dataset_of[model]].parameters)

    @property
    def families(self) -> dict[str, str]:
        """Generation or recognition model → its family."""
        names = dict.fromkeys([*self.generation_models, *self.recognition_models])
        return {name: self.models[name].family for name in names}

    @cached_property
    def _without_seed(self) -> dict[str, str | None]:
        """Generation model → what it has in common with those that differ by the seed of their training only."""
        common = {name: self.models[name].without_seed for name in self.generation_models}
        return {name: one and f"{one} {self.penalty_of(name)}" for name, one in common.items()}

    @cached_property
    def _retrained(self) -> dict[str, list[str]]:
        """Networks that differ by the seed of their training only, each group under what they have in common."""
        groups: dict[str, list[str]] = {}
        for name, common in self._without_seed.items():
            if common is not None:
                others = groups.setdefault(common, [])
                if not any(self._seed(name) == self._seed(other) for other in others):
                    others.append(name)
        return groups

    def _seed(self, model: str) -> int | None:
        training = self.models[model].training
        return training.seed if training else None

    def retrained(self, model: str) -> list[str]:
        """A generation model, and those that differ from it by the seed of their training only, at the same stages."""
        common = self._without_seed[model]
        others = self._retrained[common] if common else []
        stages, seed = self.generation_models[model], self._seed(model)
        alike = (name for name in others if self._seed(name) != seed and self.generation_models[name] == stages)
        return [model, *alike]

    @cached_property
    def sides_of_contrasts(self) -> list[tuple[list[str], list[str]]]:
        """The networks of both sides of each contrast, the named model and the named reference first.

        Where both sides have several networks that differ by the seed of their training only, they count together if
        another model is left that recognizes their metamers; else the two named models are compared.
        """
        sides_of_all = []
        for model, reference in self.settings.comparison.contrasts:
            sides = self.retrained(model), self.retrained(reference)
            networks = {*sides[0], *sides[1]}
            if min(map(len, sides)) == 1 or reference in sides[0] or networks.issuperset(self._asked(model)):
                sides = [model], [reference]
            sides_of_all.append(sides)
        return sides_of_all

    def _asked(self, model: str) -> list[str]:
        """The recognition models of the modality of a model."""
        modality = self.models[model].modality
        return [name for name in self.recognition_models if self.models[name].modality == modality]

    @property
    def model_order(self) -> list[str]:
        """All models of the run, generation models first: their order decides their colours and marks in the report."""
        members = [member for made in self.beyond.sets.values() for member in made.members]
        names = [*self.generation_models, *self.recognition_models, *self.analyses.used_models, *members]
        return list(dict.fromkeys(names))

    @property
    def automatic_stages(self) -> dict[str, list[str]]:
        """Model of the run whose stages were found by a trace → its stages, in processing order."""
        return {name: list(self.models[name].stages) for name in self.dataset_of if self.models[name].automatic_stages}

    @property
    def described_stages(self) -> list[str]:
        """A line of text for each model of the run whose stages were found by a trace."""
        return [f"Stages of {name} (auto): {', '.join(stages)}" for name, stages in self.automatic_stages.items()]

    @property
    def used_datasets(self) -> list[str]:
        """Datasets that the run uses, each once."""
        trained_on = [one.dataset for one in self.training.values()] + [one.dataset for one in self.readouts.values()]
        return list(
            dict.fromkeys([*self.stimuli, *self.null_dataset_of.values(), *trained_on, *self.analyses.brain.datasets])
        )

    def is_in_run(self, model: str) -> bool:
        """Whether the run itself uses a model, not only a model card."""
        return model in {*self.generation_models, *self.recognition_models, *self.analyses.used_models}

    def needs_collection(self, collection: str) -> bool:
        """Whether the targets of the run need a collection of retrieved files, named ``<kind>/<name>``."""
        kind, name = collection.split("/")
        if kind in ("experiments", "recognition_models", "published"):
            return self.settings.human_data == "participants"
        return kind != "datasets" or name in self.used_datasets

    def synthesis_of(self, model: str, quality: str | None = None) -> dict[str, Any]:
        """Settings of the procedure of a quality, by default the run's, for the modality of a model."""
        synthesis = self.settings.synthesis
        return synthesis.qualities[quality or synthesis.quality][self.models[model].modality]

    def penalty_of(self, *models: str) -> dict[str, Any]:
        """The penalty of the metamers of a model, or of several models together if each of them has it; empty: none."""
        penalty = self.settings.synthesis.penalty
        return penalty.chosen if penalty.models is None or {*models} <= {*penalty.models} else {}

    def metamer_settings(self, *models: str) -> dict[str, Any]:
        """Settings of the synthesis of the run's metamers of a model, or of several models together, with a penalty."""
        penalty = self.penalty_of(*models)
        return self.synthesis_of(models[0]) | ({PENALTY_SETTING: penalty} if penalty else {})

    @property
    def penalties(self) -> dict[str, str]:
        """Generation model whose metamers have a penalty → the penalty in words."""
        penalties = {model: self.penalty_of(model) for model in self.generation_models}
        return {model: penalty_in_words(penalty) for model, penalty in penalties.items() if penalty}

    @property
    def concluded(self) -> dict[str, str]:
        """Generation model → modality, of the models of conclusions: those without a penalty, if there are any."""
        modalities = {model: self.models[model].modality for model in self.generation_models}
        plain = {modality for model, modality in modalities.items() if model not in self.penalties}
        return {
            model: modality
            for model, modality in modalities.items()
            if model not in self.penalties or modality not in plain
        }

    def target_of(self, model: str, stage: str) -> float | None:
        """The normalized error of ``synthesis.target`` for a stage, if there is one; runs of any quality have it.

        A model that differs from one with its own targets by the seed of its training only has these.
        """
        target, common = self.settings.synthesis.target, self._without_seed.get(model)
        of_models: Mapping[str, Mapping[str, float]] = target.stages
        alike = (name for name in of_models if common is not None and self._without_seed.get(name) == common)
        own = (of_models[name][stage] for name in (model, *alike) if stage in of_models.get(name, {}))
        return next(own, target.normalized_error.of(self.models[model].modality))

    def target_error_of(self, model: str, stage: str) -> float | None:
        """The normalized error at which synthesis ends, if the run's quality has a target."""
        return self.target_of(model, stage) if self.settings.synthesis.procedure == TO_TARGET else None

    def vocabulary_of(self, model: str) -> str | None:
        """The vocabulary of the classes of a model, where it is asked about the stimuli of its dataset."""
        return self.models[model].vocabulary_for(self.datasets[self.dataset_of[model]], self.datasets)

    def categories_of(self, model: str) -> str:
        """Path of the table that has the model's classes of each category of its dataset."""
        return self.datasets[self.dataset_of[model]].table_for(self.vocabulary_of(model))

    def stimuli_of(self, model: str) -> list[str]:
        """Names of the natural stimuli for the metamers of a model."""
        return [row["stimulus"] for row in self.stimuli[self.dataset_of[model]]]

    def unusable_stimuli(self, dataset: str) -> list[str]:
        """Names of the stimuli of a dataset that are left out."""
        return [one.names[1] for one in self.left_out if one.kind == STIMULUS and one.names[0] == dataset]

    def batch_size_of(self, model: str) -> int:
        """Number of stimuli of a job that makes metamers of a model."""
        synthesis = self.settings.synthesis
        return batch_size_of(synthesis.batch_size, self.synthesis_of(model), synthesis.seeds, self.settings.device)

    @cached_property
    def batches(self) -> dict[str, dict[str, list[str]]]:
        """Generation model → batch, a zero-padded number → names of its stimuli.

        What is left out does not change the other batches.
        """
        if self.whole:
            left = {model: set(self.stimuli_of(model)) for model in self.generation_models}
            return {
                model: {
                    number: batch
                    for number, names in self.whole.batches[model].items()
                    if (batch := [name for name in names if name in left[model]])
                }
                for model in self.generation_models
            }
        of_models = {}
        for model in self.generation_models:
            names, size = self.stimuli_of(model), self.batch_size_of(model)
            of_models[model] = {
                f"{first // size:04d}": names[first : first + size] for first in range(0, len(names), size)
            }
        return of_models

    @cached_property
    def recognition_groups(self) -> dict[str, list[str]]:
        """Modality and number of a group → recognition models of one job, which have the same table of categories.

        What is left out does not change the other groups.
        """
        if self.whole:
            return {
                group: left
                for group, names in self.whole.recognition_groups.items()
                if (left := [name for name in names if name in self.recognition_models])
            }
        size = self.settings.recognition.models_per_job
        groups: dict[str, list[str]] = {}
        for modality in MODALITIES:
            names_of_table: dict[str, list[str]] = {}
            for name in self.recognition_models:
                if self.models[name].modality == modality:
                    names_of_table.setdefault(self.categories_of(name), []).append(name)
            parts = [
                names[first : first + size] for names in names_of_table.values() for first in range(0, len(names), size)
            ]
            groups |= {f"{modality}_{number}": names for number, names in enumerate(parts)}
        return groups

    def recognition_models_of(self, model: str) -> list[str]:
        """Recognition models of the metamers of a model: those of its dataset."""
        return [name for name in self.recognition_models if self.dataset_of[name] == self.dataset_of[model]]

    def compared_recognition_models(self, model: str) -> list[str]:
        """Recognition models whose answers to the metamers of a model count: without itself under another name."""
        itself = self.models[model]
        return [
            name
            for name in self.recognition_models_of(model)
            if name == model or not self.models[name].has_answers_of(itself)
        ]

    def other_recognition_models(self, model: str) -> list[str]:
        """Recognition models of the metamers of a model, without the model itself."""
        return [name for name in self.compared_recognition_models(model) if name != model]

    @property
    def participants(self) -> dict[str, OwnParticipants]:
        """All groups of own participants: of the fixed design or a table, and of adaptive experiments."""
        return self.own_participants | self.adaptive_participants

    def answers_of(self, name: str) -> list[str]:
        """The files with the answers of a group of own participants.

        Raises
        ------
        ConfigurationError
            When there are none.
        """
        group = self.participants[name]
        if group.format == "table":
            return table_files(f"own_participants.{name}.answers", group.answers)
        return answer_files(name, group.answers)

    def models_judged_by(self, name: str) -> dict[str, list[str]]:
        """Generation models, with all stages of the run, that a table of a group of own participants may name."""
        modality = self.participants[name].modality
        return judged_models(modality, self.generation_models, self.recognition_models, self.models)

    @property
    def judged_stages(self) -> dict[str, dict[str, list[str]]]:
        """Modality of own participants → generation model → stages that a group judged, in the run's order."""
        judged: dict[str, dict[str, list[str]]] = {}
        for group in self.own_participants.values():
            of_modality = judged.setdefault(group.modality, {})
            for model, stages in group.stages.items():
                both = {*of_modality.get(model, []), *stages}
                of_modality[model] = [stage for stage in self.generation_models[model] if stage in both]
        return judged

    @property
    def brainscore_experiments(self) -> list[str]:
        """Published experiments that are benchmarks for Brain-Score: of images with known addresses."""
        return list(self.published.stimuli) if self.settings.human_data == "participants" else []

    @property
    def brainscore_participants(self) -> list[str]:
        """Groups of own participants that are benchmarks for Brain-Score: those that judged stimuli of its modality."""
        return [name for name, group in self.own_participants.items() if MODALITIES[group.modality].brainscore]

    @property
    def compared_modalities(self) -> list[str]:
        """Modalities of own participants that can be compared with other models: at three points or more."""
        return [
            modality
            for modality, judged in self.judged_stages.items()
            if sum(len(stages) for model, stages in judged.items() if self.other_recognition_models(model)) > 2
        ]


def make_plan(config: Mapping[str, Any], files: Iterable[str | Path] = ()) -> Plan:
    """Check a configuration and the registries and files that it names, and resolve it.

    Parameters
    ----------
    config
        A configuration, as of ``metamers.plan.steps.merge_defaults``.
    files
        The files that it was read from.

    Raises
    ------
    ConfigurationError
        For the first error.
    """
    whole = _resolve(config, files)
    whole.settings.synthesis.penalty.check(whole.generation_models)  # also names models that are left out
    if config.get("left_out") is None:
        return whole
    left_out = read_left_out(config["left_out"])
    stimuli = {(one.names[0], one.names[1]) for one in left_out if one.kind == STIMULUS}
    plan = _resolve(without(config, left_out, whole), files, stimuli)
    return replace(plan, left_out=left_out, whole=whole)


def _asked_models(settings: Any, card: Iterable[str], analyses: Analyses) -> dict[str, str]:
    """The models that name categories of their dataset → the key of the configuration that names them."""
    generation = [item if isinstance(item, str) else item.model for item in settings.generation_models]
    keys = {name: "analyses.vulnerability.models" for name in analyses.vulnerability.models}
    keys |= {name: "model" for name in card}
    keys |= {name: f"recognition_models.{index}" for index, name in enumerate(settings.recognition_models)}
    return keys | {name: f"generation_models.{index}" for index, name in enumerate(generation)}


def _resolve(config: Mapping[str, Any], files: Iterable[str | Path], unusable: Container[tuple[str, str]] = ()) -> Plan:
    """As ``make_plan``, without the stimuli ``unusable`` (dataset, name), and without regard to ``left_out``."""
    settings = read_settings(config)
    registry = read_registries(settings.parameters, files)
    models, datasets, published = registry.models, registry.datasets, registry.published
    generation_models = chosen_stages(settings, models)
    recognition_models: list[str] = settings.recognition_models
    check_recognition_models(settings, models)
    card = card_models(settings, models)
    used = [*generation_models, *recognition_models, *card]
    default_stimuli = settings.stimuli.of(DEFAULT_MODALITY)
    analyses = Analyses(
        plan_vulnerability(settings.analyses.vulnerability, generation_models, models),
        plan_similarity(settings.analyses.similarity, generation_models, models),
        plan_brain(
            settings.analyses.brain,
            default_stimuli and default_stimuli.dataset,
            generation_models,
            models,
            datasets,
        ),
    )
    used = list(dict.fromkeys([*used, *analyses.used_models]))
    for name in used:
        check_files_of_model(name, models[name])
    training = {name: trained for name in used if (trained := models[name].training)}
    for name, trained in training.items():
        check_training(name, models[name].modality, trained, datasets)
    modalities = dict.fromkeys(models[name].modality for name in used)
    stimuli = metamer_stimuli(settings.stimuli, modalities, datasets, unusable)
    null_dataset_of = null_datasets(settings.null, stimuli, datasets)
    trained_on = [trained.dataset for trained in training.values()]
    for name in dict.fromkeys([*stimuli, *null_dataset_of.values(), *trained_on, *analyses.brain.datasets]):
        check_files_of_dataset(name, datasets[name])
    check_synthesis(settings.synthesis, settings.synthesis.quality, [*generation_models, *card], models)
    if settings.beyond.metamer_sets:  # the two most different metamers are searched for with its settings
        check_synthesis(settings.synthesis, "quick", generation_models, models)
    of_modality = {datasets[dataset].modality: dataset for dataset in stimuli}
    check_modalities(recognition_models, used, generation_models, models, of_modality)
    check_contrasts(settings.comparison.contrasts, generation_models, recognition_models, models)
    check_power(settings.comparison.power, settings.comparison.permutations)
    dataset_of = {name: of_modality[models[name].modality] for name in used}
    for name in stimuli:
        check_vocabularies_of_dataset(name, datasets[name])
    check_classes(_asked_models(settings, card, analyses), models, dataset_of, datasets)
    recognizing = dict.fromkeys([*recognition_models, *card])
    readouts = {
        name: readout_of(name, models[name], datasets, dataset_of[name])
        for name in recognizing
        if models[name].readout is not None
    }
    for name in dict.fromkeys(readout.dataset for readout in readouts.values()):
        check_files_of_dataset(name, datasets[name])
    check_vocabulary(training, datasets, dataset_of)
    rows = {modality: stimuli[name] for modality, name in of_modality.items()}
    presented = experiment_stages(settings.experiment, generation_models, recognition_models, models)
    check_experiment(settings.experiment, presented)
    table_names = {}
    if any(group.format == "table" for group in settings.own_participants.values()):
        table_names = valid_names(
            generation_models,
            recognition_models,
            models,
            {modality: [row["stimulus"] for row in own] for modality, own in rows.items()},
            {modality: stimulus_categories(name, datasets[name].parameters) for modality, name in of_modality.items()},
            range(settings.synthesis.seeds),
        )
    is_adaptive = settings.experiment.adaptive is not None
    every_group = own_participants(
        settings.own_participants, presented, is_adaptive, published.experiments, table_names
    )
    adaptive = {name: group for name, group in every_group.items() if group.format == ADAPTIVE}
    participants = {name: group for name, group in every_group.items() if name not in adaptive}
    own_comparisons, own_stage_effects = own_tests(settings.comparison.contrasts, participants)
    plan = Plan(
        settings=settings,
        models=models,
        datasets=datasets,
        archives=registry.archives,
        published=published,
        experiment_stages=presented,
        own_participants=participants,
        adaptive_participants=adaptive,
        own_comparisons=own_comparisons,
        own_stage_effects=own_stage_effects,
        generation_models=generation_models,
        recognition_models=recognition_models,
        stimuli=stimuli,
        dataset_of=dataset_of,
        null_dataset_of=null_dataset_of,
        training=training,
        readouts=readouts,
        analyses=analyses,
        beyond=extensions(settings.beyond, generation_models, recognition_models, models, rows),
    )
    check_sides(plan.sides_of_contrasts)
    check_tables_of_sets(plan.beyond, plan.categories_of)
    reasons = [unavailable_of_run, *(step.unavailable for step in STEPS.values() if step.unavailable)]
    return replace(plan, unavailable={target: reason for of in reasons for target, reason in of(plan).items()})
