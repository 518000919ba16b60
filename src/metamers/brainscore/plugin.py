"""Write a run as plugins of Brain-Score: participants' recognition as benchmarks, and the registry's models as models.

Brain-Score finds plugins in the folders ``benchmarks``, ``data`` and ``models`` of its package, by lines such as
``benchmark_registry['…'] =`` in their ``__init__.py``. The modules ``data`` and ``benchmark`` of this package are
copied into the plugin; models need this library, because it loads them (``metamers.brainscore.model``).

References
----------
Schrimpf et al. (2020), Integrative benchmarking to advance neurally mechanistic models of human intelligence, Neuron
108, 413-423; the interfaces of the packages ``brainscore-core`` and ``brainscore-vision``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from metamers.brainscore.files import METADATA
from metamers.brainscore.names import BENCHMARKED, FOLDER, METRIC, benchmark_identifier, model_identifier
from metamers.config.tables import read_table
from metamers.humans.noise_ceiling import noise_ceiling, noise_ceiling_interval
from metamers.humans.participants import own_stages
from metamers.humans.published import PUBLISHED
from metamers.modalities import MODALITIES
from metamers.names import NATURAL, stage_path
from metamers.repository import PACKAGE
from metamers.run.files import STUDY
from metamers.run.hashes import sha256_of

FEWEST_CONDITIONS = 3  # that a correlation needs
MAX_NAMED = 5  # participants in a message
STIMULUS_COLUMNS = [
    *("stimulus_id", "filename", "truth", "condition", "generation_model", "stage", "stimulus", "sha256"),
]  # fmt: skip
BIBTEX = r"""@article{feather2023model,
  title={Model metamers reveal divergent invariances between biological and artificial neural networks},
  author={Feather, Jenelle and Leclerc, Guillaume and M{\k{a}}dry, Aleksander and McDermott, Josh H.},
  journal={Nature Neuroscience},
  volume={26},
  pages={2017--2034},
  year={2023},
  doi={10.1038/s41593-023-01442-0},
  url={https://doi.org/10.1038/s41593-023-01442-0}
}"""


def condition_name(generation_model: str, stage: str) -> str:
    """The name of a condition: the metamers of one stage of one model."""
    return f"{generation_model}/{stage}"


def human_recognition(experiment: xr.Dataset, choices: Sequence[str]) -> xr.Dataset:
    """Arrange the answers of participants as Brain-Score's data assemblies: conditions × participants.

    Natural stimuli and metamers of the input are left out, as in ``metamers.humans.summary.pooled_points``.
    Participants are numbered, because their names may identify them.

    Parameters
    ----------
    experiment
        Result of ``metamers.humans.participants.experiment_dataset``, or of own participants.
    choices
        The categories that participants chose from.

    Returns
    -------
    xr.Dataset
        ``proportion_correct`` (presentation, subject), 0..1, with the coordinates ``condition``, ``generation_model``,
        ``stage`` and ``model_class`` (presentation). Its attributes are ``noise_ceiling_r2``, its 95% interval over
        participants, ``_participants_low`` and ``_high`` (``metamers.humans.noise_ceiling``), and ``choices`` (JSON).

    Raises
    ------
    ValueError
        When there are fewer than three conditions, when a participant has no answers in a condition, or when
        participants do not agree, so that there is no noise ceiling.
    """
    models = [str(model) for model in experiment["generation_model"].values]
    left_out = PUBLISHED[BENCHMARKED].left_out_stages
    points = [(model, stage) for model in models for stage in own_stages(experiment, model) if stage not in left_out]
    if len(points) < FEWEST_CONDITIONS:
        raise ValueError(f"{len(points)} stages with metamers; a correlation needs at least {FEWEST_CONDITIONS}")
    of_model, of_stage = (np.array(names) for names in zip(*points, strict=True))
    at = {"generation_model": xr.Variable("presentation", of_model), "stage": xr.Variable("presentation", of_stage)}
    classes = experiment["model_class"].sel(generation_model=at["generation_model"])
    human = experiment["proportion_correct"].sel(observer="human").sel(at)
    _check_answered(human.transpose("presentation", "participant"), [condition_name(*point) for point in points])
    ceiling, low, high = noise_ceiling([experiment], points)[0], *noise_ceiling_interval([experiment], points)
    if not ceiling > 0:
        raise ValueError(
            f"the noise ceiling of R² is {ceiling:.2f}: halves of the participants do not agree about the stages, so "
            "no model can be compared with them"
        )
    described = {
        "noise_ceiling_r2": ceiling,
        "noise_ceiling_r2_participants_low": low,
        "noise_ceiling_r2_participants_high": high,
    }
    return xr.Dataset(
        {
            "proportion_correct": (
                ("presentation", "subject"),
                human.transpose("presentation", "participant").values,
                described | {"choices": json.dumps(list(choices), ensure_ascii=False)},
            )
        },
        coords={
            "condition": ("presentation", [condition_name(*point) for point in points]),
            "generation_model": ("presentation", of_model),
            "stage": ("presentation", of_stage),
            "model_class": ("presentation", classes.values.astype(str)),
            "subject": [f"{number:03d}" for number in range(1, experiment.sizes["participant"] + 1)],
        },
    )


def _check_answered(human: xr.DataArray, conditions: Sequence[str]) -> None:
    """Check that every participant has answers in every condition: (presentation, participant), without NaN."""
    without = [
        f"{participant} in {', '.join(names)}"
        for participant, values in zip(human["participant"].values, human.values.T, strict=True)
        if (names := [name for name, value in zip(conditions, values, strict=True) if np.isnan(value)])
    ]
    if without:
        raise ValueError(
            f"{len(without)} of {human.sizes['participant']} participants have conditions without answers, so there is "
            f"no mean over the same participants: {'; '.join(without[:MAX_NAMED])}"
            + (f"; and {len(without) - MAX_NAMED} more" if len(without) > MAX_NAMED else "")
        )


def published_stimuli(experiment: Mapping[str, Any], stimuli: Mapping[str, Any]) -> pd.DataFrame:
    """List the images of a published experiment, with the SHA-256 of each image in the local folder.

    Parameters
    ----------
    experiment, stimuli
        Parameters of ``metamers.config.experiments.PublishedExperiment`` and ``PublishedStimuli``.

    Returns
    -------
    pd.DataFrame
        ``STIMULUS_COLUMNS``. If the local folder has images, only these, because an image without an accepted metamer
        has no file; else the images that could exist, with an empty ``sha256``.
    """
    natural = [row["category"] for row in read_table(stimuli["table"], ["category"])]
    rows = []
    for position, network in enumerate(stimuli["networks"], start=1):
        model = experiment["models"][network]
        layers = {layer: stage for layer, stage in model["layers"].items() if stage != NATURAL}
        for number, (layer, stage) in enumerate(layers.items()):
            names = model["name"], stage
            for index, category in enumerate(natural):
                stem = f"{index}_{network}_{layer}"
                path = f"{position}_{network}/{number}_{layer}/{stem}.png"
                rows.append((stem, path, category, condition_name(*names), *names, str(index)))
    table = pd.DataFrame(rows, columns=STIMULUS_COLUMNS[:-1])
    folder = Path(stimuli["folder"])
    there = np.array([(folder / path).is_file() for path in table["filename"]])
    if not there.any():
        return table.assign(sha256="")
    table = table[there].reset_index(drop=True)
    return table.assign(sha256=[sha256_of(folder / path) for path in table["filename"]])


def own_stimuli(design: xr.Dataset, folder: str | Path) -> pd.DataFrame:
    """List the metamers that own participants were shown.

    Parameters
    ----------
    design
        ``experiment/<modality>.nc`` or ``humans/shown/<own_participants>.nc``.
    folder
        Folder of the exported metamers.

    Returns
    -------
    pd.DataFrame
        ``STIMULUS_COLUMNS``; ``filename`` is below ``folder``.
    """
    suffix = MODALITIES[BENCHMARKED].suffix
    names = ("kind", "stimulus", "category", "generation_model", "stage", "seed")
    stimuli = pd.DataFrame({name: design[name].values for name in names})
    stimuli = stimuli[(stimuli["kind"] == "main") & ~stimuli["stage"].isin(PUBLISHED[BENCHMARKED].left_out_stages)]
    rows = []
    for row in stimuli.itertuples():
        file = f"{row.stimulus}_{row.seed}"
        path = f"{row.generation_model}/{stage_path(row.stage)}/{file}{suffix}"
        identifier = f"{row.generation_model}_{stage_path(row.stage)}_{file}"
        condition = condition_name(row.generation_model, row.stage)
        sha256 = sha256_of(Path(folder) / path)
        rows.append((identifier, path, row.category, condition, row.generation_model, row.stage, row.stimulus, sha256))
    return pd.DataFrame(rows, columns=STIMULUS_COLUMNS).sort_values("stimulus_id", ignore_index=True)


@dataclass(frozen=True)
class BenchmarkGroup:
    """The participants of one benchmark, and the images that they saw.

    Attributes
    ----------
    name
        Of the experiment or of the group of own participants; its files have this name.
    study
        What identifiers begin with: the published study, or the run.
    recognition
        Result of ``human_recognition``.
    stimuli
        Result of ``published_stimuli`` or ``own_stimuli``.
    folder
        Folder of the images, relative to the folder in which Snakemake is called.
    address
        Address of that folder's files; empty where they are not published.
    """

    name: str
    study: str
    recognition: xr.Dataset
    stimuli: pd.DataFrame
    folder: str
    address: str

    @property
    def data(self) -> str:
        """Identifier of the data assembly and of the stimulus set."""
        return f"{self.study}_{self.name}"

    @property
    def benchmark(self) -> str:
        """Identifier of the benchmark."""
        return benchmark_identifier(self.study, self.name)


def check_conditions(group: BenchmarkGroup) -> None:
    """Check that a benchmark has images of every condition, and of no other.

    Raises
    ------
    ValueError
        When it does not: names the conditions.
    """
    judged, pictured = set(group.recognition["condition"].values), set(group.stimuli["condition"])
    if lacking := sorted(judged - pictured):
        raise ValueError(f"{group.folder}: no image of {', '.join(lacking)}, which participants judged")
    if other := sorted(pictured - judged):
        raise ValueError(f"{group.name}: there are images of {', '.join(other)}, which nobody judged")


def plugin_files(
    run: str,
    groups: Sequence[BenchmarkGroup],
    models: Mapping[str, Mapping[str, Any]],
    metadata: Mapping[str, Any],
) -> dict[str, str]:
    """Write the texts of the plugin: path → text. ``data/model_metamers/<group>.nc`` is in addition.

    Parameters
    ----------
    run
        Name of the run.
    groups
        The benchmarks.
    models
        Name of a model → ``model``, ``weights_file`` and ``vocabularies``, as ``metamers.brainscore.model`` reads them.
    metadata
        Result of ``metamers.brainscore.metadata.model_metadata``.
    """
    benchmarks, data, networks = (f"{part}/{FOLDER}" for part in ("benchmarks", "data", "models"))
    texts = {
        "README.md": _readme(run, groups, models),
        f"{data}/__init__.py": _data_init(groups),
        f"{data}/data.py": (PACKAGE / "brainscore" / "data.py").read_text(encoding="utf-8"),
        f"{data}/test.py": _data_test(groups),
        f"{benchmarks}/__init__.py": _benchmark_init(groups),
        f"{benchmarks}/benchmark.py": (PACKAGE / "brainscore" / "benchmark.py").read_text(encoding="utf-8"),
        f"{benchmarks}/test.py": _benchmark_test(groups),
        f"{networks}/__init__.py": _model_init(run, models),
        f"{networks}/models.json": json.dumps(models, indent=1, ensure_ascii=False) + "\n",
        f"{networks}/test.py": _model_test(run, models),
        f"{benchmarks}/{METADATA}": _yaml({"benchmarks": {g.benchmark: _benchmark_metadata(g) for g in groups}}),
    }
    if metadata:
        texts[f"{networks}/{METADATA}"] = _yaml(metadata)
    for group in groups:
        texts[f"{data}/{group.name}.csv"] = group.stimuli.to_csv(index=False, lineterminator="\n")
    return texts


def _yaml(content: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)


def _benchmark_metadata(group: BenchmarkGroup) -> dict[str, Any]:
    """What Brain-Score's table of benchmarks says of one; values that are not known are left out."""
    known = group.recognition["proportion_correct"]
    return {
        "stimulus_set": {"num_stimuli": len(group.stimuli), "datatype": "image"},
        "data": {
            "benchmark_type": "behavioral",
            "task": f"recognition, {len(json.loads(known.attrs['choices']))} categories",
            "species": "human",
            "datatype": "behavioral",
            "num_subjects": known.sizes["subject"],
            # Whether answers of own participants are public is not known.
            **({"data_publicly_available": True} if group.address else {}),
        },
        "metric": {"type": METRIC, "reference": STUDY},
    }


def _data_init(groups: Sequence[BenchmarkGroup]) -> str:
    lines = [
        '"""Human recognition of model metamers. Written by the workflow metamers."""\n',
        "from brainscore_vision import data_registry, stimulus_set_registry\n",
        "from .data import load_assembly, load_stimuli\n",
        f'BIBTEX = r"""{BIBTEX}"""\n',
    ]
    for group in groups:
        key = repr(group.data)
        lines.append(f"data_registry[{key}] = lambda: load_assembly({key}, {group.name!r})")
        lines.append(f"stimulus_set_registry[{key}] = lambda: load_stimuli({key}, {group.name!r}, {group.folder!r})")
    return "\n".join(lines) + "\n"


def _benchmark_init(groups: Sequence[BenchmarkGroup]) -> str:
    lines = [
        '"""Human recognition of model metamers as benchmarks. Written by the workflow metamers."""\n',
        "from brainscore_vision import benchmark_registry\n",
        "from .benchmark import HumanRecognizability\n",
        f'BIBTEX = r"""{BIBTEX}"""\n',
    ]
    for group in groups:
        arguments = f"{group.data!r}, {group.benchmark!r}, {group.study!r}, BIBTEX"
        lines.append(f"benchmark_registry[{group.benchmark!r}] = lambda: HumanRecognizability({arguments})")
    return "\n".join(lines) + "\n"


def _model_init(run: str, models: Mapping[str, Any]) -> str:
    lines = [
        '"""Models of a run of the workflow metamers, whose library loads them."""\n',
        "import os",
        "from pathlib import Path\n",
        "from brainscore_vision import model_registry\n",
        "from metamers.brainscore.model import registry_model\n",
        "TABLE = Path(__file__).resolve().with_name('models.json')",
        "# The folder in which Snakemake made the run: paths of weights are relative to it.",
        "HOME = os.environ.get('METAMERS_HOME') or TABLE.parents[6]\n",
    ]
    for model in models:
        key = repr(model_identifier(run, model))
        lines.append(f"model_registry[{key}] = lambda: registry_model(TABLE, {model!r}, {key}, HOME)")
    return "\n".join(lines) + "\n"


def _data_test(groups: Sequence[BenchmarkGroup]) -> str:
    rows = "".join(f"    ({g.data!r}, {g.recognition['proportion_correct'].shape!r}),\n" for g in groups)
    return (
        "import pytest\n\nfrom brainscore_vision import load_dataset\n\n\n"
        f"@pytest.mark.parametrize(('identifier', 'shape'), [\n{rows}])\n"
        "def test_conditions_and_participants(identifier, shape):\n"
        "    assembly = load_dataset(identifier)\n"
        "    assert assembly.dims == ('presentation', 'subject')\n"
        "    assert assembly.shape == shape\n"
        "    assert ((assembly >= 0) & (assembly <= 1)).all()\n"
    )


def _benchmark_test(groups: Sequence[BenchmarkGroup]) -> str:
    rows = ""
    for group in groups:
        ceiling = group.recognition["proportion_correct"].attrs["noise_ceiling_r2"]
        rows += f"    ({group.benchmark!r}, {ceiling:.6f}),\n"
    return (
        "import pytest\n\nfrom brainscore_vision import load_benchmark\n\n\n"
        f"@pytest.mark.parametrize(('identifier', 'ceiling'), [\n{rows}])\n"
        "def test_ceiling(identifier, ceiling):\n"
        "    benchmark = load_benchmark(identifier)\n"
        "    assert benchmark.identifier == identifier\n"
        "    assert benchmark.ceiling == pytest.approx(ceiling, abs=1e-5)\n"
    )


def _model_test(run: str, models: Mapping[str, Any]) -> str:
    names = "".join(f"    {model_identifier(run, model)!r},\n" for model in models)
    return (
        "import pytest\n\nfrom brainscore_vision import load_model\n\n\n"
        f"@pytest.mark.parametrize('identifier', [\n{names}])\n"
        "def test_model(identifier):\n"
        "    assert load_model(identifier).identifier == identifier\n"
    )


def _readme(run: str, groups: Sequence[BenchmarkGroup], models: Mapping[str, Any]) -> str:
    rows = "".join(
        f"| `{group.benchmark}` | {group.recognition.sizes['presentation']} | {group.recognition.sizes['subject']} | "
        f"{len(group.stimuli)} | `{group.folder}` | {group.address or 'not published'} |\n"
        for group in groups
    )
    names = "".join(f"- `{model_identifier(run, model)}`\n" for model in models)
    return (
        f"# Plugins for Brain-Score: run {run}\n\n"
        "Human recognition of model metamers as benchmarks, and the models of the run. The folders `benchmarks`, "
        "`data` and `models` are those of the package `brainscore_vision`.\n\n"
        "| benchmark | conditions | participants | images | folder of the images | address of this folder's files |\n"
        f"| --- | --- | --- | --- | --- | --- |\n{rows}\n"
        "The images are not in the plugin. `data/model_metamers/<group>.csv` has the path of each image below its "
        "folder and its SHA-256, which is empty where the plugin was made without the images. Folders, and the weights "
        "of models, are relative to the folder in which Snakemake was called; if the plugin is moved, set "
        "`METAMERS_HOME` to that folder.\n\n"
        "`metadata.yaml` of `benchmarks` and `models` has what the run knows of them, for Brain-Score's reviews.\n\n"
        f"Models, which need the library `metamers`:\n\n{names}\n"
        "The citation is in `data/model_metamers/__init__.py`.\n"
    )
