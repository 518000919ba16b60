"""Model card: one model of the registry, checked before a run: `snakemake model_card --config model=NAME`."""

from metamers.synthesize.qualities import UNCONVERGED_QUALITIES

CARD_MODEL = plan.settings.model or "no_model_named"


def card_files(_wildcards):
    """Input function: the files that the model of a model card is built from, and the stimuli that it is shown."""
    plan.check_target("model_card")
    model = plan.settings.model
    shown = {"stimuli": stimuli_of(model), "categories": categories_of(model)}
    readout = {"readout": f"results/<run>/readouts/{model}.nc"} if model in plan.readouts else {}
    return files_by_kind(model) | shown | readout


def card_params(model):
    """Parameters of a model card: the model, and the settings of the run from which the card computes what it costs and can say."""
    dataset, stages = plan.dataset_of[model], plan.generation_models.get(model, list(plan.models[model].stages))
    settings = {
        "dataset": dataset,
        "dataset_entry": dataset_params(model),
        "stages": stages,
        "stimuli": plan.stimuli_of(model),
        "seeds": plan.settings.synthesis.seeds,
        "synthesis": plan.synthesis_of(model),
        "unrelated_families": len(
            {plan.models[name].family for name in plan.recognition_models_of(model)} - {plan.models[model].family}
        ),
        "quality": plan.settings.synthesis.quality,
        "match_suffices": plan.settings.synthesis.quality not in UNCONVERGED_QUALITIES
        and all(plan.target_of(model, stage) is not None for stage in stages),
    }
    return {
        "model": architecture(model),
        "references": plan.models[model].references,
        "weights_file": weights_file(model),
        "settings": settings,
    }


rule model_card:
    input:
        unpack(card_files),
    output:
        netcdf=f"results/<run>/model_cards/{CARD_MODEL}.nc",
        page=f"results/<run>/model_cards/{CARD_MODEL}.html",
    log:
        f"results/<run>/logs/model_card/{CARD_MODEL}.log",
    benchmark:
        f"results/<run>/benchmarks/model_card/{CARD_MODEL}.tsv"
    params:
        **step("model_card"),
        **(card_params(CARD_MODEL) if plan.settings.model else {}),
        read=data_version(*templates("model_card")),
        run_seed=plan.settings.seed,
    resources:
        **needs(
            "model_card",
            workload.forward_passes([plan.settings.model], 1000) if plan.settings.model else Work(),
            gpus(),
        ),
    conda:
        ENVIRONMENT
    message:
        f"Checking {CARD_MODEL}"
    script:
        SCRIPTS / "model_card.py"
