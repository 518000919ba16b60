"""Settings of a run as a whole: the keys of the configuration that no step has."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import field_validator

from metamers.config.fields import ModelName, Number, Settings, from_to, one_of, setting, several
from metamers.names import FILE_NAME, ConfigurationError
from metamers.run.manifest import SUFFIX

Registries = (
    Annotated[str, setting("path of a registry")]
    | Annotated[list[str], several("paths of registries, whose entries add up")]
)


class Creator(Settings):
    """who is responsible for the run"""

    name: Annotated[str | None, setting("a name, or null", min_length=1)] = None
    type: Annotated[str, one_of(("person", "group", "institution", "position"))] = "person"
    email: Annotated[str | None, setting("an address of electronic mail, or null", pattern=r"^[^@ ]+@[^@ ]+$")] = None
    url: Annotated[
        str | None, setting("an address that begins with https:// or http://, or null", pattern="^https?://")
    ] = None
    institution: Annotated[str | None, setting("the name of an institution, or null", min_length=1)] = None
    license: Annotated[
        str | None, setting("terms of use of the run's files: the address or name of a licence, or null", min_length=1)
    ] = None


class RegistrySettings(Settings):
    """the registries, each of which can be replaced by your own file; a name that is in two files is an error"""

    models: Annotated[
        Registries,
        setting(
            "path of the registry of models, or a list of paths, whose entries add up",
            "For example, `[config/models.yaml, mine/models.yaml]`.",
        ),
    ] = "config/models.yaml"
    datasets: Annotated[Registries, setting("path of the registry of datasets, or a list of paths")] = (
        "config/datasets.yaml"
    )
    archives: Annotated[Registries, setting("path of the registry of archives, or a list of paths")] = (
        "config/archives.yaml"
    )
    experiments: Annotated[str, setting("path of the registry of human experiments")] = "config/experiments.yaml"


class ChosenStages(Settings):
    """{model: name, stages: [names]}"""

    model: ModelName
    stages: Annotated[list[Annotated[str, setting("name of a stage")]], several("some of its stages, each once")]


class RunSettings(Settings):
    """Configuration of a run"""

    run: Annotated[str, setting("name of the run, which is also its folder under results/")]
    seed: Annotated[
        int,
        from_to("a whole number", 0, 2**32 - 1, more="The run seed, from which all random seeds are derived."),
    ] = 0
    creator: Annotated[
        Creator,
        setting(
            "who is responsible for the run",
            "Set it before the run: files that exist keep their attributes "
            "([ACDD-1.3](../docs/reference/files.md#conventions-cf-and-acdd)). [`snakemake crate`](../docs/publish.md) "
            "needs `name` and `license`, and [`snakemake "
            "leaderboard_entries`](../docs/publish.md#as-entries-of-a-shared-leaderboard) also `url` or `email`.",
        ),
    ] = Creator()
    mirror: Annotated[
        str | None,
        setting(
            "a folder laid out as <host>/<path>, or null",
            "With a mirror nothing is fetched, and a missing file is an error.",
        ),
    ] = None
    human_data: Annotated[
        str,
        one_of(
            ("summary", "participants"),
            more="`summary`: the committed group results of the published experiments; `participants`: the answers of "
            "their participants, which are retrieved.",
        ),
    ] = "summary"
    device: Annotated[
        str,
        setting(
            "auto, cpu, mps, cuda or cuda:N",
            "`auto` is CUDA, else MPS ([not tested](../docs/reference/platforms.md)), else CPU. `auto` and `cuda` take "
            "a card that no other job has; with `cuda:N` all jobs take that card, one after another (on a cluster, use "
            "`cuda`). A change reruns nothing, unless `synthesis.batch_size: auto` then makes other batches.",
            pattern="^(auto|cpu|mps|cuda(:[0-9]+)?)$",
        ),
    ] = "auto"
    cuda_graphs: Annotated[
        bool,
        setting(
            "true or false: whether equal steps on an NVIDIA card are replayed",
            "As CUDA graphs ([A graphics card](../docs/reference/platforms.md#a-graphics-card)). A change reruns "
            "nothing.",
        ),
    ] = True
    model: Annotated[
        str | None,
        setting(
            "model of the model card, a name from the registry of models, or null",
            "`snakemake model_card` checks it.",
        ),
    ] = None
    save_every_s: Annotated[
        Number,
        setting(
            "seconds between two saves of the state of synthesis or training, 0 or more",
            "A rerun continues from the saved state, on a CPU to the same bits. A change reruns nothing.",
            ge=0,
        ),
    ] = 60
    rebuild_manifest: Annotated[
        bool,
        setting(
            "true or false, on the command line rebuild_manifest=True: whether `snakemake verify` first rebuilds a "
            "manifest that differs from its own checksum",
            "Or a manifest that is missing, has no checksum or has damaged lines "
            "([Guarantees](../docs/promises.md#checks-and-their-time)).",
        ),
    ] = False
    left_out: Annotated[
        str | None,
        setting(
            "file of failed jobs without whose models, stages and stimuli the run is made, or null; the workflow sets "
            "it",
            "See [If jobs fail](../docs/reference/commands.md#if-jobs-fail).",
        ),
    ] = None
    registry: RegistrySettings = RegistrySettings()
    models: Annotated[
        dict[str, Any],
        setting(
            "further models: name → entry, as in the registry of models",
            "Their lock file is beside the file that has them: `run.lock.yaml` for `run.yaml` (`<run>.lock.yaml` in "
            "the working directory for a module of another workflow).",
        ),
    ] = {}
    datasets: Annotated[dict[str, Any], setting("further datasets: name → entry, as in the registry of datasets")] = {}
    generation_models: Annotated[
        list[Annotated[str | ChosenStages, setting("a name, or {model: name, stages: [names]}")]],
        setting("names of models, or {model: name, stages: [names]}"),
    ]
    recognition_models: Annotated[
        list[ModelName],
        several(
            "names of models, each once",
            "Each recognizes the metamers of all generation models of its modality, its own included.",
            least=0,
        ),
    ]

    @field_validator("run")
    @classmethod
    def _names_a_folder(cls, run: str) -> str:
        """Check that the name of the run can be a folder's, and is not that of another run's manifest."""
        if not FILE_NAME.fullmatch(run):
            raise ConfigurationError(f"run: {run!r} names a folder: use letters, digits, '.', '_', '+' or '-'")
        if run.lower().endswith(SUFFIX):
            raise ConfigurationError(
                f"run: {run!r} ends in {SUFFIX}, as the manifest of another run does; use another name"
            )
        return run

    @field_validator("mirror")
    @classmethod
    def _is_a_folder(cls, mirror: str | None) -> str | None:
        if mirror is not None and not Path(mirror).is_dir():
            raise ConfigurationError(f"mirror: there is no folder {mirror}; wanted a folder, or null")
        return mirror


def unavailable_of_run(plan: Any) -> dict[str, str]:
    """Targets that a run cannot make because it lacks keys of this module → why, and which configuration could."""
    settings, reasons = plan.settings, {}
    if settings.model is None:
        reasons["model_card"] = (
            "model: missing; name a model of the registry: `snakemake model_card --config model=NAME`. Valid: "
            f"{', '.join(plan.models)}."
        )
    if missing := [key for key in ("name", "license") if not getattr(settings.creator, key)]:
        reasons["crate"] = (
            f"creator.{missing[0]}: missing; an archive for publication states who made the run, and the "
            "terms of use of its files. Set both in the run's configuration, such as "
            "creator: {name: NAME, license: CC-BY-4.0}."
        )
    return reasons
