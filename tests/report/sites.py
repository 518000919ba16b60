"""Made-up runs for tests of the report: files as a run would write them, and pages made by the report's own scripts."""

import dataclasses
import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import xarray as xr
from PIL import Image

from metamers.compare.chance import with_chance
from metamers.compare.contrasts import contrasts
from metamers.compare.criterion import conclusions
from metamers.compare.error_consistency import error_consistency_dataset
from metamers.compare.humans_vs_models import humans_vs_models
from metamers.compare.predicted_human import predicted_human
from metamers.compare.recognition_spread import COMPONENTS
from metamers.compare.recognizability import recognizability
from metamers.compare.relative import with_relative
from metamers.compare.verdict import FIRST_MINUS_LAST, Evidence, contrast_evidence, first_minus_last
from metamers.humans.exclusion import EXCLUSIONS
from metamers.humans.summary import CEILING_COLUMNS
from metamers.match import MEASURES, NULL_MEASURES
from metamers.modalities import MODALITIES
from metamers.names import NATURAL, stage_path
from metamers.null.distribution import choose_pairs, null_dataset
from metamers.plan.steps import STEPS
from metamers.report.browser import as_script, browser_data
from metamers.report.navigation import PAGES
from metamers.run import files
from metamers.stimuli.sounds import write_sound
from metamers.synthesize.qualities import quality_attributes
from tests.made_up_run import OF_ANY_STEP

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
CAPTIONS = SCRIPTS.parent / "workflow" / "report"
HOSTILE = "<script>alert('label')</script> & “dog”"
LEFT_OUT = {
    "failed": [{"title": HOSTILE, "reason": HOSTILE, "log": HOSTILE, "command": HOSTILE}],
    "dependent": [HOSTILE],
}
RATE = 8000
EAR = {
    "sampling_rate_hz": RATE,
    "duration_s": 0.25,
    "cochleagram": {"high_hz": 4000, "filters": 20, "taps": 401, "envelope_rate_hz": 100},
}
DIMS = ("stage", "stimulus", "seed")
# Pages that rules of other steps write: name → title.
LINKED = {name: page.title for step in STEPS.values() for name, page in step.pages.items()}


def coordinates(stimuli: int, seeds: int) -> dict:
    """Coordinates of stimuli and seeds; one label is hostile."""
    labels = [HOSTILE if number == 1 else f"label {number}" for number in range(stimuli)]
    return {
        "stimulus": [f"stimulus_{number:03d}" for number in range(stimuli)],
        "category": ("stimulus", [("dog", "cat")[number % 2] for number in range(stimuli)]),
        "label": ("stimulus", labels),
        "seed": list(range(seeds)),
    }


def adaptive_answers(question: str = "difference", factor: float = 25.0) -> xr.Dataset:
    """Answers to an adaptive experiment about one or two models, as ``metamers.humans.adaptive`` gives them."""
    models = ["net_a", "net_b"] if question == "difference" else ["net_a"]
    stages, number = ["natural", "one", "two"], len(models)
    values = np.linspace(-1, 2, 31)
    posterior = np.exp(-0.5 * ((values - 0.8) / 0.3) ** 2)
    fitted = np.array([[0.95, 0.8, 0.3], [0.95, 0.6, 0.2]])[:number]
    dims = ("generation_model", "stage")
    return xr.Dataset(
        {
            "value_prior": ("value", np.full(31, 1 / 3)),
            "value_posterior": ("value", posterior / posterior.sum() / 0.1),
            "estimate": 0.8,
            "estimate_low": 0.21,
            "estimate_high": 1.39,
            **({"estimate_bayes_factor": factor} if question == "difference" else {}),
            "answers_suffice": 0,
            "condition_depth": (dims, np.array([[np.nan, 0, 1]] * number)),
            "answers_correct": (dims, np.array([[4, 8, 3], [4, 6, 0]])[:number]),
            "answers_given": (dims, np.array([[4, 10, 9], [4, 10, 0]])[:number]),
            "fitted_proportion": (dims, fitted),
            "fitted_low": (dims, fitted - 0.1),
            "fitted_high": (dims, fitted + 0.04),
            "stage_number": (dims, np.array([[0, 1, 2]] * number)),
            "participants_included": 5,
            "excluded": ("exclusion", [0, 0, 1, 0, 0]),
            "rows_set_aside": 2,
            "files_set_aside": 0,
        },
        coords={"value": values, "generation_model": models, "stage": stages, "exclusion": list(EXCLUSIONS)},
        attrs={"question": question},
    )


def declines_of(**evidence: Evidence) -> xr.Dataset:
    """Modality → evidence, as comparison/recognizability.nc has it."""
    columns = {
        f"{FIRST_MINUS_LAST}_{field.name}": ("modality", [getattr(one, field.name) for one in evidence.values()])
        for field in dataclasses.fields(Evidence)
    }
    return xr.Dataset(columns, coords={"modality": list(evidence)})


def simulated_power() -> xr.Dataset:
    """Power of experiments with pictures, and of one pair of models."""
    curves = np.array([[[0.1, 0.5], [0.4, 0.9]]])
    coords = {"modality": ["vision"], "difference": [0.1], "trials": [5, 20], "participants": [6, 40]}
    pair = {"contrast": ["net_a - net_b"], "model": ("contrast", ["net_a"]), "reference": ("contrast", ["net_b"])}
    coords["stimuli"] = [10]
    return xr.Dataset(
        {
            "power": (("modality", "difference", "trials", "participants"), curves[None]),
            "participants_needed": (("modality", "difference", "trials"), [[[np.nan, 40.0]]]),
            "stimuli_needed": ("trials", [20, 80]),
            "power_over_stimuli": (("modality", "difference", "stimuli", "trials", "participants"), curves[None, None]),
            "participants_needed_over_stimuli": (
                ("modality", "difference", "stimuli", "trials"),
                [[[[np.nan, np.nan]]]],
            ),
            "false_alarms_over_stimuli": (("modality", "stimuli", "trials", "participants"), curves[None] / 20),
            "false_alarms_fixed_stimuli": (("modality", "stimuli", "trials", "participants"), curves[None] / 2),
            "contrast_power": (("contrast", "trials", "participants"), curves),
            "contrast_participants_needed": (("contrast", "trials"), [[np.nan, 40.0]]),
            "contrast_difference": ("contrast", [-0.05]),
            "contrast_stages": ("contrast", ["one, two"]),
        },
        coords=coords | pair,
        attrs={"wanted": 0.8, "alpha": 0.05, "stages": 2, "left_out": "net_a - net_c"},
    )


def acceptance_of(stages: list[str], stimuli: int, seeds: int, rng: np.random.Generator) -> xr.Dataset:
    """A match that gets worse with depth; at the last stage, two metamers are rejected if there are enough stimuli."""
    shape = (len(stages), stimuli, seeds)
    above, kept = np.ones((2, *shape), dtype=bool)
    if stimuli > 2:
        above[-1, 0], kept[-1, 1] = False, False
    rho = 0.99 - 0.05 * np.arange(len(stages))[:, None, None] - 0.02 * rng.random(shape)
    values = dict.fromkeys(MEASURES, rho) | {"normalized_error": 1 - rho, "snr_db": 20 * rho}
    masks = {"accepted": above & kept, "above_null": above, "category_preserved": kept}
    found = xr.Dataset(
        {name: (DIMS, value) for name, value in (masks | values).items()},
        coords={"stage": stages, **coordinates(stimuli, seeds)},
    )
    return with_null(found, null_of(stages, rng))


def null_of(stages: list[str], rng: np.random.Generator) -> xr.Dataset:
    """A null distribution far below the match of ``acceptance_of``, from twelve pairs of six stimuli."""
    pairs = choose_pairs(6, 12, seed=0)
    measured = {stage: {name: 0.3 * rng.random(len(pairs)) for name in NULL_MEASURES} for stage in stages}
    return null_dataset(measured, pairs, np.array([f"other_{n}" for n in range(6)]))


def with_null(acceptance: xr.Dataset, null: xr.Dataset) -> xr.Dataset:
    """The null distribution in an acceptance file; all measures decide, and none refuses a metamer."""
    largest = null["largest"].sel(stage=acceptance["stage"])
    return acceptance.assign(largest=largest, refused=xr.zeros_like(largest, int), decides=xr.ones_like(largest, bool))


def recognition_of(recognition_models: list[str], acceptance: xr.Dataset, own: str, rng: np.random.Generator) -> dict:
    """The generation model is always right, other models less often with depth."""
    stages = [NATURAL, *map(str, acceptance["stage"].values)]
    shape = (len(stages), acceptance.sizes["stimulus"], acceptance.sizes["seed"])
    categories = acceptance["category"].values[None, :, None]
    given = {}
    for recognition_model in recognition_models:
        right = rng.random(shape) < (1 if recognition_model == own else np.linspace(1, 0.2, len(stages))[:, None, None])
        answer = np.where(right, categories, np.where(categories == "dog", "cat", "dog"))
        coords = {name: acceptance[name] for name in ("stimulus", "category", "label", "seed")}
        given[recognition_model] = xr.Dataset(
            {"answer": (DIMS, answer), "correct": (DIMS, right)}, coords={"stage": stages, **coords}
        )
    return given


def relation_of(seed: int = 0) -> xr.Dataset:
    """Published data in which human recognizability nearly equals recognizability by other models."""
    rng = np.random.default_rng(seed)
    rows = []
    for modality, count in (("vision", 6), ("audio", 4)):
        for number in range(count):
            for stage, mean in enumerate((0.9, 0.6, 0.2)):
                human, model = np.clip(mean + 0.05 * rng.standard_normal(2), 0, 1)
                kind = "standard" if number % 2 else "adversarial"
                rows.append((modality, f"{modality} {number}", kind, f"s{stage}", human, 0.02, 20, model, 0.03, 5))
    names = [f"{observer}_{what}" for observer in ("human", "model") for what in ("mean", "sem", "n")]
    points = pd.DataFrame(rows, columns=["modality", "generation_model", "model_class", "stage", *names])
    ceilings = pd.DataFrame(
        [("vision", 0.99, 0.98, 1, 0.985, 0.995), ("audio", 0.98, 0.97, 0.99, 0.975, 0.985)], columns=CEILING_COLUMNS
    )
    recognition_models = {
        "vision": {"public": 5, "recognition_models": 7},
        "audio": {"public": 5, "recognition_models": 5, "pearson_r2": 0.9},
    }
    relation = humans_vs_models(points, ceilings, recognition_models)
    return relation.assign(
        recognition_spread=(
            ("modality", "spread_component"),
            [[0.3, -0.4, -0.6, -0.1, -1.0], [1.7, -3, -0.3, 0.1, -2]],
        ),
        published_recognition_models=(("modality", "recognition_family"), [[8, 0, 12], [0, 9, 8]]),
        related_share=("modality", [0.4, 0.5]),
    ).assign_coords(spread_component=list(COMPONENTS), recognition_family=["alexnet", "coch", "resnet"])


def brain_of(stages: list[str], rng: np.random.Generator) -> xr.Dataset:
    """Three participants whose voxels the second stage predicts best."""
    values = rng.random((3, len(stages))) * 0.1 + 0.2 * (np.arange(len(stages)) == 1)
    return xr.Dataset(
        {
            "voxels_r2": (("participant", "stage"), values),
            "best_stage": ("participant", [stages[1]] * 3),
            "best_stage_r2": ("participant", values[:, 1]),
            "voxel_reliability": ("voxel", np.full(3, 0.8)),
            "voxels_signed_r2": (("participant", "stage"), values),
            "signed_r2": ("stage", values.mean(axis=0)),
            "signed_r2_low": ("stage", values.mean(axis=0) - 0.01),
            "signed_r2_high": ("stage", values.mean(axis=0) + 0.01),
            "shuffled_voxels_signed_r2": (
                ("shuffle", "participant", "stage"),
                rng.normal(0, 0.01, (19, 3, len(stages))),
            ),
            "p_shuffled": ("stage", np.full(len(stages), 0.05)),
            "signed_best_stage": ("participant", [stages[1]] * 3),
            "signed_best_stage_r2": ("participant", values[:, 1]),
            "best_signed_r2": values[:, 1].mean(),
            "best_signed_r2_low": values[:, 1].mean() - 0.01,
            "best_signed_r2_high": values[:, 1].mean() + 0.01,
            "shuffled_best_signed_r2": ("shuffle", rng.normal(0, 0.01, 19)),
            "best_p_shuffled": 0.05,
            "unreliable_voxels": 1,
            "training_stimuli": 12,
        },
        coords={"stage": stages},
        attrs={"simulated": "a stage of a model"},
    )


class Given(list):
    """Inputs or outputs of a script, as a list of paths and by name."""

    def __init__(self, **named: str | list[str]) -> None:
        super().__init__(path for one in named.values() for path in ([one] if isinstance(one, str) else one))
        vars(self).update(named)


def run_script(
    name: str, folder: Path, given: Given, output: Given, params: dict, wildcards: dict | None = None
) -> None:
    """Run the script of a rule as Snakemake would."""
    log = folder / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    job = SimpleNamespace(
        input=given,
        output=output,
        params=SimpleNamespace(**params),
        wildcards=SimpleNamespace(**(wildcards or {})),
        log=[str(log)],
        threads=1,
        config={"run": HOSTILE, "seed": 0},
    )
    runpy.run_path(str(SCRIPTS / f"{name.replace('_', '/', 1)}.py"), init_globals={"snakemake": job})


def save(dataset: xr.Dataset, path: Path, step: str, inputs: list[str]) -> str:
    """Return the path of a file of the run."""
    about = {"title": f"What {step} makes", "source": "a test", "step": step, "run": "x", "seed": 0, "inputs": inputs}
    files.save(dataset, path, declared=OF_ANY_STEP, **about)
    return str(path)


def export(folder: Path, names: list[str], modality: str, rng: np.random.Generator) -> None:
    """Write exported stimuli or metamers that contain noise."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if modality == "audio":
            write_sound(0.05 * rng.standard_normal(RATE // 4), folder / f"{name}.wav", RATE)
        else:
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / f"{name}.png")


def write_assets(report: Path) -> None:
    """Write the style sheets and scripts of the pages in the folder of a report."""
    run_script("report_assets", report, Given(), Given(assets=str(report / "assets")), {})


class Run:
    """The folder of a made-up run with its report.

    Parameters
    ----------
    folder
        The folder to create.
    models
        Generation model → modality. The second one is published as a model with adversarial training.
    stages
        Stages of every model, the input first.
    stimuli, seeds
        Number of each.
    recognition_models
        Modality → recognition models besides the generation models.
    """

    def __init__(
        self, folder: Path, models: dict, stages: list[str], stimuli: int, seeds: int, recognition_models: dict
    ) -> None:
        self.folder, self.models, self.recognition_models = folder, models, recognition_models
        self.report = folder / "report"
        rng = np.random.default_rng(0)
        self.entries = {
            model: {
                "modality": modality,
                "dataset": modality,
                "categories": 2,
                "category_noun": "category",
                "input": EAR if modality == "audio" else {"size": 32},
                "published_as": "vision 0" if number == 1 else None,
                "stages": stages,
                "chosen": stages,
                "targets": dict.fromkeys(stages, 0.1),
                "omitted": [],
            }
            for number, (model, modality) in enumerate(models.items())
        }
        self.acceptance = {model: acceptance_of(stages, stimuli, seeds, rng) for model in models}
        self.recognition = {
            model: recognition_of([model, *recognition_models[models[model]]], self.acceptance[model], model, rng)
            for model in models
        }
        self.nulls = {model: null_of(stages, rng) for model in models}
        self.relation = relation_of()
        families = dict.fromkeys(
            [*models, *(name for names in recognition_models.values() for name in names)], "family"
        )
        families |= {names[0]: "other family" for names in recognition_models.values() if names}
        self.compared = {"humans_vs_models": self.relation, "power": simulated_power()}
        if models:
            found = recognizability(self.acceptance, self.recognition, families)
            found = with_chance(found, self.acceptance, self.recognition, families)
            found = with_relative(found, self.acceptance, self.recognition, dict.fromkeys(models, 0.1))
            reached = {model: dict.fromkeys(stages, 1.0) for model in models}
            declines = first_minus_last(self.recognition, self.acceptance, families, models, reached)
            self.compared["recognizability"] = found.merge(declines)
            self.compared["error_consistency"] = error_consistency_dataset(self.acceptance, self.recognition, families)
            self.compared["predicted_human"] = predicted_human(
                found, self.relation, models, {model: entry["categories"] for model, entry in self.entries.items()}
            )
        sides: list = []
        if len(models) > 1:
            first, second = list(models)[:2]
            sides = [([second], [first])]
            found = contrasts(sides, self.recognition, self.acceptance, families)
            evidence = contrast_evidence(found, sides, self.acceptance, families, reached)
            self.compared["contrasts"] = found.merge(evidence)
        if models:
            self.compared["criterion"] = conclusions(
                self.recognition, self.acceptance, families, models, reached, sides, []
            )
        self.brain = {model: brain_of(stages, rng) for model, modality in models.items() if modality == "audio"}
        self.paths: dict[str, list[str]] = {name: [] for name in ("acceptance", "nulls", "recognition")}

    def save(self) -> None:
        """Write the run's NetCDF files."""
        source = self.folder / "given.txt"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text("bytes")
        for model in self.models:
            null = save(self.nulls[model], self.folder / f"nulls/{model}.nc", "null", [str(source)])
            accepted = save(self.acceptance[model], self.folder / f"acceptance/{model}.nc", "null_acceptance", [null])
            self.paths["nulls"].append(null)
            self.paths["acceptance"].append(accepted)
            for recognition_model, data in self.recognition[model].items():
                path = self.folder / f"recognition/{model}/{recognition_model}.nc"
                self.paths["recognition"].append(save(data, path, "recognize", [accepted]))
        self.paths["brain"] = [
            save(data, self.folder / f"brain/{model}.nc", "brain_regression", [str(source)])
            for model, data in self.brain.items()
        ]
        self.paths["comparison"] = [
            save(
                data,
                self.folder / f"comparison/{name}.nc",
                f"compare_{name}",
                self.paths["recognition"] or [str(source)],
            )
            for name, data in self.compared.items()
        ]

    def media(self, model: str) -> Path:
        """Make the data of the browser of metamers for one model, with exported files that contain noise."""
        modality, rng = self.models[model], np.random.default_rng(1)
        accepted, exported = self.acceptance[model], self.folder / "exported"
        stimuli, seeds = accepted["stimulus"].values, accepted["seed"].values
        export(exported / modality, list(stimuli), modality, rng)
        for stage in accepted["stage"].values:
            names = [f"{stimulus}_{seed}" for stimulus in stimuli for seed in seeds]
            export(exported / model / stage_path(stage), names, modality, rng)
        given = Given(
            exported=str(exported / model),
            natural=str(exported / modality),
            acceptance=str(self.folder / f"acceptance/{model}.nc"),
            null=str(self.folder / f"nulls/{model}.nc"),
            recognition=[path for path in self.paths["recognition"] if f"/recognition/{model}/" in path],
        )
        target = self.report / "media" / model
        target.mkdir(parents=True)
        params = {"model": self.entries[model]}
        run_script("report_media", self.folder, given, Given(folder=str(target)), params, {"generation_model": model})
        return target

    def pages(self) -> Path:
        """Make the pages; one figure stands for all figures of other rules."""
        without = {*(() if self.models else ("browser", "match")), *(() if self.brain else ("analyses",))}
        names = [name for name in PAGES if name not in without]
        kinds = ("recognizability", "confusion", "null", "loss")
        figures = [f"{kind}_{model}" for kind in kinds for model in self.models]
        figures += [name for name in ("contrasts", "error_consistency") if name in self.compared]
        figures += ["brain"] if self.brain else []
        figures += [
            *(f"humans_vs_models_{modality}" for modality in ("vision", "audio")),
            "power",
            "reliability",
            "adaptive_mine",
        ]
        for figure in figures:
            files.write(
                self.report / "figures" / f"{figure}.svg", '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 4"/>'
            )
        for name in LINKED:
            files.write(self.report / f"{name}.html", "<!DOCTYPE html><title>Another page</title>")
        timed = self.folder / "benchmarks" / "null" / "a.tsv"
        timed.parent.mkdir(parents=True)
        timed.write_text("s\th:m:s\tmax_rss\n12.5\t0:00:12\t345.6\n")
        given = Given(
            figures=[str(self.report / "figures" / f"{figure}.svg") for figure in figures],
            linked=[str(self.report / f"{name}.html") for name in LINKED],
            **self.paths,
            training=[],
            readouts=[],
            vulnerability=[],
            similarity=[],
            own_participants=[],
            adaptive=[save(adaptive_answers(), self.folder / "humans/adaptive/mine.nc", "humans_adaptive", [])],
        )
        output = Given(
            pages=[str(self.report / f"{name}.html") for name in names],
            points=str(self.report / "points.js"),
            findings=str(self.report / "findings.txt"),
            steps=str(self.report / "figures" / "steps.svg"),
            overview=[str(self.report / "figures" / "overview.svg")] if self.models else [],
            target=[str(self.report / "figures" / "target.svg")] if self.models else [],
        )
        recognition_models = {
            name: {"modality": modality, "family": "family"}
            for modality, names in self.recognition_models.items()
            for name in names
        }
        params = {
            "benchmarks": str(self.folder / "benchmarks"),
            "models": self.entries,
            "model_order": list(self.models),
            "recognition_models": recognition_models,
            "unheard_voices": False,
            "readouts": {},
            "synthesis": {
                **quality_attributes("quick"),
                "steps": dict.fromkeys(MODALITIES, 64),
                "default_settings": dict.fromkeys(MODALITIES, True),
                "penalties": {},
            },
            "captions": {path.stem: path.read_text() for path in CAPTIONS.glob("*.rst")},
            "configuration": {"run": HOSTILE},
            "linked": LINKED,
            "left_out": LEFT_OUT,
        }
        run_script("report_pages", self.folder, given, output, params)
        write_assets(self.report)
        return self.report


def data_of(script: str) -> dict:
    """The values that a script passes to its page."""
    return json.loads(script[script.index("(") + 1 : script.rindex(")")])


def browser_data_script(run: Run, model: str) -> str:
    """The data that the browser of metamers loads for one model of a run."""
    given = run.acceptance[model], run.recognition[model], run.nulls[model]
    return as_script("metamers.load", browser_data(model, run.models[model], *given))
