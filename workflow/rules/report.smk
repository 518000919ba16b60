"""Report: figures, and pages with the results of a run that work from a folder, without network."""

from metamers.synthesize.qualities import number_of_steps, quality_attributes
from metamers.plan.steps import merge_defaults
from metamers.names import INPUT_STAGE

REPORTED_TRAINING = [model for model in plan.training if plan.is_in_run(model)]


# The pages have the same captions as `snakemake --report`.
report: "../report/workflow.rst"


wildcard_constraints:
    modality=one_of(plan.published.judgements),


# The model of the picture: the first one whose stimuli are pictures, with a stage after the input, if there is one.
PICTURED = [
    model
    for model, stages in plan.generation_models.items()
    if not MODALITIES[plan.models[model].modality].picture and len(stages) > 1
][:1]
PICTURE = [f"results/<run>/report/picture_{model}.png" for model in PICTURED]


# Properties of a generation model that the report shows.
SHOWN_MODELS = {
    model: {
        "modality": plan.models[model].modality,
        "dataset": plan.dataset_of[model],
        "categories": number_of_categories(model),
        "category_noun": plan.category_noun(model),
        "input": plan.models[model].input,
        "published_as": plan.models[model].published_as,
        "stages": list(plan.models[model].stages),
        "chosen": plan.generation_models[model],
        "omitted": [stage for stage in plan.models[model].stages if stage not in plan.generation_models[model]],
        "targets": {stage: error for stage, error in TARGETS[model].items() if stage != INPUT_STAGE},
    }
    for model in plan.generation_models
}


# Modality → whether the settings of its synthesis are the default ones, whose match was measured.
DEFAULT_SYNTHESIS = {
    modality: settings == merge_defaults({})["synthesis"][plan.settings.synthesis.quality].get(modality)
    for modality, settings in plan.settings.synthesis.of_modality.items()
}


# All figures of one generation model in one job: the start of Python takes as long as drawing.
rule report_model:
    input:
        recognizability="results/<run>/comparison/recognizability.nc",
        predicted="results/<run>/comparison/predicted_human.nc",
        relation="results/<run>/comparison/humans_vs_models.nc",
        groups=committed(f"{TABLES_FOLDER}/group_results.csv"),
        null="results/<run>/nulls/{generation_model}.nc",
        acceptance="results/<run>/acceptance/{generation_model}.nc",
        recognition=by("generation_model", recognition_of),
        metamers=by("generation_model", metamers_of),
    output:
        recognizability=report(
            "results/<run>/report/figures/recognizability_{generation_model}.svg",
            caption="../report/recognizability.rst",
            category="Recognizability over stages",
            labels={"model": "{generation_model}"},
        ),
        confusion=report(
            "results/<run>/report/figures/confusion_{generation_model}.svg",
            caption="../report/confusion.rst",
            category="Confusions",
            labels={"model": "{generation_model}"},
        ),
        null=report(
            "results/<run>/report/figures/null_{generation_model}.svg",
            caption="../report/null.rst",
            category="Null distributions and acceptance",
            labels={"model": "{generation_model}"},
        ),
        loss=report(
            "results/<run>/report/figures/loss_{generation_model}.svg",
            caption="../report/loss.rst",
            category="Synthesis",
            labels={"model": "{generation_model}"},
        ),
    log:
        "results/<run>/logs/report_model/{generation_model}.log",
    benchmark:
        "results/<run>/benchmarks/report_model/{generation_model}.tsv"
    params:
        **step("report/model"),
        model=by("generation_model", SHOWN_MODELS.__getitem__),
        model_order=plan.model_order,  # their colours and marks
    resources:
        **needs("report_model"),
    conda:
        ENVIRONMENT
    message:
        "Drawing the figures of {wildcards.generation_model}"
    script:
        SCRIPTS / "report/model.py"


FIGURES += [
    f"results/<run>/report/figures/{kind}_{model}.svg"
    for kind in ("recognizability", "confusion", "null", "loss")
    for model in plan.generation_models
]


rule report_contrasts:
    input:
        "results/<run>/comparison/contrasts.nc",
    output:
        report(
            "results/<run>/report/figures/contrasts.svg",
            caption="../report/contrasts.rst",
            category="Contrasts between models",
        ),
    log:
        "results/<run>/logs/report_contrasts.log",
    benchmark:
        "results/<run>/benchmarks/report_contrasts.tsv"
    params:
        **step("report/contrasts"),
    resources:
        **needs("report_contrasts"),
    conda:
        ENVIRONMENT
    message:
        "Drawing differences in recognizability between models"
    script:
        SCRIPTS / "report/contrasts.py"


FIGURES += ["results/<run>/report/figures/contrasts.svg"] if CONTRASTS else []


rule report_error_consistency:
    input:
        "results/<run>/comparison/error_consistency.nc",
    output:
        report(
            "results/<run>/report/figures/error_consistency.svg",
            caption="../report/error_consistency.rst",
            category="Recognizability over stages",
        ),
    log:
        "results/<run>/logs/report_error_consistency.log",
    benchmark:
        "results/<run>/benchmarks/report_error_consistency.tsv"
    params:
        **step("report/error_consistency"),
    resources:
        **needs("report_error_consistency"),
    conda:
        ENVIRONMENT
    message:
        "Drawing the error consistency of recognition models"
    script:
        SCRIPTS / "report/error_consistency.py"


FIGURES += ["results/<run>/report/figures/error_consistency.svg"] if plan.generation_models else []


rule report_training:
    input:
        "results/<run>/training/{trained_model}.nc",
    output:
        report(
            "results/<run>/report/figures/training_{trained_model}.svg",
            caption="../report/training.rst",
            category="Training",
            labels={"model": "{trained_model}"},
        ),
    log:
        "results/<run>/logs/report_training/{trained_model}.log",
    benchmark:
        "results/<run>/benchmarks/report_training/{trained_model}.tsv"
    wildcard_constraints:
        trained_model=one_of(plan.training),
    params:
        **step("report/training"),
    resources:
        **needs("report_training"),
    conda:
        ENVIRONMENT
    message:
        "Drawing the training of {wildcards.trained_model}"
    script:
        SCRIPTS / "report/training.py"


FIGURES += [f"results/<run>/report/figures/training_{model}.svg" for model in REPORTED_TRAINING]


rule report_vulnerability:
    input:
        VULNERABILITY,
    output:
        report(
            "results/<run>/report/figures/vulnerability.svg",
            caption="../report/vulnerability.rst",
            category="Complementary analyses",
        ),
    log:
        "results/<run>/logs/report_vulnerability.log",
    benchmark:
        "results/<run>/benchmarks/report_vulnerability.tsv"
    params:
        **step("report/vulnerability"),
        model_order=plan.model_order,  # their colours and marks
    resources:
        **needs("report_vulnerability"),
    conda:
        ENVIRONMENT
    message:
        "Drawing the adversarial vulnerability of models"
    script:
        SCRIPTS / "report/vulnerability.py"


FIGURES += ["results/<run>/report/figures/vulnerability.svg"] if VULNERABILITY else []


rule report_brain:
    input:
        BRAINS,
    output:
        report(
            "results/<run>/report/figures/brain.svg",
            caption="../report/brain.rst",
            category="Complementary analyses",
        ),
    log:
        "results/<run>/logs/report_brain.log",
    benchmark:
        "results/<run>/benchmarks/report_brain.tsv"
    params:
        **step("report/brain"),
        model_order=plan.model_order,  # their colours and marks
    resources:
        **needs("report_brain"),
    conda:
        ENVIRONMENT
    message:
        "Drawing the prediction of voxels by stages"
    script:
        SCRIPTS / "report/brain.py"


FIGURES += ["results/<run>/report/figures/brain.svg"] if BRAINS else []


rule report_similarity:
    input:
        "results/<run>/similarity/{compared_modality}.nc",
    output:
        report(
            "results/<run>/report/figures/similarity_{compared_modality}.svg",
            caption="../report/similarity.rst",
            category="Complementary analyses",
            labels={"modality": "{compared_modality}"},
        ),
    log:
        "results/<run>/logs/report_similarity/{compared_modality}.log",
    benchmark:
        "results/<run>/benchmarks/report_similarity/{compared_modality}.tsv"
    wildcard_constraints:
        compared_modality=one_of(COMPARED_REPRESENTATIONS),
    params:
        **step("report/similarity"),
        model_order=plan.model_order,  # their colours and marks
    resources:
        **needs("report_similarity"),
    conda:
        ENVIRONMENT
    message:
        "Drawing the similarity of stages ({wildcards.compared_modality})"
    script:
        SCRIPTS / "report/similarity.py"


FIGURES += [f"results/<run>/report/figures/similarity_{modality}.svg" for modality in COMPARED_REPRESENTATIONS]


rule report_humans_vs_models:
    input:
        relation="results/<run>/comparison/humans_vs_models.nc",
        precomputed=lambda wildcards: precomputed(f"humans_vs_models_{wildcards.modality}.svg"),
    output:
        report(
            "results/<run>/report/figures/humans_vs_models_{modality}.svg",
            caption="../report/humans_vs_models.rst",
            category="Published participants against other models",
            labels={"modality": "{modality}"},
        ),
    log:
        "results/<run>/logs/report_humans_vs_models/{modality}.log",
    benchmark:
        "results/<run>/benchmarks/report_humans_vs_models/{modality}.tsv"
    params:
        **step("report/humans_vs_models"),
    resources:
        **needs("report_humans_vs_models"),
    conda:
        ENVIRONMENT
    message:
        "Drawing participants against other models ({wildcards.modality})"
    script:
        SCRIPTS / "report/humans_vs_models.py"


FIGURES += [f"results/<run>/report/figures/humans_vs_models_{modality}.svg" for modality in plan.published.judgements]


# The files of one generation model that the browser of metamers shows.
rule report_media:
    input:
        exported="results/<run>/exported/metamers/{generation_model}",
        natural=by("generation_model", exported_stimuli_of),
        acceptance="results/<run>/acceptance/{generation_model}.nc",
        null="results/<run>/nulls/{generation_model}.nc",
        recognition=by("generation_model", recognition_of),
    output:
        directory("results/<run>/report/media/{generation_model}"),
    log:
        "results/<run>/logs/report_media/{generation_model}.log",
    benchmark:
        "results/<run>/benchmarks/report_media/{generation_model}.tsv"
    params:
        **step("report/media"),
        model=by("generation_model", SHOWN_MODELS.__getitem__),
    resources:
        **needs("report_media", by("generation_model", workload.media)),
    conda:
        ENVIRONMENT
    message:
        "Collecting the metamers of {wildcards.generation_model} for the report"
    script:
        SCRIPTS / "report/media.py"


rule report_adaptive:
    input:
        "results/<run>/humans/adaptive/{adaptive_participants}.nc",
    output:
        report(
            "results/<run>/report/figures/adaptive_{adaptive_participants}.svg",
            caption="../report/adaptive.rst",
            category="Own participants",
            labels={"group": "{adaptive_participants}"},
        ),
    log:
        "results/<run>/logs/report_adaptive/{adaptive_participants}.log",
    benchmark:
        "results/<run>/benchmarks/report_adaptive/{adaptive_participants}.tsv"
    wildcard_constraints:
        adaptive_participants=one_of(plan.adaptive_participants),
    params:
        **step("report/adaptive"),
    resources:
        **needs("report_adaptive"),
    conda:
        ENVIRONMENT
    message:
        "Drawing the figure of an adaptive experiment: {wildcards.adaptive_participants}"
    script:
        SCRIPTS / "report/adaptive.py"


FIGURES += [f"results/<run>/report/figures/adaptive_{name}.svg" for name in plan.adaptive_participants]


rule report_assets:
    output:
        directory(ASSETS),
    log:
        "results/<run>/logs/report_assets.log",
    benchmark:
        "results/<run>/benchmarks/report_assets.tsv"
    params:
        **step("report/assets"),
        read=data_version(*(path for path in sorted(SITE.iterdir()) if path.suffix in (".css", ".js"))),
    resources:
        **needs("report_assets"),
    conda:
        ENVIRONMENT
    message:
        "Writing the style sheets and scripts of the report"
    script:
        SCRIPTS / "report/assets.py"


rule report_pages:
    input:
        assets=ancient(ASSETS),
        figures=lambda _: FIGURES,  # of later steps, too
        media=[f"results/<run>/report/media/{model}" for model in plan.generation_models],
        # Pages that other rules write.
        linked=[f"results/<run>/report/{page}.html" for page in LINKED],
        comparison=list(dict.fromkeys([*COMPARISON, *FROM_OWN_PARTICIPANTS, *ADDED_TO_COMPARISON])),
        own_participants=OWN_PARTICIPANTS,
        adaptive=ADAPTIVE_PARTICIPANTS,
        acceptance=[f"results/<run>/acceptance/{model}.nc" for model in plan.generation_models],
        nulls=[f"results/<run>/nulls/{model}.nc" for model in plan.generation_models],
        training=[f"results/<run>/training/{model}.nc" for model in REPORTED_TRAINING],
        readouts=[path for model in plan.recognition_models for path in readout_file(model)],
        vulnerability=VULNERABILITY,
        brain=BRAINS,
        similarity=SIMILARITIES,
        recognition=[path for model in plan.generation_models for path in recognition_of(model)],
        # Read for their provenance only.
        humans=[path for path in HUMANS if path not in COMPARISON],
        stimuli=list(dict.fromkeys(stimuli_of(model) for model in plan.generation_models)),
        metamers=[path for model in plan.generation_models for path in metamers_of(model)],
    output:
        # The first is index.html.
        pages=[f"results/<run>/report/{page}.html" for page in PAGES],
        findings="results/<run>/report/findings.txt",
        points="results/<run>/report/points.js",
        steps=report(
            "results/<run>/report/figures/steps.svg", caption="../report/steps.rst", category="How it was made"
        ),
        overview=(
            report(
                ["results/<run>/report/figures/overview.svg"], caption="../report/overview.rst", category="Overview"
            )
            if plan.generation_models
            else []
        ),
        target=(
            report(["results/<run>/report/figures/target.svg"], caption="../report/target.rst", category="Synthesis")
            if any(entry["targets"] for entry in SHOWN_MODELS.values())
            else []
        ),
    log:
        "results/<run>/logs/report_pages.log",
    benchmark:
        "results/<run>/benchmarks/report_pages.tsv"
    params:
        **step("report/pages"),
        linked=LINKED,
        read=data_version(*site_templates()),
        benchmarks=BENCHMARKS,
        models=SHOWN_MODELS,
        model_order=plan.model_order,  # their colours and marks
        recognition_models={
            model: {
                "modality": plan.models[model].modality,
                "family": plan.families[model],
            }
            for model in plan.recognition_models
        },
        unheard_voices=all(plan.datasets[plan.training[model].dataset].voices_differ for model in REPORTED_TRAINING),
        captions={path.stem: path.read_text(encoding="utf-8") for path in sorted(CAPTIONS.glob("*.rst"))},
        synthesis={
            **quality_attributes(plan.settings.synthesis.quality),
            "steps": {
                name: number_of_steps(settings) for name, settings in plan.settings.synthesis.of_modality.items()
            },
            "default_settings": DEFAULT_SYNTHESIS,
            "target": plan.settings.synthesis.target.normalized_error.parameters,
            "stage_targets": plan.settings.synthesis.target.stages,
            "must_converge": plan.settings.acceptance.converged,
            "penalties": plan.penalties,
        },
        # Without keys that concern one machine, or a model card, only.
        configuration={
            key: value
            for key, value in config.items()
            if key
            not in (
                "mirror",
                "device",
                "cuda_graphs",
                "model",
                "save_every_s",
                "rebuild_manifest",
                "left_out",
            )
        },
        left_out=LEFT_OUT,
    resources:
        **needs("report_pages", Work(items=len(plan.generation_models))),
    conda:
        ENVIRONMENT
    message:
        f"Writing the report of {plan.settings.run}"
    script:
        SCRIPTS / "report/pages.py"


# A copy of the default run's picture is docs/pictures/metamers.png, which README.md shows.
rule report_picture:
    input:
        natural=by("generation_model", exported_stimuli_of),
        exported="results/<run>/exported/metamers/{generation_model}",
        acceptance="results/<run>/acceptance/{generation_model}.nc",
        recognizability="results/<run>/comparison/recognizability.nc",
    output:
        "results/<run>/report/picture_{generation_model}.png",
    log:
        "results/<run>/logs/report_picture/{generation_model}.log",
    benchmark:
        "results/<run>/benchmarks/report_picture/{generation_model}.tsv"
    params:
        **step("report/picture"),
        name="{generation_model}",
        model=by("generation_model", SHOWN_MODELS.__getitem__),
    resources:
        **needs("report_picture"),
    conda:
        ENVIRONMENT
    message:
        "Drawing a photograph, its metamers and their recognizability ({wildcards.generation_model})"
    script:
        SCRIPTS / "report/picture.py"


rule report:
    input:
        rules.report_pages.output,
        PICTURE,
